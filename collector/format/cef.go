package format

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/mcpwatch/mcpwatch/event"
)

var cefCarries = []string{
	event.CarriesCalls, event.CarriesTrace, event.CarriesTransport, "principal.subject", "http.client_ip",
	event.CarriesOutcome, event.CarriesActivity,
}

// cefBegins is how a line of ContextForge begins.
const cefBegins = "CEF:0|IBM|ContextForge|"

// isCEF reports whether a line is CEF of ContextForge, with or without the header of a syslog
// message that begins with its priority. A text that somebody put into another log's line can't be
// taken for it.
func isCEF(line []byte) bool {
	start := line[:min(len(line), 512)]
	at := bytes.Index(start, []byte(cefBegins))
	return at == 0 || at > 0 && start[0] == '<' && '0' <= start[1] && start[1] <= '9' && !bytes.ContainsAny(start[:at], `"={`)
}

// readCEF reads a line in the Common Event Format that IBM ContextForge sends to a SIEM in place of
// its JSON. The layout is that of its source and of the format's own rules: seven fields between
// bars, then pairs.
func (r *Reader) readCEF(record []byte) error {
	line := string(record)
	at := strings.Index(line, cefBegins)
	if at < 0 {
		return &event.FieldError{Reason: "is no CEF of ContextForge"}
	}
	fields, pairs, ok := cefFields(line[at:])
	if !ok {
		return &event.FieldError{Reason: "is CEF that breaks off"}
	}
	t := forgeTold{kind: strings.ToLower(fields[4]), description: fields[5]}
	t.context.Transport = "http"
	for part := range strings.FieldsSeq(line[:at]) {
		if when := timeOf(part); !when.IsZero() {
			t.context.Time = when
		}
	}
	cefPairs(pairs, func(key, value string) {
		switch key {
		case "src":
			t.context.HTTP.ClientIP = firstOf(value)
		case "suser":
			t.user = firstOf(value)
		case "cs1":
			t.context.Trace = value
		case "requestClientApplication":
			t.context.HTTP.Headers = userAgent(value)
		case "act":
			t.taken = value
		case "outcome":
			t.failed = strings.EqualFold(value, "failure")
		case "rt", "end":
			if ms, err := strconv.ParseInt(value, 10, 64); err == nil && 0 <= ms && ms < 1<<47 {
				t.context.Time = time.UnixMilli(ms).UTC()
			}
		}
	})
	t.resource, t.name = cefResource(t.description)
	r.forge(&t)
	return nil
}

// cefFields takes the fields off a line, and what follows them.
func cefFields(line string) (fields [7]string, rest string, ok bool) {
	for i := range fields {
		end := 0
		for end < len(line) && line[end] != '|' {
			if line[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(line) {
			return fields, "", false
		}
		fields[i], line = cefUnescaped(line[:end]), line[end+1:]
	}
	return fields, line, true
}

// cefPairs gives the pairs. A value goes on up to the word before the next equals sign that has no
// backslash before it. Of a key that comes twice the first counts: what comes later may be from the
// inside of a text.
func cefPairs(text string, do func(key, value string)) {
	seen := make(map[string]bool)
	key, from := "", 0 // of the value that is being read
	give := func(end int) {
		if key != "" && !seen[key] {
			seen[key] = true
			do(key, cefUnescaped(strings.TrimSpace(text[from:end])))
		}
	}
	word := 0 // where the last word began
	for i := 0; i < len(text) && len(seen) < maxPairs; i++ {
		switch text[i] {
		case '\\':
			i++
		case ' ':
			word = i + 1
		case '=':
			give(max(from, word))
			key, from = text[word:i], i+1
			word = i + 1
		}
	}
	give(len(text))
}

var cefEscapes = strings.NewReplacer(`\\`, `\`, `\=`, `=`, `\|`, `|`, `\n`, "\n", `\r`, "\r")

func cefUnescaped(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return cefEscapes.Replace(s)
}

// cefResource takes what an audit is about out of its description: "Audit action UPDATE_TOOL on
// tool/42 (fetch)".
func cefResource(description string) (kind, name string) {
	_, on, _ := strings.Cut(description, " on ")
	kind, rest, _ := strings.Cut(on, "/")
	_, name, _ = strings.Cut(rest, " (")
	return kind, strings.TrimSuffix(name, ")")
}
