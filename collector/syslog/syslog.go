// Package syslog reads syslog messages: RFC 5424 and, as far as it is any form at all, RFC 3164, in
// the frames of RFC 6587 and RFC 5425. It is pure.
package syslog

import (
	"bytes"
	"strconv"
	"time"
)

// Message is one message. What its sender did not give is zero.
type Message struct {
	// Severity is 0 (emergency) to 7 (debug), -1 where there is none.
	Severity int
	Time     time.Time
	Host     string
	App      string
	Process  string
	// Text is what the application wrote.
	Text []byte
}

// maxName bounds host, application and process, in bytes: RFC 5424 gives a host 255.
const maxName = 255

// Parse reads a frame. It takes whatever comes: what has no header is all text. RFC 3164 says no
// year and no zone: such a time is left out, as the text's own is better or there is none.
func Parse(frame []byte) Message {
	m := Message{Severity: -1, Text: frame}
	priority, rest, ok := priorityOf(frame)
	if !ok {
		return m
	}
	m.Severity, m.Text = priority&7, rest
	if rest, ok := bytes.CutPrefix(rest, []byte("1 ")); ok {
		if parsed, ok := m.structured(rest); ok {
			return parsed
		}
		return m
	}
	return m.traditional(rest)
}

// priorityOf reads <PRI>.
func priorityOf(frame []byte) (priority int, rest []byte, ok bool) {
	end := bytes.IndexByte(frame[:min(len(frame), 5)], '>')
	if end < 2 || frame[0] != '<' {
		return 0, nil, false
	}
	n, err := strconv.ParseUint(string(frame[1:end]), 10, 8)
	if err != nil || n > 191 {
		return 0, nil, false
	}
	return int(n), frame[end+1:], true
}

// structured reads RFC 5424 after its version: TIMESTAMP HOSTNAME APP-NAME PROCID MSGID
// STRUCTURED-DATA MSG. Structured data is left out.
func (m Message) structured(rest []byte) (Message, bool) {
	var fields [5][]byte
	for i := range fields {
		var found bool
		if fields[i], rest, found = bytes.Cut(rest, []byte(" ")); !found {
			return m, false
		}
	}
	rest, ok := afterData(rest)
	if !ok {
		return m, false
	}
	if t, err := time.Parse(time.RFC3339Nano, string(fields[0])); err == nil {
		m.Time = t
	}
	m.Host, m.App, m.Process = name(fields[1]), name(fields[2]), name(fields[3])
	m.Text = trim(rest)
	return m, true
}

// afterData passes over structured data and the space behind it.
func afterData(rest []byte) ([]byte, bool) {
	if after, ok := bytes.CutPrefix(rest, []byte("-")); ok {
		return bytes.TrimPrefix(after, []byte(" ")), true
	}
	quoted := false
	for i := 0; i < len(rest); i++ {
		switch b := rest[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case b == ']' && !quoted && (i+1 == len(rest) || rest[i+1] != '['):
			return bytes.TrimPrefix(rest[i+1:], []byte(" ")), rest[0] == '['
		}
	}
	return nil, false
}

// traditional reads what is left of RFC 3164: "Mmm dd hh:mm:ss HOST TAG[PID]: TEXT", or a part of it.
func (m Message) traditional(rest []byte) Message {
	const stamp = len(time.Stamp)
	m.Text = trim(rest)
	if len(rest) <= stamp || rest[stamp] != ' ' {
		return m
	}
	if _, err := time.Parse(time.Stamp, string(rest[:stamp])); err != nil {
		return m
	}
	host, rest, found := bytes.Cut(rest[stamp+1:], []byte(" "))
	if !found {
		return m
	}
	m.Host, m.Text = name(host), trim(rest)
	tag, text, found := bytes.Cut(rest, []byte(": "))
	if !found || len(tag) == 0 || len(tag) > maxName || bytes.ContainsAny(tag, " {}\"|=") {
		return m // as CEF has it, which begins at once
	}
	m.Text = trim(text)
	if i := bytes.IndexByte(tag, '['); i >= 0 && tag[len(tag)-1] == ']' {
		m.Process = name(tag[i+1 : len(tag)-1])
		tag = tag[:i]
	}
	m.App = name(tag)
	return m
}

// name is a header's field; "-" stands for none.
func name(field []byte) string {
	if len(field) > maxName || string(field) == "-" {
		return ""
	}
	return string(bytes.ToValidUTF8(field, []byte("\uFFFD")))
}

// trim takes off what may stand about a text: a byte order mark, the cookie of CEE, line ends.
func trim(text []byte) []byte {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	text = bytes.TrimSpace(text)
	if cee, ok := bytes.CutPrefix(text, []byte("@cee:")); ok {
		return bytes.TrimSpace(cee)
	}
	return text
}
