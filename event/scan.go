package event

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// flaw says why a text is not JSON.
type flaw struct {
	at     int // the first byte that does not fit
	reason string
	// unicode is set where nothing was found wrong before invalid UTF-8 or half a surrogate pair.
	unicode bool
	// after is set where a value has ended and what follows does not fit.
	after bool
}

func (f *flaw) Error() string { return fmt.Sprintf("is not JSON at byte %d: %s", f.at, f.reason) }

func endsEarly(data []byte) *flaw { return &flaw{at: len(data), reason: "the text ends early"} }

// outside is the innermost object or array where there is none.
const outside = -1

// scan reads a document onto the tape in one pass (RFC 8259). Names may occur twice; a
// string is valid UTF-8, and half a surrogate pair is no character.
func (t *tape) scan(data []byte, depth int) error {
	t.spaced = false
	nodes, open, inObject, level := t.nodes, outside, false, 0
	i := t.space(data, 0)
	for {
		if len(nodes)+2 > cap(nodes) {
			nodes = grow(nodes, i, len(data))
		}
		if inObject {
			end, meta, err := scanName(data, i)
			if err != nil {
				return t.stop(nodes, open, err)
			}
			nodes = append(nodes, node{meta, uint32(i + 1), uint32(end), uint32(len(nodes) + 1)})
			if i, err = t.scanColon(data, end+1); err != nil {
				return t.stop(nodes, open, err)
			}
		}
		if i >= len(data) {
			return t.stop(nodes, open, endsEarly(data))
		}
		c := data[i]
		switch {
		case c == '"':
			end, meta := shortString(data, i+1), uint32(String)
			if end < 0 {
				var err error
				if end, meta, err = scanString(data, i+1); err != nil {
					return t.stop(nodes, open, err)
				}
			}
			nodes = append(nodes, node{meta, uint32(i + 1), uint32(end), uint32(len(nodes) + 1)})
			i = end + 1
		case c == '{' || c == '[':
			if level++; level > depth {
				return t.stop(nodes, open, errDepth)
			}
			kind := Array
			if inObject = c == '{'; inObject {
				kind = Object
			}
			nodes = append(nodes, node{meta: uint32(kind), start: uint32(i), next: uint32(open)})
			open = len(nodes) - 1
			if i = t.space(data, i+1); i >= len(data) || data[i] != c+2 { // ']' is '['+2, '}' is '{'+2
				continue
			}
		default:
			end, kind := scanInteger(data, i), Number
			if end < 0 {
				var err error
				if end, kind, err = scanWord(data, i); err != nil {
					return t.stop(nodes, open, err)
				}
			}
			nodes = append(nodes, node{uint32(kind), uint32(i), uint32(end), uint32(len(nodes) + 1)})
			i = end
		}
		// A value has ended, or an empty object or array is about to.
		for {
			if t.check {
				nodes = nodes[:open+1]
			}
			if i = t.space(data, i); open == outside || i >= len(data) {
				return t.stop(nodes, open, ended(data, i, open))
			}
			c := data[i]
			i++
			if c == ',' {
				i = t.space(data, i)
				break
			}
			n := &nodes[open]
			if c != data[n.start]+2 {
				return t.stop(nodes, open, &flaw{at: i - 1, reason: "neither a comma nor the end of the object or array", after: true})
			}
			open, n.end, n.next = int(int32(n.next)), uint32(i), uint32(len(nodes))
			inObject = open != outside && nodes[open].kind() == Object
			level--
		}
	}
}

// stop leaves the tape as it is so far.
func (t *tape) stop(nodes []node, open int, err error) error {
	t.nodes, t.open = nodes, open
	return err
}

// ended says what is wrong where a text has no more after a value, or a value too much.
func ended(data []byte, i, open int) error {
	switch {
	case i >= len(data) && open == outside:
		return nil
	case i >= len(data):
		early := endsEarly(data)
		early.after = true
		return early
	default:
		return &flaw{at: i, reason: "more follows the value", after: true}
	}
}

