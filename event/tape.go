package event

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// tape is a parsed document: its values in the order of their text, each object and array
// before what it holds, each member's name before its value.
type tape struct {
	raw   []byte
	data  string // the same bytes
	nodes []node
	// texts are the strings that were asked for and had escapes.
	texts []string
	arena arena
	// open is where the scanner stopped (see scanned).
	open int
}

// node is one value or one name.
type node struct {
	// meta is the kind, whether a string has escapes, whether it is a member's name and, once it
	// was unescaped, one more than its place in texts.
	meta uint32
	// start and end bound the text in the document, a string's without its quotes.
	start, end uint32
	// next is the place of the node that follows this one and all that it holds.
	next uint32
}

const (
	kindMask  = 0x07
	escaped   = 0x08
	isName    = 0x10
	textShift = 5
	maxTexts  = math.MaxUint32 >> textShift
)

func (n *node) kind() ValueKind { return ValueKind(n.meta & kindMask) }

const (
	// keptNodes is how many nodes of memory are kept for good: 256 KiB. More is kept until a document
	// did not need it.
	keptNodes = 16 << 10
	// maxParsed is the longest document, in bytes.
	maxParsed = math.MaxInt32
)

var errDepth = errors.New("is nested too deep")

// parse reads one document. The values of the one before are good no longer. An error is
// errDepth, a *flaw, or says that the text is too long.
func (t *tape) parse(raw []byte, depth int) error {
	if cap(t.nodes) > keptNodes && len(t.nodes) <= keptNodes {
		t.nodes = nil // one large document after the other would only make it anew
	}
	clear(t.texts)
	t.texts = t.texts[:0]
	if cap(t.texts) > keptNodes {
		t.texts = nil
	}
	t.raw, t.data, t.nodes = raw, textOf(raw), t.nodes[:0]
	if len(raw) > maxParsed {
		return fmt.Errorf("%d bytes, at most %d are taken", len(raw), maxParsed)
	}
	s, err := scan(raw, t.nodes, depth, false)
	t.nodes, t.open = s.nodes, s.open
	return err
}

// root is the document's value.
func (t *tape) root() Value { return Value{t, 0} }

// text is the string or name at a place.
func (t *tape) text(at uint32) string {
	n := &t.nodes[at]
	if n.meta&escaped == 0 {
		return t.data[n.start:n.end]
	}
	return t.unescaped(n)
}

// unescaped is a string that has escapes, made once.
func (t *tape) unescaped(n *node) string {
	if place := n.meta >> textShift; place > 0 {
		return t.texts[place-1]
	}
	s := t.arena.unescape(t.data[n.start:n.end])
	if len(t.texts) < maxTexts {
		t.texts = append(t.texts, s)
		n.meta |= uint32(len(t.texts)) << textShift
	}
	return s
}

// chunkBytes is what an arena takes of memory at a time.
const chunkBytes = 4 << 10

// arena holds strings. No byte of it is used twice, so they stay as they are; its chunks are
// small, so a string that is kept holds little more than itself.
type arena struct{ free []byte }

// take gives room to append that many bytes.
func (a *arena) take(n int) []byte {
	if n > chunkBytes/4 {
		return make([]byte, 0, n)
	}
	if n > cap(a.free) {
		a.free = make([]byte, 0, chunkBytes)
	}
	return a.free
}

// keep makes a string of bytes that were appended to what take gave.
func (a *arena) keep(b []byte) string {
	if cap(b) == cap(a.free) {
		a.free = b[len(b):]
	}
	return textOf(b)
}

// textOf is a string of bytes that nobody changes any more.
func textOf(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // see the contract of Value
}

// unescape gives a valid JSON string, without its quotes, the characters that it stands for.
func (a *arena) unescape(s string) string {
	return a.keep(appendUnescaped(a.take(len(s)), s)) // no escape is shorter than what it stands for
}

// appendUnescaped appends the characters that a valid JSON string, without its quotes, stands for.
func appendUnescaped(out []byte, s string) []byte {
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			n := strings.IndexByte(s[i:], '\\')
			if n < 0 {
				n = len(s) - i
			}
			out = append(out, s[i:i+n]...)
			i += n
			continue
		}
		switch c := s[i+1]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, n := unescapeRune(s[i:])
			out = utf8.AppendRune(out, r)
			i += n
			continue
		default:
			out = append(out, c)
		}
		i += 2
	}
	return out
}
