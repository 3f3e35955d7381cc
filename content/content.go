// Package content says what a text holds: its normal form, characters a person
// cannot see, secrets, and the hosts of its addresses.
//
// Every function is pure and total: any string is accepted, valid UTF-8 or not,
// the same string always gives the same answer, and the time taken grows
// linearly with the text's length (regular expressions are RE2, scans go
// forward only). Nothing here has state; all of it is safe for concurrent use.
//
// The texts are written by whoever runs an MCP server or steers an agent, so
// each function is written against somebody who has read it.
package content

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Normalize returns the form in which texts are compared with patterns: Unicode
// NFKC, lower case, invisible and control characters and terminal escapes
// removed, each run of white space folded to one space, none at the ends. It is
// idempotent: Normalize(Normalize(s)) == Normalize(s).
//
// Letters that merely look alike (Cyrillic а, Latin a) stay distinct: folding
// them would make ordinary Russian or Greek text match patterns at random.
func Normalize(s string) string {
	if isNormal(s) {
		return s
	}
	s = fold(s)
	// What fold removes can have kept a base and its mark apart, and NFKC can write
	// what fold changes. Two rounds settle every case known; the bound makes it sure.
	for range 4 {
		if isASCII(s) || norm.NFKC.IsNormalString(s) && fold(s) == s {
			break
		}
		s = fold(norm.NFKC.String(s))
	}
	return s
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isNormal reports whether s is ASCII and already in normal form, the common case for
// tool names and paths; it answers false for whatever needs a closer look.
func isNormal(s string) bool {
	space := true
	for i := range len(s) {
		c := s[i]
		if c == ' ' {
			if space {
				return false
			}
			space = true
			continue
		}
		space = false
		if c < '!' || c > '~' || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return s == "" || !space
}

// fold lowers, removes what is invisible and folds white space, in one pass.
func fold(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	space := false
	for i := 0; i < len(s); {
		if c := s[i]; '!' <= c && c <= '~' {
			if space && b.Len() > 0 {
				b.WriteByte(' ')
			}
			space = false
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			b.WriteByte(c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == '\x1b' || r == '\u009b' {
			i += escapeLen(s[i:])
			continue
		}
		i += size
		switch {
		case isSpace(r):
			space = true
			continue
		case isInvisible(r):
			continue
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func isSpace(r rune) bool {
	return unicode.IsSpace(r) || r == '\u2800' // Braille blank
}

// isInvisible reports characters that leave no mark on a page: controls, format
// characters, tags, variation selectors and the Hangul and Khmer fillers.
func isInvisible(r rune) bool {
	switch {
	case r < 0x20, 0x7f <= r && r < 0xa0:
		return true
	case r < 0x300:
		return r == 0xad // soft hyphen
	case isVariationSelector(r), 0xe0000 <= r && r <= 0xe0fff:
		return true
	}
	switch r {
	case 0x034f, 0x115f, 0x1160, 0x3164, 0xffa0, 0x17b4, 0x17b5:
		return true
	}
	return unicode.Is(unicode.Cf, r)
}

// isVariationSelector covers the Mongolian ones, VS1 to VS16 and VS17 to VS256.
func isVariationSelector(r rune) bool {
	return 0x180b <= r && r <= 0x180f || 0xfe00 <= r && r <= 0xfe0f || 0xe0100 <= r && r <= 0xe01ef
}

// escapeLen returns the length of the terminal escape at the start of s, which begins
// with ESC or the one-character CSI. Where no well-formed sequence follows it is the
// introducer alone.
func escapeLen(s string) int {
	n := 1
	if s[0] != '\x1b' {
		n = len("\u009b")
		return n + controlSequenceLen(s[n:])
	}
	if len(s) == 1 {
		return n
	}
	switch s[1] {
	case '[':
		if m := controlSequenceLen(s[2:]); m > 0 {
			return 2 + m
		}
	case ']': // operating system command, such as a hyperlink or a window title
		return operatingSystemCommandLen(s)
	}
	return n
}

// controlSequenceLen returns the length of parameters, intermediates and the final
// byte, or 0 where they are not well formed.
func controlSequenceLen(s string) int {
	i := 0
	for i < len(s) && i < 64 && 0x20 <= s[i] && s[i] <= 0x3f {
		i++
	}
	if i < len(s) && 0x40 <= s[i] && s[i] <= 0x7e {
		return i + 1
	}
	return 0
}

// operatingSystemCommandLen bounds the search for the terminator, so that an unclosed
// command hides no more than the introducer and scanning stays linear.
func operatingSystemCommandLen(s string) int {
	const longest = 256
	for i := 2; i < len(s) && i < longest; i++ {
		switch {
		case s[i] == '\a':
			return i + 1
		case s[i] == '\x1b' && i+1 < len(s) && s[i+1] == '\\':
			return i + 2
		case s[i] == '\n':
			return 1
		}
	}
	return 1
}
