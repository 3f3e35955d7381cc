package format

import (
	"bytes"
	"io"
)

// Layout is how the records of a file lie in it: each on a line of its own, over several lines of
// text, or as JSON documents over several lines.
type Layout struct {
	format    Format
	begins    func(line []byte) bool // of a format of text
	strays    *spec                  // whose lines are the records, where others' stand between them
	documents bool
}

// LayoutOf finds the layout of a file that begins with start; whole says that there is no more of
// it. "" finds the format out.
func LayoutOf(start []byte, whole bool, f Format) Layout {
	start = bytes.TrimPrefix(start, []byte(byteOrderMark))
	if f == "" {
		f = textOf(start)
	}
	if spec, ok := specOf(f); ok && spec.begins != nil {
		return Layout{format: f, begins: spec.begins}
	} else if ok && spec.strays {
		return Layout{format: f, strays: spec}
	}
	return Layout{format: f, documents: isDocument(start, whole)}
}

// Ending says what ended the records before a place.
type Ending int

// The endings, from the surest on.
const (
	// Ended is a record's own end: nothing that is written later belongs to it.
	Ended Ending = iota
	// Quiet is the end of what is there, after a line that the next one may belong to.
	Quiet
	// Broken is the end of what is there, amid a line.
	Broken
)

// CutFrom is Cut for a part of a file whose layout is known. It calls mark after the records before
// each place at which cutting can begin anew, with its distance from where in begins, in bytes, and
// in the end with that of in's end. Where in breaks off within a JSON document over several lines
// the error is an io.ErrUnexpectedEOF.
func CutFrom(in io.Reader, l Layout, do func(record []byte) error, refuse func(reason string) error, mark func(at int64, e Ending) error) error {
	c := newCutter(in)
	c.mark = mark
	return c.cut(l, do, refuse)
}

func (c *cutter) cut(l Layout, do func([]byte) error, refuse func(string) error) error {
	if start, err := c.in.Peek(len(byteOrderMark)); err == nil && string(start) == byteOrderMark {
		_, _ = c.in.Discard(len(byteOrderMark)) // it was peeked at
	}
	if l.begins != nil {
		return c.blocks(l.begins, do, refuse)
	}
	if l.strays != nil {
		return c.lines(l.strays.only(do), refuse)
	}
	elements := func(record []byte) error {
		if _, text := formatOfText(record); record[0] == '[' && !text && l.format != Tools && !isBatch(record) {
			return eachElement(record, do, refuse)
		}
		return do(record)
	}
	if l.documents {
		return c.documents(elements, refuse)
	}
	return c.lines(elements, refuse)
}

// at is how far the cutter has read.
func (c *cutter) at() int64 { return c.read.n - int64(c.in.Buffered()) }

// endingOf says how a line ended, the last one if so.
func endingOf(last bool, line []byte) Ending {
	if last && len(bytes.TrimSpace(line)) > 0 {
		return Broken
	}
	return Ended
}

// counted counts what is read.
type counted struct {
	in io.Reader
	n  int64
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	return n, err
}
