// Package format reads what other systems write: bytes to events, one file a format.
// Readers are pure: no clock, no I/O, no state between records.
package format

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

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

// Auto is the name, where one is needed, of no format: that of each record is found.
const Auto = "auto"

// spec is what there is to know of a format.
type spec struct {
	format Format
	// of says whose format it is, in a few words.
	of string
	// carries lists what its records carry at all, as in event.Source.Completeness.
	carries []string
	// unverified says that no genuine record was at hand when the reader was written.
	unverified bool
	// begins reports whether a line begins a record, for a format of text; nil for one of JSON.
	begins func(line []byte) bool
	// is reports whether a JSON record is one of the format.
	is func(root event.Value, s shape) bool
	// readText reads a record of text, readJSON one of JSON.
	readText func(r *Reader, record []byte) error
	readJSON func(r *Reader, root event.Value) error
}

// specs lists the formats. Where a record could be of several, the first is meant: those of one
// product stand before those that many could have written.
var specs = []spec{
	{format: Flat, of: "one flat object a call", carries: flatCarries, is: isFlat, readJSON: (*Reader).readFlat},
	{format: JSONRPC, of: "JSON-RPC messages, bare or in an envelope", carries: messageCarries, is: isMessageRecord, readJSON: (*Reader).readMessage},
	{format: Events, of: "mcpwatch", carries: event.Carriers(), is: isEvent},
	{format: Tools, of: "tool definitions", carries: toolCarries, is: isTool, readJSON: (*Reader).readTool},
}

func specOf(f Format) (*spec, bool) {
	i := slices.IndexFunc(specs, func(s spec) bool { return s.format == f })
	if i < 0 {
		return nil, false
	}
	return &specs[i], true
}

// Description is what a user is told of a format.
type Description struct {
	Format Format
	// Of says whose it is.
	Of string
	// Carries lists what its records carry at all, as in event.Source.Completeness. Of Events
	// that is the source's to say: all is what it can be.
	Carries []string
	// Verified says that the reader was written against genuine records.
	Verified bool
	// Text says that it is no JSON.
	Text bool
}

// Formats describes the formats that can be read, by name.
func Formats() []Description {
	all := make([]Description, len(specs))
	for i := range specs {
		s := &specs[i]
		all[i] = Description{s.format, s.of, slices.Clone(s.carries), !s.unverified, s.begins != nil}
	}
	slices.SortFunc(all, func(a, b Description) int { return cmp.Compare(a.Format, b.Format) })
	return all
}

// UnmarshalText takes the name of a format, or "" or Auto, which find the format of each record.
func (f *Format) UnmarshalText(text []byte) error {
	if string(text) == Auto {
		*f = ""
		return nil
	}
	if _, known := specOf(Format(text)); !known && len(text) > 0 {
		return unknown(Format(text))
	}
	*f = Format(text)
	return nil
}

func unknown(f Format) error {
	return fmt.Errorf("unknown format %q, there are %s", f, Names())
}

// Names lists the formats, by name, between commas.
func Names() string {
	names := make([]string, len(specs))
	for i, d := range Formats() {
		names[i] = string(d.Format)
	}
	return strings.Join(names, ", ")
}

// Reader reads the records of one source. It belongs to one goroutine.
type Reader struct {
	format  Format
	decoder *event.Decoder
	parser  event.Parser

	record   []byte
	spec     *spec // of the record
	made     []event.Event
	requests []event.Request // of those
	mended   bool            // the record was no valid Unicode
}

// NewReader returns a reader of a format; "" finds the format of each record by itself. Like
// event.Decode it bounds what is too long and mends invalid UTF-8, and marks the event.
func NewReader(f Format, limits event.Limits) *Reader {
	return &Reader{format: f, decoder: event.NewDecoder(limits)}
}

// Read reads one record, whose bytes must not be changed afterwards. It holds an event for each
// message that it tells of, such as a call and its answer, and none where it tells of nothing
// that MCP knows, such as a gateway's start. The events are the reader's and good until its next
// Read: who keeps one clones it. The error is an *event.FieldError, or says that there is no such
// format.
func (r *Reader) Read(record []byte) ([]event.Event, error) {
	r.record, r.made, r.requests, r.mended = record, r.made[:0], r.requests[:0], false
	if err := r.read(record); err != nil {
		return nil, err
	}
	for i := range r.made {
		if r.mended {
			r.made[i].Mark("invalid_utf8")
		}
		if err := r.made[i].Bound(); err != nil {
			return nil, err
		}
	}
	return r.made, nil
}

// Raw is what the n-th event of the record was made of, for an id where it has none (see
// event.DeriveID): the record, and where it holds several, which of them.
func (r *Reader) Raw(n int) []byte {
	if n == 0 {
		return r.record
	}
	return binary.AppendUvarint(append(bytes.Clone(r.record), 0), uint64(n))
}

func (r *Reader) read(record []byte) error {
	f := r.format
	if f == "" {
		f, _ = formatOfText(record)
	}
	if s, known := specOf(f); known && s.begins != nil {
		r.spec = s
		return s.readText(r, record)
	}
	root, err := r.parse(record)
	if err != nil {
		return err
	}
	if f == "" {
		if f, err = detect(root); err != nil {
			return err
		}
	}
	s, known := specOf(f)
	if !known {
		return unknown(f)
	}
	r.spec = s
	if f == Events {
		e, _, err := r.decoder.Event()
		if err == nil {
			r.made = append(r.made, *e)
		}
		return err
	}
	return s.readJSON(r, root)
}

// parse reads JSON that is the record or lies in it. The value is good until the next parse.
func (r *Reader) parse(data []byte) (event.Value, error) {
	root, err := r.decoder.Parse(data)
	r.mended = r.mended || r.decoder.Mended()
	return root, err
}

// Detect finds the format of a record by its shape.
func Detect(record []byte) (Format, error) {
	if f, ok := formatOfText(record); ok {
		return f, nil
	}
	var parser event.Parser
	root, err := parser.ParseValue(record)
	if err != nil {
		return "", &event.FieldError{Reason: "is not JSON"}
	}
	return detect(root)
}

// formatOfText finds the format of a record that is no JSON.
func formatOfText(record []byte) (Format, bool) {
	if len(record) > 0 && record[0] == '{' {
		return "", false
	}
	for i := range specs {
		if s := &specs[i]; s.begins != nil && s.begins(record) {
			return s.format, true
		}
	}
	return "", false
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
	for i := range specs {
		if s := &specs[i]; s.is != nil && s.is(root, shape) {
			return s.format, nil
		}
	}
	return "", &event.FieldError{Reason: "is a record of no known format, which are " + Names()}
}

// event begins an event of a message. What it is given besides must be the record's or new.
func (r *Reader) event(direction event.Direction, message jsontext.Value) *event.Event {
	r.made = append(r.made, event.Event{
		Direction: direction,
		Source:    event.Source{Format: string(r.spec.format), Completeness: r.spec.carries},
		Message:   message,
	})
	return &r.made[len(r.made)-1]
}

// request is a request for an event that answers it.
func (r *Reader) request(q event.Request) *event.Request {
	r.requests = append(r.requests, q)
	return &r.requests[len(r.requests)-1]
}
