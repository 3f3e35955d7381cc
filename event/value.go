package event

import (
	"iter"
	"strconv"
)

// ValueKind says what a JSON value is.
type ValueKind uint8

// The kinds of JSON value. Absent is what there is none of.
const (
	Absent ValueKind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

func (k ValueKind) String() string {
	return [...]string{"absent", "null", "boolean", "number", "string", "array", "object"}[k]
}

// Value is one JSON value of a parsed document. The zero Value is absent, and every method
// is safe on it, so that a path may be followed without a look at each step.
//
// A Value is good until the next document of the Parser or Decoder that it came from, and
// belongs to the same goroutine. Every string that it gives is good for ever, as long as
// nobody changes the bytes that were parsed: it points into them, or to where it was
// unescaped. Such a string holds the whole document in memory: who keeps it for long
// clones it.
type Value struct {
	doc *tape
	at  uint32
}

// Exists reports whether there is such a value; null is one.
func (v Value) Exists() bool { return v.doc != nil }

// Kind says what the value is.
func (v Value) Kind() ValueKind {
	if v.doc == nil {
		return Absent
	}
	return v.doc.nodes[v.at].kind()
}

// Get walks objects by name and gives the last member of that name, or the absent Value
// where the path ends early. It takes time in the number of members, not of what is in them.
func (v Value) Get(path ...string) Value {
	for _, name := range path {
		v = v.member(name)
	}
	return v
}

func (v Value) member(name string) Value {
	if v.Kind() != Object {
		return Value{}
	}
	var found Value
	nodes := v.doc.nodes
	for at, end := v.at+1, nodes[v.at].next; at < end; at = nodes[at+1].next {
		if v.doc.text(at) == name {
			found = Value{v.doc, at + 1}
		}
	}
	return found
}

// Text is the string that the value is, or "".
func (v Value) Text() string {
	if v.Kind() != String {
		return ""
	}
	return v.doc.text(v.at)
}

// AppendStrings appends every string in the value in the order of the JSON, the value itself if it
// is one, and the names of members where they are wanted, each with a line break behind it.
func (v Value) AppendStrings(dst []byte, names bool) []byte {
	if v.doc == nil {
		return dst
	}
	nodes, unwanted := v.doc.nodes, uint32(isName)
	if names {
		unwanted = 0
	}
	nodes = nodes[v.at:nodes[v.at].next]
	for i := range nodes {
		n := &nodes[i]
		if n.kind() != String || n.meta&unwanted != 0 {
			continue
		}
		if text := v.doc.data[n.start:n.end]; n.meta&escaped == 0 {
			dst = append(dst, text...)
		} else {
			dst = appendUnescaped(dst, text)
		}
		dst = append(dst, '\n')
	}
	return dst
}

// NamesOver adds up the bytes, as they are written, of the names of members in the value and in all
// below it that are longer than so many.
func (v Value) NamesOver(most int) int {
	if v.doc == nil {
		return 0
	}
	sum := 0
	nodes := v.doc.nodes
	nodes = nodes[v.at:nodes[v.at].next]
	for i := range nodes {
		if n := &nodes[i]; n.meta&isName != 0 && int(n.end-n.start) > most {
			sum += int(n.end - n.start)
		}
	}
	return sum
}

// Bool reports whether the value is true.
func (v Value) Bool() bool {
	return v.Kind() == Bool && v.doc.data[v.doc.nodes[v.at].start] == 't'
}

// Int is the value if it is a number that is written as an integer and fits.
func (v Value) Int() (int64, bool) {
	if v.Kind() != Number {
		return 0, false
	}
	n, err := strconv.ParseInt(v.number(), 10, 64)
	return n, err == nil
}

// Float is the float nearest to the value if it is a number that a float can hold.
func (v Value) Float() (float64, bool) {
	if v.Kind() != Number {
		return 0, false
	}
	f, err := strconv.ParseFloat(v.number(), 64)
	return f, err == nil
}

// number is a number as it is written.
func (v Value) number() string {
	n := &v.doc.nodes[v.at]
	return v.doc.data[n.start:n.end]
}

// Raw is the value's JSON as it was written, which must not be changed; nil where it is absent.
func (v Value) Raw() []byte {
	if v.doc == nil {
		return nil
	}
	n := &v.doc.nodes[v.at]
	if n.kind() == String {
		return v.doc.raw[n.start-1 : n.end+1 : n.end+1]
	}
	return v.doc.raw[n.start:n.end:n.end]
}

// AppendCompact appends the value's JSON without white space between its tokens; nothing else of it
// changes.
func (v Value) AppendCompact(dst []byte) []byte { return appendCompact(dst, v.Raw()) }

// appendCompact appends valid JSON without the white space between its tokens.
func appendCompact(dst, text []byte) []byte {
	from := 0 // what is not yet appended
	for i := 0; i < len(text); {
		switch text[i] {
		case '"':
			end, _, err := scanString(text, i+1)
			if err != nil {
				return dst // it was no JSON
			}
			i = end + 1
		case ' ', '\t', '\n', '\r':
			dst = append(dst, text[from:i]...)
			i = spaces(text, i)
			from = i
		default:
			i++
		}
	}
	return append(dst, text[from:]...)
}

// Len is the number of members or items. It takes time in that number.
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
	default:
	}
	return n
}

// Members gives an object's members in order, all of those with one name too, and nothing
// for any other value.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.Kind() != Object {
			return
		}
		nodes := v.doc.nodes
		for at, end := v.at+1, nodes[v.at].next; at < end; at = nodes[at+1].next {
			if !yield(v.doc.text(at), Value{v.doc, at + 1}) {
				return
			}
		}
	}
}

// Items gives an array's items in order, and nothing for any other value.
func (v Value) Items() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != Array {
			return
		}
		nodes := v.doc.nodes
		for at, end := v.at+1, nodes[v.at].next; at < end; at = nodes[at].next {
			if !yield(Value{v.doc, at}) {
				return
			}
		}
	}
}

// Place is a string or number in a document, and where it stands: from Start to End, a string with
// its quotes.
type Place struct {
	Text       string
	Start, End int
	// Name says that it is the name of a member, whose value follows; String that it is a string.
	Name, String bool
}

// Places gives every string, name of a member and number in the value, in the order of the JSON. What
// it says of places counts from the start of the document.
func (v Value) Places() iter.Seq[Place] {
	return func(yield func(Place) bool) {
		if v.doc == nil {
			return
		}
		for at, end := v.at, v.doc.nodes[v.at].next; at < end; at++ {
			n := &v.doc.nodes[at]
			p := Place{Start: int(n.start), End: int(n.end), Name: n.meta&isName != 0}
			switch n.kind() {
			case String:
				p.Text, p.String = v.doc.text(at), true
				p.Start, p.End = p.Start-1, p.End+1
			case Number:
				p.Text = v.doc.data[n.start:n.end]
			default:
				continue
			}
			if !yield(p) {
				return
			}
		}
	}
}

// Span says where the value stands in its document, a string with its quotes.
func (v Value) Span() (start, end int) {
	if v.doc == nil {
		return 0, 0
	}
	n := &v.doc.nodes[v.at]
	if n.kind() == String {
		return int(n.start) - 1, int(n.end) + 1
	}
	return int(n.start), int(n.end)
}
