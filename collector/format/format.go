// Package format reads what other systems write: bytes to events, one file a format.
// Readers are pure: no clock, no I/O, no state between records.
package format

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/event"
)

// Format is a source format.
type Format string

// The formats that can be read.
const (
	// Events is our own: one event a record.
	Events Format = "events"
	// JSONRPC is a transcript: one JSON-RPC message a record, bare or in an object's "message".
	JSONRPC Format = "jsonrpc"
	// Tools is one tool definition a record, as in a tools/list result.
	Tools Format = "tools"
)

// Formats lists the formats by name.
func Formats() []Format { return []Format{Events, JSONRPC, Tools} }

// Read reads one record in a format; "" finds the format of this record by itself. Like
// event.Decode it bounds what is too long and mends invalid UTF-8, and marks the event.
func Read(f Format, record []byte, limits event.Limits) (event.Event, error) {
	if len(record) > limits.Bytes {
		return event.Event{}, &event.FieldError{Reason: fmt.Sprintf("%d bytes, at most %d are taken", len(record), limits.Bytes)}
	}
	text, mended := event.Mend(record)
	if f == "" {
		var err error
		if f, err = Detect(text); err != nil {
			return event.Event{}, err
		}
	}
	e, err := read(f, text, limits)
	if err == nil && mended {
		e.Mark("invalid_utf8")
	}
	return e, err
}

func read(f Format, record []byte, limits event.Limits) (event.Event, error) {
	switch f {
	case Events:
		return event.Decode(record, limits)
	case JSONRPC:
		return readMessage(record, limits)
	case Tools:
		return readTool(record, limits)
	}
	return event.Event{}, fmt.Errorf("unknown format %q, there are %v", f, Formats())
}

// Detect finds the format of a record by its shape.
func Detect(record []byte) (Format, error) {
	var parser event.Parser
	root, err := parser.ParseValue(record)
	if err != nil {
		return "", &event.FieldError{Reason: "is not JSON"}
	}
	switch root.Kind() {
	case event.Array:
		return JSONRPC, nil // a batch
	case event.Object:
	default:
		return "", &event.FieldError{Reason: "is JSON but no object: no format begins like this"}
	}
	has := func(name string) bool { return root.Get(name).Exists() }
	isText := func(name string) bool { return root.Get(name).Kind() == event.String }
	switch {
	case isMessage(root):
		return JSONRPC, nil
	case has("message") && !isText("message"), has("raw") && has("direction"): // a text is some log's message
		if isText("server") || isText("source") || isText("agent") {
			return JSONRPC, nil // somebody else's envelope: ours holds objects there
		}
		return Events, nil
	case has("tools"), isText("name") && (has("inputSchema") || has("description")):
		return Tools, nil
	}
	return "", &event.FieldError{Reason: "is neither an event, a JSON-RPC message nor a tool definition"}
}

// message wraps raw JSON in an event.
func message(f Format, direction event.Direction, raw []byte, carries ...string) event.Event {
	return event.Event{
		Direction: direction,
		Source:    event.Source{Format: string(f), Completeness: carries},
		Message:   jsontext.Value(bytes.Clone(raw)),
	}
}
