package event

import (
	"iter"
	"math"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// Value is a JSON value in a document that a Parser has read. The zero Value is absent, and
// every method is safe on it. A Value is good until its parser's next document; the strings and
// bytes that it gives are good for ever, as long as nobody changes the bytes that were parsed.
type Value struct {
	doc  *tape
	node uint32
}

// ValueKind says what a Value is.
type ValueKind uint8

// The kinds of values.
const (
	Absent ValueKind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// node is a value on the tape, in the order of the text. Of an object each member is two: the
// name, a string, and the value.
type node struct {
	start, end uint32 // the value's JSON text, quotes included
	next       uint32 // the place on the tape after the value and all in it
	kind       ValueKind
	escaped    bool // a string holds escapes
}

// tape is a parsed document.
type tape struct {
	text  []byte
	nodes []node
	// arena holds strings whose escapes were undone. Its chunks are never written twice.
	arena []byte
}

func (v Value) at() *node {
	if v.doc == nil {
		return &node{}
	}
	return &v.doc.nodes[v.node]
}

// Kind is what the value is.
func (v Value) Kind() ValueKind { return v.at().kind }

// Exists reports whether there is a value; null is one.
func (v Value) Exists() bool { return v.doc != nil }

// Raw is the value's JSON text as it was written; nil where the value is absent.
func (v Value) Raw() []byte {
	if v.doc == nil {
		return nil
	}
	n := v.at()
	return v.doc.text[n.start:n.end:n.end]
}

// Text is the string that the value holds, "" where it is none. An escaped lone surrogate is
// the replacement character.
func (v Value) Text() string {
	if v.doc == nil {
		return ""
	}
	return v.doc.string(v.at())
}

func (t *tape) string(n *node) string {
	if n.kind != String {
		return ""
	}
	inner := t.text[n.start+1 : n.end-1]
	if !n.escaped {
		return alias(inner)
	}
	const chunk = 16 << 10
	if cap(t.arena)-len(t.arena) < len(inner) {
		t.arena = make([]byte, 0, max(chunk, len(inner)))
	}
	begin := len(t.arena)
	t.arena = unescape(t.arena, inner)
	return alias(t.arena[begin:])
}

// alias is bytes as a string, without a copy: nobody changes them any more.
func alias(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // the bytes parsed are never changed, nor is the arena
}

// Bool is true where the value is true.
func (v Value) Bool() bool {
	n := v.at()
	return n.kind == Bool && n.end-n.start == uint32(len("true"))
}

// Int is the value as a whole number, and whether it is one that fits.
func (v Value) Int() (int64, bool) {
	if v.Kind() != Number {
		return 0, false
	}
	n, err := strconv.ParseInt(alias(v.Raw()), 10, 64)
	return n, err == nil
}

// Float is the value as a number, and whether it is a finite one.
func (v Value) Float() (float64, bool) {
	if v.Kind() != Number {
		return 0, false
	}
	f, err := strconv.ParseFloat(alias(v.Raw()), 64)
	return f, err == nil && !math.IsInf(f, 0)
}

// Get walks objects by name, taking the last member of that name, as the agents' parsers do. It
// is absent where the path ends early.
func (v Value) Get(path ...string) Value {
	for _, name := range path {
		found := Value{}
		for key, member := range v.Members() {
			if key == name {
				found = member
			}
		}
		v = found
	}
	return v
}

// Members are an object's names and values in the order of the text; a name that occurs twice
// is there twice.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.Kind() != Object {
			return
		}
		t := v.doc
		for i, end := v.node+1, t.nodes[v.node].next; i < end; i = t.nodes[i+1].next {
			if !yield(t.string(&t.nodes[i]), Value{t, i + 1}) {
				return
			}
		}
	}
}

// Items are an array's values.
func (v Value) Items() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != Array {
			return
		}
		t := v.doc
		for i, end := v.node+1, t.nodes[v.node].next; i < end; i = t.nodes[i].next {
			if !yield(Value{t, i}) {
				return
			}
		}
	}
}

// Len is how many members or items there are.
func (v Value) Len() int {
	n := 0
	switch v.Kind() {
	case Array:
		for range v.Items() {
			n++
		}
	case Object:
		for range v.Members() {
			n++
		}
	case Absent, Null, Bool, Number, String:
	}
	return n
}

// AppendCompact appends the value's JSON without white space between its tokens.
func (v Value) AppendCompact(dst []byte) []byte {
	inString := false
	raw := v.Raw()
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case inString && c == '\\':
			dst = append(dst, c)
			i++
			c = raw[i]
		case inString:
			inString = c != '"'
		case c == '"':
			inString = true
		case isSpace(c):
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// unescape appends a string's characters, its escapes undone. The string was scanned.
func unescape(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		c = s[i+1]
		i += 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			var r rune
			r, i = unescapeUnicode(s, i)
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// unescapeUnicode reads the four digits of \u, and a second \u where they are half of a pair.
func unescapeUnicode(s []byte, i int) (rune, int) {
	r := hex4(s[i:])
	i += 4
	if r < 0xd800 || r > 0xdfff {
		return r, i
	}
	if r < 0xdc00 && i+6 <= len(s) && s[i] == '\\' && s[i+1] == 'u' {
		if low := hex4(s[i+2:]); low >= 0xdc00 && low <= 0xdfff {
			return (r-0xd800)<<10 + (low - 0xdc00) + 0x10000, i + 6
		}
	}
	return utf8.RuneError, i
}

func hex4(s []byte) rune {
	var r rune
	for _, c := range s[:4] {
		r <<= 4
		switch {
		case c <= '9':
			r += rune(c - '0')
		case c <= 'F':
			r += rune(c - 'A' + 10)
		default:
			r += rune(c - 'a' + 10)
		}
	}
	return r
}
