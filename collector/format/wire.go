package format

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/event"
)

// Logs of hosts and transcripts hold messages as they were on the wire, behind some words. What
// their readers have in common is here.

// forgeable marks the events of a log in which others' text stands unescaped: who writes that text
// can write lines that look like the log's own.
const forgeable = "forgeable"

// sent adds the event of a message that a log holds: the JSON that text begins with, or the text
// where it begins with none. One that the log cut short is marked "truncated:message". JSON that is
// no message of JSON-RPC tells of nothing.
func (r *Reader) sent(context *event.Event, direction event.Direction, text string) error {
	value, err := jsontext.NewDecoder(bytes.NewBufferString(text), lenient()).ReadValue()
	if err != nil {
		e := r.like(context, direction, nil)
		if e.Raw = text; isCutShort(text) {
			e.Mark("truncated:message")
		}
		e.Mark("not_json")
		return nil
	}
	root, err := r.parse(value)
	if err != nil {
		return err
	}
	if root.Kind() != event.Array && !shapeOf(root).isMessage() {
		return nil
	}
	e := r.like(context, direction, root.AppendCompact(nil))
	if direction == "" {
		e.Direction = r.directionOf(e.Message)
	}
	if isCutShort(string(e.Message)) {
		e.Mark("truncated:message")
	}
	return nil
}

// isCutShort reports whether a text says that so many characters were taken out of its middle. It
// may be somebody's text that says so.
func isCutShort(text string) bool {
	for {
		before, after, found := strings.Cut(text, " chars truncated]...")
		if !found {
			return false
		}
		digits := strings.TrimRight(before, "0123456789")
		if len(digits) < len(before) && strings.HasSuffix(digits, "...[") {
			return true
		}
		text = after
	}
}
