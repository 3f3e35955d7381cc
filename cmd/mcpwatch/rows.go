package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/event"
)

// rowReader reads a file as a detector would get its events. A row is one record of the file,
// counted from 0; it can hold several events, and one that nobody can read holds none.
type rowReader struct {
	format format.Format // "": found by itself, record by record
	err    io.Writer     // is told what cannot be read
	// each is given the events of a row, good until it returns; of a row with one event also its
	// message, where that was taken apart on the way.
	each func(row int, events []event.Event, parsed *event.Message) error

	reader        *format.Reader
	parser        event.Parser
	one           [1]event.Event
	rows, refused int
}

// readFile reads a file, or standard input where it is named "-".
func (r *rowReader) readFile(name string, stdin io.Reader) error {
	if name == "-" {
		return r.read(stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	defer func() { _ = f.Close() }()
	return r.read(f)
}

func (r *rowReader) read(in io.Reader) error {
	r.reader = format.NewReader(r.format, event.Limits{Bytes: maxRecord, Depth: event.DefaultLimits().Depth})
	err := eachRecord(in, r.record, r.refuse)
	if err == nil && r.rows == 0 {
		return errors.New("reading: the file holds nothing")
	}
	return err
}

// refuse counts a row that nobody can read.
func (r *rowReader) refuse(reason string) error {
	r.complain(reason)
	return r.give(nil, nil)
}

// give hands on the events of the current row, which ends it.
func (r *rowReader) give(events []event.Event, parsed *event.Message) error {
	r.rows++
	return r.each(r.rows-1, events, parsed)
}

// complain says why not all of the current row can be read.
func (r *rowReader) complain(reason string) {
	r.refused++
	if r.refused <= 10 {
		_, _ = fmt.Fprintf(r.err, "row %d: %s\n", r.rows, event.Printable(reason))
	}
}

// end says how much could not be read.
func (r *rowReader) end() {
	if r.refused > 0 {
		_, _ = fmt.Fprintf(r.err, "%d of %d rows could not be read\n", r.refused, r.rows)
	}
}

// record reads one record of the file.
func (r *rowReader) record(record []byte) error {
	if record[0] == '[' && r.format != format.Tools && !isBatch(record) {
		return r.list(record)
	}
	return r.row(record)
}

// list reads the elements of an array that stands on a line: no format's record looks
// like this, a batch of messages and a list of tools aside.
func (r *rowReader) list(array []byte) error {
	if !jsontext.Value(array).IsValid(lenient()) {
		return r.refuse("is not JSON")
	}
	d := jsontext.NewDecoder(bytes.NewReader(array), lenient())
	_, err := d.ReadToken()
	for err == nil && d.PeekKind() != ']' {
		var record []byte
		if record, err = d.ReadValue(); err != nil {
			break
		}
		if record[0] == '[' && !isBatch(record) {
			err = r.refuse("is an array in an array")
			continue
		}
		err = r.row(record)
	}
	return err
}

// isBatch reports whether an array holds JSON-RPC messages, bare ones, and nothing else.
func isBatch(array []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(array), lenient())
	if _, err := d.ReadToken(); err != nil {
		return false
	}
	for d.PeekKind() == '{' {
		message, err := d.ReadValue()
		if err != nil || !isBare(message) {
			return false
		}
	}
	return d.PeekKind() == ']'
}

// isBare reports whether an object is a JSON-RPC message that nobody put into an envelope.
func isBare(object []byte) bool {
	var envelope struct {
		Message jsontext.Value `json:"message"`
		Raw     jsontext.Value `json:"raw"`
	}
	err := json.Unmarshal(object, &envelope, lenient())
	form, _ := format.Detect(object)
	return err == nil && form == format.JSONRPC && envelope.Message == nil && envelope.Raw == nil
}

// row makes events of one record. The next one is read into the same memory.
func (r *rowReader) row(record []byte) error {
	e, err := r.reader.Read(record)
	if err != nil {
		return r.refuse(err.Error())
	}
	if e.Session == "" && e.Source.Format == string(format.JSONRPC) {
		e.Session = "scan" // a bare transcript is one conversation
	}
	// No clock is read, so that a file gives the same output whenever it is read.
	received := e.Time
	if received.IsZero() {
		received = time.Unix(0, 0)
	}
	origin := event.Origin{Tenant: "scan", Source: "scan"}
	if m, err := r.parser.Parse(e.Message); err == nil && !m.Holds() {
		e.Accept(origin, received, record, r.rows)
		r.one[0] = *e
		return r.give(r.one[:], &m)
	}
	events := r.parser.Take(event.Shipment{Event: *e, Origin: origin, Received: received, Raw: record, Ordinal: r.rows})
	for i := range events {
		if events[i].HasMark("children_dropped") {
			r.complain("holds more messages or definitions than are judged: give one a line")
			break
		}
	}
	return r.give(events, nil)
}