// grow makes room for two nodes and more, by how many the text had so far.
func grow(nodes []node, at, size int) []node {
	room := 64
	if len(nodes) > 0 {
		room = int(int64(len(nodes))*int64(size-at)/int64(at+1)) + len(nodes)/8 + 64
	}
	room = min(room, size-at+2) // no text has more
	grown := make([]node, len(nodes), len(nodes)+room)
	copy(grown, nodes)
	return grown
}

// space is where the white space at a place ends.
func (t *tape) space(data []byte, i int) int {
	if i < len(data) && data[i] > ' ' {
		return i
	}
	end := spaces(data, i)
	t.spaced = t.spaced || end > i
	return end
}

func spaces(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' || data[i] == '\t') {
		i++
	}
	return i
}

// scanName says where the name of a member that is due at i ends.
func scanName(data []byte, i int) (end int, meta uint32, err error) {
	if i >= len(data) {
		return 0, 0, endsEarly(data)
	}
	if data[i] != '"' {
		return 0, 0, &flaw{at: i, reason: "no name of a member"}
	}
	if end := shortString(data, i+1); end >= 0 {
		return end, uint32(String), nil
	}
	return scanString(data, i+1)
}

// scanColon says where the value begins whose name has ended.
func (t *tape) scanColon(data []byte, i int) (int, error) {
	if i = t.space(data, i); i >= len(data) {
		return i, endsEarly(data)
	}
	if data[i] != ':' {
		return i, &flaw{at: i, reason: "no colon after a name"}
	}
	return t.space(data, i+1), nil
}

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// shortString says where the string that begins at i ends if that is within eight bytes and
// all are plain ASCII, else -1.
func shortString(data []byte, i int) int {
	if len(data)-i < 8 {
		return -1
	}
	w := binary.LittleEndian.Uint64(data[i:])
	special := ((w ^ '"'*ones - ones) | (w ^ '\\'*ones - ones) | (w - ' '*ones) | w) & highs
	end := i + bits.TrailingZeros64(special)/8
	if special == 0 || data[end] != '"' {
		return -1
	}
	return end
}

// scanString says where the string that begins at i ends, which is at its closing quote. It
// looks at eight bytes at a time (see "Bit Twiddling Hacks", "Determine if a word has a byte
// less than n"): the lowest byte that is marked is one that is wanted.
func scanString(data []byte, i int) (end int, meta uint32, err error) {
	start, wide := i, uint64(0)
	meta = uint32(String)
	for {
		for len(data)-i >= 8 {
			w := binary.LittleEndian.Uint64(data[i:])
			special := ((w ^ '"'*ones) - ones) | ((w ^ '\\'*ones) - ones) | (w - ' '*ones)
			if special = special &^ w & highs; special != 0 {
				n := bits.TrailingZeros64(special)
				wide |= w & (1<<n - 1)
				i += n / 8
				break
			}
			wide |= w
			i += 8
		}
		for i < len(data) && data[i] != '"' && data[i] != '\\' && data[i] >= ' ' {
			wide |= uint64(data[i])
			i++
		}
		if i >= len(data) {
			return 0, 0, endsEarly(data)
		}
		switch data[i] {
		case '"':
			if wide&highs != 0 {
				if text := data[start:i]; !utf8.Valid(text) {
					return 0, 0, &flaw{at: start + validPrefix(text), reason: "invalid UTF-8", unicode: true}
				}
			}
			return i, meta, nil
		case '\\':
			n, err := scanEscape(data, i)
			if err != nil {
				return 0, 0, err
			}
			meta |= escaped
			i += n
		default:
			return 0, 0, &flaw{at: i, reason: "a control character in a string"}
		}
	}
}

// validPrefix is how many bytes at the beginning are valid UTF-8.
func validPrefix(text []byte) int {
	i := 0
	for i < len(text) {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		i += n
	}
	return i
}

