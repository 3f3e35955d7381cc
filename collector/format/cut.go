package format

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxRecord bounds one record of a file, in bytes.
const MaxRecord = 16 << 20

// byteOrderMark is what editors and exports on Windows begin a file with.
const byteOrderMark = "\ufeff"

// lenient takes what event.Mend would mend.
func lenient() json.Options {
	return json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// Cut calls do with each record of a file: the lines of NDJSON, or JSON documents over several
// lines and the elements of arrays among them; of a format of text
// whose records may have several lines, its lines, each with those that follow it and begin no
// record of their own. "" finds out which. It calls refuse
// for a record that is longer than MaxRecord and goes on after it; no more than one record is in
// memory, which is do's until it returns. Errors are those of reading, and of do and refuse.
func Cut(in io.Reader, f Format, do func(record []byte) error, refuse func(reason string) error) error {
	c := newCutter(in)
	if start, err := c.in.Peek(len(byteOrderMark)); err == nil && string(start) == byteOrderMark {
		_, _ = c.in.Discard(len(byteOrderMark)) // it was peeked at
	}
	first, err := c.in.Peek(c.in.Size())
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading: %w", err)
	}
	return c.cut(LayoutOf(first, errors.Is(err, io.EOF), f), do, refuse)
}

// textOf finds the format of text that a file is in by its first lines, of which the first that is
// a record of text decides, unless JSON comes first; "" where none does.
func textOf(start []byte) Format {
	for line := range bytes.Lines(start) {
		line = bytes.TrimSpace(line)
		if isObject(line) || len(line) > 0 && line[0] == '[' && jsontext.Value(line).IsValid(lenient()) {
			return ""
		}
		if f, ok := formatOfText(line); ok {
			return f
		}
	}
	return ""
}

// only gives the lines that are records, where others' stand between them: a server's standard
// error in the log of its host, which is not read, JSON or not.
func (s *spec) only(do func(record []byte) error) func(record []byte) error {
	return func(record []byte) error {
		if s.format == JSONRPCText {
			record = withoutFrame(record)
		}
		if s.isLine(record) || s.readJSON != nil && isObject(record) {
			return do(record)
		}
		return nil
	}
}

// eachElement gives the elements of an array that stands on a line: no format's record looks like
// this, a batch of messages and a list of tools aside.
func eachElement(array []byte, do func([]byte) error, refuse func(string) error) error {
	if !jsontext.Value(array).IsValid(lenient()) {
		return refuse("is not JSON")
	}
	d := jsontext.NewDecoder(bytes.NewReader(array), lenient())
	_, err := d.ReadToken()
	for err == nil && d.PeekKind() != ']' {
		var record []byte
		if record, err = d.ReadValue(); err != nil {
			break
		}
		if record[0] == '[' && !isBatch(record) {
			err = refuse("is an array in an array")
			continue
		}
		err = do(record)
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
	form, _ := Detect(object)
	return err == nil && form == JSONRPC && envelope.Message == nil && envelope.Raw == nil
}

// isDocument reports whether the file begins with a JSON value that does not end on its
// first line, or with an array and nothing more.
func isDocument(start []byte, whole bool) bool {
	line, rest, several := bytes.Cut(bytes.TrimLeft(start, " \t\r\n"), []byte("\n"))
	if len(line) == 0 {
		return false
	}
	if !several || whole && len(bytes.TrimSpace(rest)) == 0 {
		return line[0] == '['
	}
	return (line[0] == '{' || line[0] == '[') && !jsontext.Value(line).IsValid(lenient()) && looksOpen(line)
}

// looksOpen reports whether a line's brackets are left open, as in an indented document.
func looksOpen(line []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(line), lenient())
	for {
		if _, err := d.ReadToken(); err != nil {
			return errors.Is(err, io.ErrUnexpectedEOF)
		}
	}
}

// cutter cuts a file into records.
type cutter struct {
	in     *bufio.Reader
	read   *counted // below in
	mark   func(at int64, e Ending) error
	record []byte
	long   bool // record is too long, and what came last is not in it
}

// tooLong is why a record is refused.
var tooLong = fmt.Sprintf("is longer than %d bytes", MaxRecord)

func newCutter(in io.Reader) *cutter {
	read := &counted{in: in}
	return &cutter{in: bufio.NewReaderSize(read, 1<<20), read: read, mark: func(int64, Ending) error { return nil }}
}

func (c *cutter) begin() { c.record, c.long = c.record[:0], false }

func (c *cutter) add(part ...byte) {
	if c.long = c.long || len(c.record)+len(part) > MaxRecord; !c.long {
		c.record = append(c.record, part...)
	}
}

