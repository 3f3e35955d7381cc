package format

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/event"
)

// Most logs of gateways hold no message, they tell of one. What makes messages of that is here.

// unknownID is the id of a message of which nobody tells the id: what has none is a notification.
var unknownID = jsontext.Value("0")

// asked is the request or notification that a record tells of: its method, and whom it names.
func asked(id jsontext.Value, method, name string) jsontext.Value {
	m := []byte(`{"jsonrpc":"2.0"`)
	if !strings.HasPrefix(method, "notifications/") {
		m = append(append(m, `,"id":`...), id...)
	}
	m = append(append(m, `,"method":`...), quoted(method)...)
	if namesSomething(method) && name != "" {
		m = append(append(append(m, `,"params":{"`...), nameOf(method)...), `":`...)
		m = append(append(m, quoted(name)...), '}')
	}
	return append(m, '}')
}

// namesSomething reports whether a method's requests say by name or URI what they are about.
func namesSomething(method string) bool {
	switch method {
	case "tools/call", "prompts/get", "resources/read", "resources/subscribe", "resources/unsubscribe":
		return true
	}
	return false
}

// done is an answer of which no more is told than that it was one.
func done(id jsontext.Value) jsontext.Value {
	return append(append([]byte(`{"jsonrpc":"2.0","id":`), id...), `,"result":{}}`...)
}

// failed is the answer that is an error.
func failed(id jsontext.Value, code int64, message string) jsontext.Value {
	m := append(append([]byte(`{"jsonrpc":"2.0","id":`), id...), `,"error":{"code":`...)
	m = append(strconv.AppendInt(m, code, 10), `,"message":`...)
	return append(append(m, quoted(message)...), `}}`...)
}

// like adds an event of a message in the context of another event.
func (r *Reader) like(context *event.Event, direction event.Direction, message jsontext.Value) *event.Event {
	e := r.event(direction, message)
	source := e.Source
	*e = context.Clone()
	e.Source, e.Direction, e.Message = source, direction, message
	return e
}

// tells adds an event of what is no message.
func (r *Reader) tells(context *event.Event, activity string) *event.Event {
	e := r.like(context, event.ToServer, nil)
	e.Activity = activity
	return e
}

// maxRecordID is how long an id of a record may be, in bytes.
const maxRecordID = 256

// identify names the record's events by the id that the gateway itself made for the record. An id
// that clients may choose must not come here: who repeats one would hide what comes second.
func (r *Reader) identify(id string) {
	if id == "" || len(id) > maxRecordID {
		return
	}
	for i := range r.made {
		r.made[i].ID = string(r.spec.format) + ":" + id
		if i > 0 {
			r.made[i].ID += ":" + strconv.Itoa(i)
		}
	}
}

// outcomeOf says of an HTTP status how a call ended. That it came through says nothing of the call.
func outcomeOf(status int) string {
	switch {
	case status == 401 || status == 403 || status == 429:
		return event.OutcomeDenied
	case status >= 500:
		return event.OutcomeError
	case status >= 400:
		return event.OutcomeFailure
	}
	return ""
}

// timeOf reads a time as logs write it: RFC 3339, or without a zone, which is UTC, and with a
// space. It is zero where the text is none.
func timeOf(text string) time.Time {
	if len(text) < len("2006-01-02 15:04:05") || text[4] != '-' || text[10] != 'T' && text[10] != ' ' {
		return time.Time{} // most that is none, without the cost of an error
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05"} { // a fraction is taken by all
		if t, err := time.Parse(layout, text); err == nil {
			if t = t.UTC(); t.Year() >= 1 && t.Year() <= 9999 {
				return t
			}
		}
	}
	return time.Time{}
}

// millis rounds a number of milliseconds; what is none is 0.
func millis(v event.Value) int64 {
	f, _ := v.Float()
	if math.Abs(f) > 1<<53 {
		return 0
	}
	return int64(math.Round(f))
}

// status is an HTTP status, 0 where the value is none.
func status(v event.Value) int {
	n, ok := v.Int()
	if !ok || n < 100 || n > 999 {
		return 0
	}
	return int(n)
}

// userAgent is the headers where nothing but that is known of them.
func userAgent(value string) map[string]string {
	if value == "" {
		return nil
	}
	return map[string]string{"user-agent": value}
}

// addressOf is an address without its port.
func addressOf(hostPort string) string {
	if i := strings.LastIndexByte(hostPort, ':'); i > 0 && (strings.Count(hostPort, ":") == 1 || hostPort[i-1] == ']') {
		hostPort = hostPort[:i]
	}
	return strings.Trim(hostPort, "[]")
}

// transportOf is a transport as events name it.
func transportOf(name string) string {
	switch strings.ToLower(name) {
	case "streamable-http", "streamablehttp", "streamable_http", "http":
		return "http"
	}
	return strings.ToLower(name)
}

// firstOf is the first text that says something. Some logs have a mark where they left one out.
func firstOf(texts ...string) string {
	for _, s := range texts {
		switch s {
		case "-", "***REDACTED***", "[redacted]", "unknown", "anonymous", "None", "null":
			continue
		}
		if s != "" {
			return s
		}
	}
	return ""
}

// because joins what there is of a reason.
func because(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		if p != "" && b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(p)
	}
	return b.String()
}

// sseData gives what the events of a server-sent event stream hold, one after the other: the lines
// of data of each, joined. It gives nothing for a text that is no such stream.
func sseData(stream []byte, do func(data []byte)) {
	var data []byte
	give := func() {
		if data = bytes.TrimSpace(data); len(data) > 0 {
			do(data)
		}
		data = nil
	}
	for line := range bytes.Lines(stream) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			give()
		} else if rest, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			data = append(append(data, bytes.TrimPrefix(rest, []byte(" "))...), '\n')
		}
	}
	give()
}

// word makes of a text one that an activity may be: lower case with underscores. One that is longer
// than 64 bytes, or empty, is "other".
func word(text string) string {
	if text == "" || len(text) > 64 {
		return "other"
	}
	return strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
			return c
		case 'A' <= c && c <= 'Z':
			return c + 'a' - 'A'
		}
		return '_'
	}, text)
}
