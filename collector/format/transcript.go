package format

import (
	"bytes"
	"strings"

	"github.com/mcpwatch/mcpwatch/event"
)

// maxWords is how many bytes of a line may stand before its message.
const maxWords = 96

// transcriptLine takes a line of a transcript apart: words and a message. The direction is empty
// where the words do not say it.
func transcriptLine(line string) (words string, direction event.Direction, body string, ok bool) {
	if data, stream := strings.CutPrefix(line, "data:"); stream {
		body = strings.TrimSpace(data)
		return "", "", body, body != "" && (body[0] == '{' || body[0] == '[')
	}
	at := strings.IndexByte(line[:min(len(line), maxWords)], '{')
	if at < 0 {
		return "", "", "", false
	}
	if at > 0 && line[at-1] == '[' { // a batch
		at--
	}
	words, body = strings.TrimSpace(line[:at]), line[at:]
	if words == "" {
		return "", "", body, true
	}
	if c := line[at-1]; 'a' <= c|0x20 && c|0x20 <= 'z' || !strings.Contains(body[:min(len(body), len(`[{ "`))], `"`) { // code and prose have braces too
		return "", "", "", false
	}
	direction = directionSaid(words)
	return words, direction, body, direction != ""
}

// directionSaid is what the last words before a message say of its way. An arrow points to the
// server: most transcripts are a client's.
func directionSaid(words string) event.Direction {
	words = strings.TrimRight(strings.ToLower(words), ": ])")
	for _, way := range [...]struct {
		words     string
		direction event.Direction
	}{
		{"client -> server", event.ToServer},
		{"server -> client", event.ToClient},
		{"client->server", event.ToServer},
		{"server->client", event.ToClient},
		{"client → server", event.ToServer},
		{"server → client", event.ToClient},
		{"server <- client", event.ToServer},
		{"client <- server", event.ToClient},
		{"client", event.ToServer},
		{"server", event.ToClient},
		{"sent", event.ToServer},
		{"received", event.ToClient},
		{"send", event.ToServer},
		{"recv", event.ToClient},
		{"request", event.ToServer},
		{"response", event.ToClient},
		{"→", event.ToServer},
		{"←", event.ToClient},
		{"->", event.ToServer},
		{"<-", event.ToClient},
		{"-->", event.ToServer},
		{"<--", event.ToClient},
		{">>>", event.ToServer},
		{"<<<", event.ToClient},
		{">>", event.ToServer},
		{"<<", event.ToClient},
		{">", event.ToServer},
		{"<", event.ToClient},
	} {
		if before, found := strings.CutSuffix(words, way.words); found && !endsInWord(before) {
			return way.direction
		}
	}
	return ""
}

// endsInWord reports whether a text ends in what a longer word or arrow could begin with.
func endsInWord(text string) bool {
	return text != "" && !strings.ContainsAny(text[len(text)-1:], " \t[(:|")
}

// isTranscript reports whether a line is one of a transcript. One that is bare JSON is only where
// others are there, for Detect does not ask for JSON.
func isTranscript(line []byte) bool {
	_, _, _, ok := transcriptLine(string(line[:min(len(line), maxWords)]))
	return ok || isFrame(line)
}

const frameHeader = "Content-Length: "

// isFrame reports whether a line is the header of a message that is framed as in the Language
// Server Protocol.
func isFrame(line []byte) bool {
	length, ok := bytes.CutPrefix(line, []byte(frameHeader))
	return ok && len(length) > 0 && len(bytes.TrimLeft(length, "0123456789")) == 0
}

// withoutFrame takes the next message's header off the end of a line: framed messages end without
// a line's end.
func withoutFrame(line []byte) []byte {
	at := bytes.LastIndex(line, []byte("}"+frameHeader))
	if at < 0 || !isFrame(line[at+1:]) {
		return line
	}
	return line[:at+1]
}

// readTranscript reads a line of a transcript that is more than JSON: behind an arrow or a word
// that says which way it went, as data of a stream of server-sent events, or framed with its length;
// or the whole of such a stream. Other lines tell of nothing. Transcripts hold whatever else was
// written to them, so each event is marked "forgeable".
func (r *Reader) readTranscript(record []byte) (err error) {
	context := event.Event{Marks: []string{forgeable}}
	if bytes.IndexByte(record, '\n') >= 0 {
		sseData(record, func(data []byte) {
			if data[0] == '{' && err == nil && len(r.made) <= maxAnswers {
				err = r.sent(&context, "", string(data))
			}
		})
		return err
	}
	words, direction, body, ok := transcriptLine(string(withoutFrame(record)))
	if !ok {
		return nil
	}
	at, _, _ := strings.Cut(words, " ")
	context.Time = timeOf(strings.Trim(at, "[]"))
	return r.sent(&context, direction, body)
}
