package content

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// promising reports whether a text may begin like this: of four bytes at most one is a
// control, or stands where UTF-8 has no such byte. Random bytes hardly ever do so well.
func promising(b []byte) bool {
	odd, last := 0, byteText
	for _, c := range b {
		kind := kindOf[c]
		odd += isOdd[last<<2|kind]
		last = kind
	}
	return 4*odd <= len(b) || isWide(b)
}

// The kinds of bytes that text is made of, and those that it is not.
const (
	byteText byte = iota
	byteOdd
	byteNext
	byteLead
)

// kindOf has the kind of each byte, and isOdd whether a kind, in its low two bits, is odd
// after another.
var kindOf, isOdd = func() (kinds [256]byte, odd [16]int) {
	for c := range kinds {
		switch {
		case c < utf8.RuneSelf && isText[c]:
		case 0x80 <= c && c < 0xc0:
			kinds[c] = byteNext
		case 0xc2 <= c && c < 0xf5:
			kinds[c] = byteLead
		default:
			kinds[c] = byteOdd
		}
	}
	for last := byteText; last <= byteLead; last++ {
		for kind := byteText; kind <= byteLead; kind++ {
			inside := last == byteLead || last == byteNext
			if kind == byteOdd || kind == byteNext && !inside || last == byteLead && kind != byteNext {
				odd[last<<2|kind] = 1
			}
		}
	}
	return kinds, odd
}()

// printable counts the bytes of b that are printable characters or white space.
func printable(b []byte) int {
	n := 0
	for i := 0; i < len(b); {
		if c := b[i]; c < utf8.RuneSelf {
			if isText[c] {
				n++
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(b[i:])
		if r != utf8.RuneError && unicode.IsPrint(r) {
			n += size
		}
		i += size
	}
	return n
}

// isText has the ASCII that is printable or white space.
var isText = func() (t [utf8.RuneSelf]bool) {
	for c := range byte(len(t)) {
		t[c] = ' ' <= c && c <= '~' || c == '\n' || c == '\t' || c == '\r'
	}
	return t
}()

// isWide reports UTF-16LE in which three characters of four are ASCII.
func isWide(b []byte) bool {
	zeros := 0
	for i := 1; i < len(b); i += 2 {
		if b[i] == 0 && b[i-1] != 0 {
			zeros++
		}
	}
	return len(b) >= 8 && zeros*4 >= len(b)/2*3
}

func fromWide(b []byte) []byte {
	units := make([]uint16, 0, len(b)/2)
	for i := 1; i < len(b); i += 2 {
		units = append(units, uint16(b[i-1])|uint16(b[i])<<8)
	}
	return []byte(string(utf16.Decode(units)))
}

// validText has U+FFFD in place of what is no UTF-8. Most texts are, and to see that is
// much faster than strings.ToValidUTF8.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}
