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
		if !strings.ContainsAny(s, `%\&`) {
			break
		}
		decoded := unescapeOnce(s)
		if decoded == s {
			break
		}
		s = decoded
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

func unescapeOnce(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		var n int
		switch s[i] {
		case '%':
			b, n = percent(b, s[i:])
		case '\\':
			b, n = backslash(b, s[i:])
		case '&':
			b, n = reference(b, s[i:])
		}
		if n == 0 {
			b = append(b, s[i])
			n = 1
		}
		i += n
	}
	return string(b)
}

// percent decodes the escape at the start of s and returns how long it was, or 0.
func percent(b []byte, s string) ([]byte, int) {
	if len(s) >= 6 && (s[1] == 'u' || s[1] == 'U') {
		if r, ok := hex(s[2:6]); ok {
			return utf8.AppendRune(b, r), 6
		}
	}
	if len(s) < 3 {
		return b, 0
	}
	c, ok := hex(s[1:3])
	if !ok {
		return b, 0
	}
	// Two bytes that spell an ASCII character the long way are no UTF-8, but old
	// decoders take them.
	if (c == 0xc0 || c == 0xc1) && len(s) >= 6 && s[3] == '%' {
		if d, ok := hex(s[4:6]); ok && d&0xc0 == 0x80 {
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
		r, ok := hex(s[2:6])
		if !ok {
			return b, 0
		}
		if utf16.IsSurrogate(r) && len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
			if low, ok := hex(s[8:12]); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
				return utf8.AppendRune(b, utf16.DecodeRune(r, low)), 12
			}
		}
		return utf8.AppendRune(b, r), 6
	case len(s) >= 4 && s[1] == 'x':
		if r, ok := hex(s[2:4]); ok && ' ' <= r && r <= '~' {
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

func hex(s string) (rune, bool) {
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
