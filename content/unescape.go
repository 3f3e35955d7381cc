package content

import (
	"html"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// unescapeRounds covers what servers are known to decode twice, such as %252e%252e.
const unescapeRounds = 2

// Unescape undoes, up to two levels deep, the encodings behind which paths and commands
// are hidden: percent-encoding (also %uXXXX and overlong UTF-8, such as %c0%ae for a
// dot), \uXXXX and \xXX, and HTML character references that end in a semicolon. What is
// no well-formed escape stays as it is; bytes that are no UTF-8 become U+FFFD.
func Unescape(s string) string {
	for range unescapeRounds {
		decoded := unescapeOnce(s)
		if decoded == s {
			break
		}
		s = decoded
	}
	return validText(s)
}

// unescapeOnce returns s itself where there is nothing to decode.
func unescapeOnce(s string) string {
	var b, decoded []byte
	kept := 0 // offset after what is in b
	var next [3]int
	for i := nextEscape(s, 0, &next); i < len(s); i = nextEscape(s, i, &next) {
		n := 0
		decoded = decoded[:0]
		switch s[i] {
		case '%':
			decoded, n = percent(decoded, s[i:])
		case '\\':
			decoded, n = backslash(decoded, s[i:])
		default:
			decoded, n = reference(decoded, s[i:])
		}
		if n == 0 {
			i++
			continue
		}
		if b == nil {
			b = make([]byte, 0, len(s))
		}
		b = append(append(b, s[kept:i]...), decoded...)
		i += n
		kept = i
	}
	if b == nil {
		return s
	}
	return string(append(b, s[kept:]...))
}

// nextEscape returns the offset, from i, of the next byte that can begin an escape. Next
// keeps where each of them is next.
func nextEscape(s string, i int, next *[3]int) int {
	for k := range next {
		next[k] = nextByte(s, `%\&`[k], next[k], i)
	}
	return min(next[0], next[1], next[2])
}

// nextByte returns the offset of the first c from the offset from on, the length of s
// where there is none. Known is its last answer, 0 at first: nothing is searched for twice.
func nextByte(s string, c byte, known, from int) int {
	if known > from || known == from && from < len(s) && s[from] == c {
		return known
	}
	if n := strings.IndexByte(s[from:], c); n >= 0 {
		return from + n
	}
	return len(s)
}

// percent decodes the escape at the start of s and returns how long it was, or 0.
func percent(b []byte, s string) ([]byte, int) {
	if len(s) >= 6 && (s[1] == 'u' || s[1] == 'U') {
		if r, ok := hexValue(s[2:6]); ok {
			return utf8.AppendRune(b, r), 6
		}
	}
	if len(s) < 3 {
		return b, 0
	}
	c, ok := hexValue(s[1:3])
	if !ok {
		return b, 0
	}
	// Two bytes that spell an ASCII character the long way are no UTF-8, but old
	// decoders take them.
	if (c == 0xc0 || c == 0xc1) && len(s) >= 6 && s[3] == '%' {
		if d, ok := hexValue(s[4:6]); ok && d&0xc0 == 0x80 {
			return append(b, byte(c&1<<6|d&0x3f)), 6
		}
	}
	return append(b, byte(c)), 3
}

// backslash decodes \uXXXX, with surrogates, and \xXX for printable ASCII only: further
// up it is more often a Windows path.
func backslash(b []byte, s string) ([]byte, int) {
	switch {
	case len(s) >= 6 && s[1] == 'u':
		r, ok := hexValue(s[2:6])
		if !ok {
			return b, 0
		}
		if utf16.IsSurrogate(r) && len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
			if low, ok := hexValue(s[8:12]); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
				return utf8.AppendRune(b, utf16.DecodeRune(r, low)), 12
			}
		}
		return utf8.AppendRune(b, r), 6
	case len(s) >= 4 && s[1] == 'x':
		if r, ok := hexValue(s[2:4]); ok && ' ' <= r && r <= '~' {
			return append(b, byte(r)), 4
		}
	}
	return b, 0
}

// reference decodes an HTML character reference.
func reference(b []byte, s string) ([]byte, int) {
	const longest = 34 // &CounterClockwiseContourIntegral;
	end := strings.IndexByte(s[:min(len(s), longest)], ';')
	if end < 2 {
		return b, 0
	}
	name := s[:end+1]
	decoded := html.UnescapeString(name)
	if decoded == name {
		return b, 0
	}
	return append(b, decoded...), end + 1
}

func hexValue(s string) (rune, bool) {
	var v rune
	for i := range len(s) {
		c := s[i]
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
		v = v<<4 | rune(c)
	}
	return v, true
}
