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

// shortString says where the string that begins at i ends if that is within 16 bytes and all
// are plain ASCII, else -1. It has no branch that hangs on the length: half of all strings are
// names, whose lengths a processor cannot foresee.
func shortString(data []byte, i int) int {
	b := data[i:]
	if len(b) < 16 {
		return -1
	}
	w, next := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	mark, further := specials(w)|w&highs, specials(next)|next&highs
	if mark == 0 {
		w, mark, i = next, further, i+8
	}
	n := bits.TrailingZeros64(mark)
	if byte(w>>(n&0x38)) != '"' {
		return -1
	}
	return i + n/8
}

// scanString says where the string that begins at i ends, which is at its closing quote.
func scanString(data []byte, i int) (end int, meta uint32, err error) {
	start, wide := i, uint64(0)
	meta = uint32(String)
	for {
		n := 0
		n, wide = plain(data[i:], wide)
		if i += n; i >= len(data) {
			return 0, 0, endsEarly(data)
		}
		switch c := data[i]; {
		case c == '"':
			if wide&highs != 0 {
				if valid := validPrefix(data[start:i]); valid < i-start {
					return 0, 0, &flaw{at: start + valid, reason: "invalid UTF-8", unicode: true}
				}
			}
			return i, meta, nil
		case c != '\\':
			return 0, 0, &flaw{at: i, reason: "a control character in a string"}
		}
		meta |= escaped
		for i < len(data) && data[i] == '\\' {
			if i+1 < len(data) && simpleEscape[data[i+1]] {
				i += 2
				continue
			}
			length, err := scanEscape(data, i)
			if err != nil {
				return 0, 0, err
			}
			i += length
		}
	}
}

// plain is how many bytes come before one that is special, and what they have in common with
// those before: a bit of highs is set where one is not ASCII.
func plain(b []byte, wide uint64) (int, uint64) {
	length := len(b)
	for len(b) >= 16 {
		w, next := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		mark := specials(w)
		if mark|specials(next) != 0 {
			break
		}
		wide |= w | next
		b = b[16:]
	}
	for len(b) >= 8 {
		w := binary.LittleEndian.Uint64(b)
		if n := bits.TrailingZeros64(specials(w)); n < 64 {
			return length - len(b) + n/8, wide | w&(1<<n-1)
		}
		wide |= w
		b = b[8:]
	}
	for len(b) > 0 && b[0] != '"' && b[0] != '\\' && b[0] >= ' ' {
		wide |= uint64(b[0])
		b = b[1:]
	}
	return length - len(b), wide
}

// validPrefix is how many bytes at the beginning are valid UTF-8. It steps over ASCII eight
// bytes at a time, and over characters of two and three bytes by the word that they begin.
func validPrefix(text []byte) int {
	i := 0
	for len(text)-i >= 8 {
		w := binary.LittleEndian.Uint64(text[i:])
		if w&highs == 0 {
			i += 8
			continue
		}
		ascii := bits.TrailingZeros64(w&highs) &^ 7
		i += ascii / 8
		w >>= ascii
		// What comes after a character of two bytes may be one of them again.
		for w&0xC0E0 == 0x80C0 && w&0x1E != 0 { // not of what fits in one byte
			w >>= 16
			i += 2
		}
		if w&0xC0C0F0 == 0x8080E0 {
			// The first ten bits of sixteen: from U+0800, and no surrogate.
			if c := w&0x0F<<6 | w>>8&0x3F; c >= 0x20 && c&^0x1F != 0x360 {
				i += 3
				continue
			}
		}
		if w&0x80 != 0 {
			r, n := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && n == 1 {
				return i
			}
			i += n
		}
	}
	for i < len(text) {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		i += n
	}
	return i
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
	r := rune(hexDigit[text[i]])<<12 | rune(hexDigit[text[i+1]])<<8 | rune(hexDigit[text[i+2]])<<4 | rune(hexDigit[text[i+3]])
	return r, r >= 0
}

// hexDigit is what a character stands for, negative for one that is no hexadecimal digit.
var hexDigit = func() (digit [256]int8) {
	for c := range digit {
		digit[c] = -1
	}
	for n, c := range "0123456789abcdef" {
		digit[c] = int8(n)
	}
	for n, c := range "ABCDEF" {
		digit[c] = int8(10 + n)
	}
	return digit
}()

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
