package event

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Decoder reads events, each with its message taken apart, in one pass and without
// allocating for a usual one. It belongs to one goroutine and keeps a bounded memory.
type Decoder struct {
	limits Limits
	doc    tape

	event   Event
	message Message
	request Request
	headers map[string]string
	lists   []string // those of the event, one after the other
	// completeness are lists by their JSON: a source says the same in each event.
	completeness map[string][]string
	// longest is the length of the event's longest text or entry of a list.
	longest int
	// mended says that the document was no valid Unicode.
	mended bool
}

// Bounds of what a decoder remembers of completeness lists.
const (
	maxCachedList  = 512 // bytes of its JSON
	maxCachedLists = 256
)

// NewDecoder returns a Decoder that takes what is within the limits.
func NewDecoder(limits Limits) *Decoder {
	return &Decoder{limits: limits, completeness: make(map[string][]string)}
}

// Decode reads one event in its own memory.
//
// Unknown fields are kept in Extra; strings longer than their bound are cut and the event is
// marked; invalid UTF-8 and half surrogate pairs are replaced and marked, since an agent's own
// parser would read them too. An error is a *FieldError.
//
// A name that occurs twice in an object counts with its last value, as in the JSON parsers of
// the agents: refusing it would hide the message from the detector.
//
// The data must not be changed afterwards: strings, Message and Arguments point into it.
func Decode(data []byte, limits Limits) (Event, error) {
	d := Decoder{limits: limits}
	e, _, err := d.Decode(data)
	if err != nil {
		return Event{}, err
	}
	return e.Clone(), nil
}

// Decode reads one event as the function Decode does, and its message as a Parser does. Both
// are the decoder's and good until its next Decode: who keeps an event clones it. The strings in
// them are good for ever (see Value), and so are Message and Arguments.
func (d *Decoder) Decode(data []byte) (*Event, *Message, error) {
	if _, err := d.Parse(data); err != nil {
		return nil, nil, err
	}
	return d.Event()
}

// Parse reads one document, mended if need be, that is an event or whatever else a caller makes
// one of. The value is good until the next Parse or Decode.
func (d *Decoder) Parse(data []byte) (Value, error) {
	if len(data) > d.limits.Bytes {
		return Value{}, &FieldError{Reason: fmt.Sprintf("%d bytes, at most %d are taken", len(data), d.limits.Bytes)}
	}
	var err error
	if d.mended, err = d.parse(data); err != nil {
		return Value{}, err
	}
	return d.doc.root(), nil
}

// Mended reports whether what was parsed last had invalid UTF-8 or half surrogate pairs.
func (d *Decoder) Mended() bool { return d.mended }

// Event takes what was parsed last for an event, as Decode does.
func (d *Decoder) Event() (*Event, *Message, error) {
	d.reset()
	if err := d.readEvent(d.doc.root()); err != nil {
		return nil, nil, err
	}
	if d.mended {
		d.event.Mark("invalid_utf8")
	}
	if err := d.event.bound(d.longest > maxName); err != nil {
		return nil, nil, err
	}
	return &d.event, &d.message, nil
}

// keptStrings is how much room for lists and headers is kept for the next event.
const keptStrings = 1024

func (d *Decoder) reset() {
	if cap(d.lists) > keptStrings {
		d.lists = nil
	}
	if len(d.headers) > keptStrings {
		d.headers = nil
	}
	clear(d.headers)
	clear(d.lists)
	d.event, d.message, d.lists, d.longest = Event{}, Message{Kind: KindUnknown}, d.lists[:0], 0
}

// parse reads the document, mended if need be.
func (d *Decoder) parse(data []byte) (mended bool, refusal error) {
	err := d.doc.parse(data, d.limits.Depth)
	if err == nil {
		return false, nil
	}
	if !utf8.Valid(data) {
		data, mended = bytes.ToValidUTF8(data, []byte(replacement)), true
		err = d.doc.parse(data, d.limits.Depth)
	}
	if found, ok := errors.AsType[*flaw](err); ok && found.unicode {
		if whole, ok := Mend(data); ok {
			data, mended = whole, true
			err = d.doc.parse(data, d.limits.Depth)
		}
	}
	if err == nil {
		return mended, nil
	}
	if levels := depth(data); levels > d.limits.Depth {
		return false, &FieldError{Reason: fmt.Sprintf("%d levels of nesting, at most %d are taken", levels, d.limits.Depth)}
	}
	if found, ok := errors.AsType[*flaw](err); ok {
		return false, &FieldError{Field: d.doc.path(found.after), Reason: found.Error()}
	}
	return false, &FieldError{Reason: err.Error()}
}

// depth is the deepest nesting of brackets outside strings; the text need not be JSON.
func depth(data []byte) int {
	level, deepest := 0, 0
	inString, escaped := false, false
	for _, c := range data {
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped = c == '\\'
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}

// path is the dotted path of the place where the scanner stopped: of the value or name that is
// due, or of what holds it where one has just ended.
func (t *tape) path(after bool) string {
	var parts []string
	inner := uint32(len(t.nodes)) // what is due, then what holds it
	for at := t.open; at != outside; at = int(int32(t.nodes[at].next)) {
		if holder := uint32(at); !after || inner < uint32(len(t.nodes)) {
			if step, ok := t.step(holder, inner); ok {
				parts = append(parts, step)
			}
		}
		inner = uint32(at)
	}
	slices.Reverse(parts)
	return strings.Join(parts, ".")
}

// step is the name or number by which an open object or array holds the value at a place.
func (t *tape) step(holder, inner uint32) (string, bool) {
	at := holder + 1
	if t.nodes[holder].kind() == Object {
		for at+1 < inner {
			at = t.nodes[at+1].next
		}
		if at >= inner {
			return "", false // not even its name was read
		}
		return Printable(t.text(at)), true
	}
	n := 0
	for ; at < inner; at = t.nodes[at].next {
		n++
	}
	return strconv.Itoa(n), true
}
