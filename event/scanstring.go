package event

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

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
			meta |= escaped
			if i+1 < len(data) && simpleEscape[data[i+1]] {
				i += 2
				continue
			}
			n, err := scanEscape(data, i)
			if err != nil {
				return 0, 0, err
			}
			i += n
		default:
			return 0, 0, &flaw{at: i, reason: "a control character in a string"}
		}
	}
}

// validPrefix is how many bytes at the beginning are valid UTF-8. It steps over ASCII eight
// bytes at a time, and over the usual characters of two and three bytes by their first one.
func validPrefix(text []byte) int {
	for i := 0; i < len(text); {
		if len(text)-i < 8 {
			r, n := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && n == 1 {
				return i
			}
			i += n
			continue
		}
		w := binary.LittleEndian.Uint64(text[i:])
		ascii := bits.TrailingZeros64(w & highs)
		if ascii == 64 {
			i += 8
			continue
		}
		i += ascii / 8
		switch w = w >> (ascii &^ 7); {
		case w&0xC0E0 == 0x80C0 && w&0x1E != 0 && ascii < 56: // not of what fits in one byte
			i += 2
		default:
			r, n := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && n == 1 {
				return i
			}
			i += n
		}
	}
	return len(text)
}

// simpleEscape are the characters that make an escape of two.
var simpleEscape = [256]bool{'"': true, '\\': true, '/': true, 'b': true, 'f': true, 'n': true, 'r': true, 't': true}

// scanEscape gives the length of the \u escape that begins at i, or of the pair of them.
func scanEscape(data []byte, i int) (int, error) {
	if i+1 >= len(data) {
		return 0, endsEarly(data)
	}
	if data[i+1] != 'u' {
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
