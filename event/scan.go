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

// scanned is what scan has read.
type scanned struct {
	nodes []node
	// open is the innermost object or array that is not ended, outside if there is none; the
	// next of an open one is the one around it.
	open int
	// spaced is set where there is white space between tokens.
	spaced bool
}

// scan reads a document in one pass (RFC 8259) and appends its nodes. Names may occur twice; a
// string is valid UTF-8, and half a surrogate pair is no character. To check a document is to
// forget each of its values that has ended.
func scan(data []byte, nodes []node, depth int, check bool) (scanned, error) {
	open, inObject, level := outside, false, 0
	spaced := false
	i := space(data, 0, &spaced)
	for {
		if len(nodes)+2 > cap(nodes) {
			nodes = grow(nodes, i, len(data))
		}
		if inObject {
			end, meta, err := scanName(data, i)
			if err != nil {
				return scanned{nodes, open, spaced}, err
			}
			nodes = append(nodes, node{meta, uint32(i + 1), uint32(end), uint32(len(nodes) + 1)})
			if i, err = scanColon(data, end+1, &spaced); err != nil {
				return scanned{nodes, open, spaced}, err
			}
		}
		if i >= len(data) {
			return scanned{nodes, open, spaced}, endsEarly(data)
		}
		c := data[i]
		switch {
		case c == '"':
			end, meta := shortString(data, i+1), uint32(String)
			if end < 0 {
				var err error
				if end, meta, err = scanString(data, i+1); err != nil {
					return scanned{nodes, open, spaced}, err
				}
			}
			nodes = append(nodes, node{meta, uint32(i + 1), uint32(end), uint32(len(nodes) + 1)})
			i = end + 1
		case c == '{' || c == '[':
			if level++; level > depth {
				return scanned{nodes, open, spaced}, errDepth
			}
			kind := Array
			if inObject = c == '{'; inObject {
				kind = Object
			}
			nodes = append(nodes, node{meta: uint32(kind), start: uint32(i), next: uint32(open)})
			open = len(nodes) - 1
			if i = space(data, i+1, &spaced); i >= len(data) || data[i] != c+2 { // ']' is '['+2, '}' is '{'+2
				continue
			}
		default:
			end, kind := scanInteger(data, i), Number
			if end < 0 {
				var err error
				if end, kind, err = scanWord(data, i); err != nil {
					return scanned{nodes, open, spaced}, err
				}
			}
			nodes = append(nodes, node{uint32(kind), uint32(i), uint32(end), uint32(len(nodes) + 1)})
			i = end
		}
		// A value has ended, or an empty object or array is about to.
		for {
			if check {
				nodes = nodes[:open+1]
			}
			if i = space(data, i, &spaced); open == outside || i >= len(data) {
				return scanned{nodes, open, spaced}, ended(data, i, open)
			}
			c := data[i]
			i++
			if c == ',' {
				i = space(data, i, &spaced)
				break
			}
			n := &nodes[open]
			if c != data[n.start]+2 {
				return scanned{nodes, open, spaced}, &flaw{at: i - 1, reason: "neither a comma nor the end of the object or array", after: true}
			}
			open, n.end, n.next = int(int32(n.next)), uint32(i), uint32(len(nodes))
			inObject = open != outside && nodes[open].kind() == Object
			level--
		}
	}
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

// space is where the white space at a place ends, and says if there is any.
func space(data []byte, i int, spaced *bool) int {
	if i < len(data) && data[i] > ' ' {
		return i
	}
	end := spaces(data, i)
	*spaced = *spaced || end > i
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
func scanColon(data []byte, i int, spaced *bool) (int, error) {
	if i = space(data, i, spaced); i >= len(data) {
		return i, endsEarly(data)
	}
	if data[i] != ':' {
		return i, &flaw{at: i, reason: "no colon after a name"}
	}
	return space(data, i+1, spaced), nil
}

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// specials marks, by its highest bit, the first of eight bytes that is a quote, a backslash or
// a control character; of those after it some may be marked wrongly. A byte is below n where
// subtracting n borrows (see "Bit Twiddling Hacks", "Determine if a word has a byte less than
// n"), and a quote with bit 1 flipped is a space, which comes next after the controls.
func specials(w uint64) uint64 {
	return ((w ^ 0x02*ones - 0x21*ones) | (w ^ '\\'*ones - ones)) &^ w & highs
}

// shortString says where the string that begins at i ends if that is within eight bytes and
// all are plain ASCII, else -1.
func shortString(data []byte, i int) int {
	if len(data)-i < 8 {
		return -1
	}
	w := binary.LittleEndian.Uint64(data[i:])
	n := bits.TrailingZeros64(specials(w) | w&highs)
	if n == 64 || byte(w>>(n&^7)) != '"' {
		return -1
	}
	return i + n/8
}

// scanString says where the string that begins at i ends, which is at its closing quote.
func scanString(data []byte, i int) (end int, meta uint32, err error) {
	start, wide := i, uint64(0)
	meta = uint32(String)
	for {
		for len(data)-i >= 16 {
			w, next := binary.LittleEndian.Uint64(data[i:]), binary.LittleEndian.Uint64(data[i+8:])
			if specials(w)|specials(next) != 0 {
				break
			}
			wide |= w | next
			i += 16
		}
		for len(data)-i >= 8 {
			w := binary.LittleEndian.Uint64(data[i:])
			if n := bits.TrailingZeros64(specials(w)); n < 64 {
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
				if valid := validPrefix(data[start:i]); valid < i-start {
					return 0, 0, &flaw{at: start + valid, reason: "invalid UTF-8", unicode: true}
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

// validPrefix is how many bytes at the beginning are valid UTF-8. It steps over ASCII eight
// bytes at a time.
func validPrefix(text []byte) int {
	for i := 0; i < len(text); {
		if len(text)-i >= 8 {
			ascii := bits.TrailingZeros64(binary.LittleEndian.Uint64(text[i:])&highs) / 8
			if i += ascii; ascii == 8 {
				continue
			}
		}
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(text)
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