// give hands on the record.
func (c *cutter) give(do func([]byte) error, refuse func(string) error) error {
	if c.long {
		return refuse(tooLong)
	}
	if record := bytes.TrimSpace(c.record); len(record) > 0 {
		return do(record)
	}
	return nil
}

// lines gives each line.
func (c *cutter) lines(do func([]byte) error, refuse func(string) error) error {
	for ended := false; !ended; {
		c.begin()
		err := c.restOfLine()
		if ended = errors.Is(err, io.EOF); err != nil && !ended {
			return fmt.Errorf("reading: %w", err)
		}
		if err := c.give(do, refuse); err != nil {
			return err
		}
		if err := c.mark(c.at(), endingOf(ended, c.record)); err != nil {
			return err
		}
	}
	return nil
}

// blocks gives each line that begins a record, with those after it that begin none.
func (c *cutter) blocks(begins func(line []byte) bool, do func([]byte) error, refuse func(string) error) error {
	var block cutter
	last := Ended
	for ended := false; !ended; {
		start := c.at()
		c.begin()
		err := c.restOfLine()
		if ended = errors.Is(err, io.EOF); err != nil && !ended {
			return fmt.Errorf("reading: %w", err)
		}
		if begins(c.record) {
			if err := block.give(do, refuse); err != nil {
				return err
			}
			if err := c.mark(start, Ended); err != nil {
				return err
			}
			block.begin()
		}
		if ended {
			last = max(Quiet, endingOf(ended, c.record))
		}
		block.add(c.record...)
		block.add('\n')
		block.long = block.long || c.long
	}
	if err := block.give(do, refuse); err != nil {
		return err
	}
	return c.mark(c.at(), last)
}

func (c *cutter) restOfLine() error {
	for {
		part, err := c.in.ReadSlice('\n')
		c.add(bytes.TrimSuffix(part, []byte("\n"))...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// documents gives each value, and for an array each of its elements. Where a value breaks
// off it is given as far as it goes, and what is none is given up to the line's end: both
// are no JSON, which is for do to say.
func (c *cutter) documents(do func([]byte) error, refuse func(string) error) error {
	array := false
	for {
		b, err := c.in.ReadByte()
		if errors.Is(err, io.EOF) && !array {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading: %w", unexpected(err))
		}
		switch {
		case b == ' ' || b == '\t' || b == '\r' || b == '\n', b == ',' && array:
			continue
		case b == '[' && !array:
			array = true
			continue
		case b == ']' && array:
			array = false
			if err := c.mark(c.at(), Ended); err != nil {
				return err
			}
			continue
		}
		c.begin()
		c.add(b)
		switch {
		case b == '{' || b == '[' || b == '"' && array:
			err = c.restOfValue(b)
		case array:
			err = c.restOfWord()
		default:
			if err = c.restOfLine(); errors.Is(err, io.EOF) {
				err = nil
			}
		}
		if err != nil {
			return fmt.Errorf("reading: %w", unexpected(err))
		}
		if err := c.give(do, refuse); err != nil {
			return err
		}
		if !array {
			if err := c.mark(c.at(), Ended); err != nil {
				return err
			}
		}
	}
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// restOfValue reads to the end of the object, array or text that begins with first. A
// line's end within a text ends the value: JSON has none there.
func (c *cutter) restOfValue(first byte) error {
	e := extent{text: first == '"'}
	if !e.text {
		e.depth = 1
	}
	for {
		part, err := c.in.Peek(max(1, c.in.Buffered()))
		if len(part) == 0 {
			return err
		}
		n, ended := e.of(part)
		c.add(part[:n]...)
		_, _ = c.in.Discard(n) // it is buffered
		if ended {
			return nil
		}
	}
}

// extent follows a value to its end.
type extent struct {
	depth         int
	text, escaped bool
}

// of returns how much of what comes next belongs to the value, and whether it ends there.
func (e *extent) of(part []byte) (n int, ended bool) {
	for i, b := range part {
		switch {
		case e.text && b == '\n':
			return i + 1, true
		case e.escaped:
			e.escaped = false
		case e.text && b == '\\':
			e.escaped = true
		case b == '"':
			e.text = !e.text
		case e.text:
		case b == '{' || b == '[':
			e.depth++
		case b == '}' || b == ']':
			e.depth--
		}
		if e.depth == 0 && !e.text {
			return i + 1, true
		}
	}
	return len(part), false
}

// restOfWord reads to what ends an element of an array that is no object, array or text.
func (c *cutter) restOfWord() error {
	for {
		b, err := c.in.ReadByte()
		if err != nil {
			return err
		}
		if b == ',' || b == ']' || b == '\n' {
			return c.in.UnreadByte()
		}
		c.add(b)
	}
}
