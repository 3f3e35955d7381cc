package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

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
	rows, refused int
}

// scanOrigin is whose a file's events are.
var scanOrigin = event.Origin{Tenant: "scan", Source: "scan", Principals: true}

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
	r.reader = format.NewReader(r.format, event.Limits{Bytes: format.MaxRecord, Depth: event.DefaultLimits().Depth})
	err := format.Cut(in, r.format, r.row, r.refuse)
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

// row makes events of one record. The next one is read into the same memory.
func (r *rowReader) row(record []byte) error {
	read, err := r.reader.Read(record)
	if err != nil && len(read) == 0 {
		return r.refuse(err.Error())
	}
	if err != nil {
		r.complain(err.Error())
	}
	if len(read) == 1 {
		if m, err := r.parser.Parse(read[0].Message); err == nil && !m.Holds() {
			r.place(&read[0])
			read[0].Accept(scanOrigin, readAt(&read[0]), record, r.rows)
			return r.give(read, &m)
		}
	}
	var events []event.Event
	for i := range read {
		r.place(&read[i])
		events = append(events, r.parser.Take(event.Shipment{
			Event: read[i], Origin: scanOrigin, Received: readAt(&read[i]), Raw: r.reader.Raw(i), Ordinal: r.rows,
		})...)
	}
	for i := range events {
		if events[i].HasMark("children_dropped") {
			r.complain("holds more messages or definitions than are judged: give one a line")
			break
		}
	}
	return r.give(events, nil)
}

// place says of a bare transcript that it is one conversation.
func (r *rowReader) place(e *event.Event) {
	if e.Session == "" && e.Source.Format == string(format.JSONRPC) {
		e.Session = "scan"
	}
}

// readAt is when an event is taken to be received: no clock is read, so that a file gives the same
// output whenever it is read.
func readAt(e *event.Event) time.Time {
	if e.Time.IsZero() {
		return time.Unix(0, 0)
	}
	return e.Time
}