// scanEscape gives the length of the escape that begins at i.
func scanEscape(data []byte, i int) (int, error) {
	if i+1 >= len(data) {
		return 0, endsEarly(data)
	}
	switch data[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, nil
	case 'u':
	default:
		return 0, &flaw{at: i, reason: "an escape that JSON does not have"}
	}
	r, ok := hex4(data, i+2)
	if !ok {
		if len(data)-i < 6 {
			return 0, endsEarly(data)
		}
		return 0, &flaw{at: i, reason: "an escape that JSON does not have"}
	}
	if !utf16.IsSurrogate(r) {
		return 6, nil
	}
	if len(data)-i >= 12 && data[i+6] == '\\' && data[i+7] == 'u' {
		if low, ok := hex4(data, i+8); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
			return 12, nil
		}
	}
	return 0, &flaw{at: i, reason: "half a surrogate pair", unicode: true}
}

// hex4 reads four hexadecimal digits.
func hex4[T []byte | string](text T, i int) (rune, bool) {
	if len(text)-i < 4 {
		return 0, false
	}
	var r rune
	for k := range 4 {
		c := text[i+k]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescapeRune reads the \u escape, or the pair of them, that a valid string begins with, and
// gives its length.
func unescapeRune(s string) (rune, int) {
	r, _ := hex4(s, 2)
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	low, _ := hex4(s, 8)
	return utf16.DecodeRune(r, low), 12
}

// scanWord says where the number, true, false or null that begins at i ends.
func scanWord(data []byte, i int) (end int, kind ValueKind, err error) {
	switch c := data[i]; {
	case '0' <= c && c <= '9', c == '-':
		return scanNumber(data, i)
	case c == 't':
		return scanLiteral(data, i, "true", Bool)
	case c == 'f':
		return scanLiteral(data, i, "false", Bool)
	case c == 'n':
		return scanLiteral(data, i, "null", Null)
	}
	return 0, Absent, &flaw{at: i, reason: "no value begins so"}
}

// scanInteger says where the number that begins at i ends if it is digits alone, else -1.
func scanInteger(data []byte, i int) int {
	end := i
	for end < len(data) && data[end]-'0' <= 9 {
		end++
	}
	if end == i || end > i+1 && data[i] == '0' || end < len(data) && (data[end] == '.' || data[end]|0x20 == 'e') {
		return -1
	}
	return end
}

func scanLiteral(data []byte, i int, word string, kind ValueKind) (int, ValueKind, error) {
	for k := range len(word) {
		if i+k >= len(data) {
			return 0, Absent, endsEarly(data)
		}
		if data[i+k] != word[k] {
			return 0, Absent, &flaw{at: i + k, reason: "is not " + word}
		}
	}
	return i + len(word), kind, nil
}

func scanNumber(data []byte, i int) (int, ValueKind, error) {
	if data[i] == '-' {
		i++
	}
	var ok bool
	if i < len(data) && data[i] == '0' {
		i++
	} else if i, ok = digits(data, i); !ok {
		return noDigit(data, i)
	}
	if i < len(data) && data[i] == '.' {
		if i, ok = digits(data, i+1); !ok {
			return noDigit(data, i)
		}
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		if i++; i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		if i, ok = digits(data, i); !ok {
			return noDigit(data, i)
		}
	}
	return i, Number, nil
}

// digits says where the digits at i end, and whether there are any.
func digits(data []byte, i int) (end int, any bool) {
	start := i
	for i < len(data) && '0' <= data[i] && data[i] <= '9' {
		i++
	}
	return i, i > start
}

func noDigit(data []byte, i int) (int, ValueKind, error) {
	if i >= len(data) {
		return 0, Absent, endsEarly(data)
	}
	return 0, Absent, &flaw{at: i, reason: "no digit where a number needs one"}
}
