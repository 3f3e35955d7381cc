// Package format reads what other systems write: bytes to events, one file a format.
// Readers are pure: no clock, no I/O, no state between records.
package format

import (
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
	// Flat is one flat object a call: method, tool, args_text, result_text and so on beside each
	// other, as gateways log and log pipelines index it.
	Flat Format = "flat"
	// JSONRPC is a transcript: one JSON-RPC message a record, bare or in an object's "message".
	JSONRPC Format = "jsonrpc"
	// Tools is one tool definition a record, as in a tools/list result.
	Tools Format = "tools"
)

// Formats lists the formats by name.
func Formats() []Format { return []Format{Events, Flat, JSONRPC, Tools} }

// Reader reads the records of one source. It belongs to one goroutine.
type Reader struct {
	format  Format
	decoder *event.Decoder
	parser  event.Parser
	made    event.Event
	request event.Request
}

// NewReader returns a reader of a format; "" finds the format of each record by itself. Like
// event.Decode it bounds what is too long and mends invalid UTF-8, and marks the event.
func NewReader(f Format, limits event.Limits) *Reader {
	return &Reader{format: f, decoder: event.NewDecoder(limits)}
}

// Read reads one record, whose bytes must not be changed afterwards. The event is the reader's
// and good until its next Read: who keeps it clones it. The error is an *event.FieldError, or
// says that there is no such format.
func (r *Reader) Read(record []byte) (*event.Event, error) {
	root, err := r.decoder.Parse(record)
	if err != nil {
		return nil, err
	}
	f := r.format
	if f == "" {
		if f, err = detect(root); err != nil {
			return nil, err
		}
	}
	switch f {
	case Events:
		e, _, err := r.decoder.Event()
		return e, err
	case Flat:
		err = r.readFlat(root)
	case JSONRPC:
		r.readMessage(root)
	case Tools:
		err = r.readTool(root)
	default:
		err = fmt.Errorf("unknown format %q, there are %v", f, Formats())
	}
	if err != nil {
		return nil, err
	}
	if r.decoder.Mended() {
		r.made.Mark("invalid_utf8")
	}
	return &r.made, r.made.Bound()
}

// Detect finds the format of a record by its shape.
func Detect(record []byte) (Format, error) {
	var parser event.Parser
	root, err := parser.ParseValue(record)
	if err != nil {
		return "", &event.FieldError{Reason: "is not JSON"}
	}
	return detect(root)
}

func detect(root event.Value) (Format, error) {
	switch root.Kind() {
	case event.Array:
		return JSONRPC, nil // a batch
	case event.Object:
	default:
		return "", &event.FieldError{Reason: "is JSON but no object: no format begins like this"}
	}
	shape := shapeOf(root)
	switch {
	case shape.isFlat():
		return Flat, nil
	case shape.isMessage():
		return JSONRPC, nil
	case shape.has&hasMessage != 0 && shape.texts&hasMessage == 0, shape.has&hasRaw != 0 && shape.has&hasDirection != 0: // a text is some log's message
		if shape.texts&(hasServer|hasSource|hasAgent) != 0 {
			return JSONRPC, nil // somebody else's envelope: ours holds objects there
		}
		return Events, nil
	case shape.has&hasTools != 0, shape.texts&hasName != 0 && shape.has&(hasSchema|hasDescription) != 0:
		return Tools, nil
	}
	return "", &event.FieldError{Reason: "is neither an event, a JSON-RPC message, a flat log of calls nor a tool definition"}
}

// make begins an event of a message.
func (r *Reader) make(f Format, direction event.Direction, raw jsontext.Value, carries []string) *event.Event {
	r.made = event.Event{
		Direction: direction,
		Source:    event.Source{Format: string(f), Completeness: carries},
		Message:   raw,
	}
	return &r.made
}
