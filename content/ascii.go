package content

import (
	"encoding/binary"
	"unicode"
)

// The classes of bytes to folding.
const (
	visible byte = iota // printable ASCII
	blank               // ASCII white space
	special             // controls, and whatever is not ASCII
)

// asciiClass and asciiLower are what folding does to a byte.
var asciiClass, asciiLower = asciiTables()

func asciiTables() (class, lower [256]byte) {
	for c := range 256 {
		switch {
		case '!' <= c && c <= '~':
			lower[c] = byte(unicode.ToLower(rune(c)))
		case c <= unicode.MaxASCII && unicode.IsSpace(rune(c)):
			class[c], lower[c] = blank, ' '
		default:
			class[c] = special
		}
	}
	return class, lower
}

// normalLen returns the length of a prefix of s that folding keeps as it is: all of s,
// but for a space at its end, where it is ASCII in normal form.
func normalLen(s string) int {
	last := blank
	i := 0
	for ; i+8 <= len(s); i += 8 {
		word := load(s[i : i+8])
		lower, next, ok := foldWord(word, last)
		if !ok || lower != word {
			break
		}
		last = next
	}
	for ; i < len(s); i++ {
		c := s[i]
		class := asciiClass[c]
		if class+last >= special || asciiLower[c] != c {
			break
		}
		last = class
	}
	return i
}

// foldASCII folds the ASCII text at the start of s into out, a byte for each byte at the
// most, and says how many bytes it read and wrote. Last is the class of what was written
// before, and then of the last byte.
func foldASCII(out []byte, s string, last byte) (read, written int, class byte) {
	s = s[:min(len(s), len(out))]
	i, n := 0, 0
	for i < len(s) {
		if i+8 <= len(s) {
			if word, next, ok := foldWord(load(s[i:i+8]), last); ok {
				binary.LittleEndian.PutUint64(out[n:], word)
				i, n, last = i+8, n+8, next
				continue
			}
		}
		for end := min(i+8, len(s)); i < end; i++ {
			class := asciiClass[s[i]]
			if class == special {
				return i, n, last
			}
			out[n] = asciiLower[s[i]]
			n += int(1 - class&last)
			last = class
		}
	}
	return i, n, last
}

// foldWord lowers eight characters at once, where they are printable ASCII and no space
// follows another. Each byte of a word stays below 0x80, so that adding to all of them
// carries nothing from one to the next, and the high bit of each sum is a comparison.
func foldWord(word uint64, last byte) (lower uint64, class byte, ok bool) {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	capital := (word + (0x80-'A')*ones) &^ (word + (0x80-'Z'-1)*ones)
	space := ^(word + (0x80-'!')*ones) & high
	odd := word | (word + (0x80-0x7f)*ones) | ^(word + (0x80-' ')*ones) | space&(space<<8|uint64(last)<<7)
	return word | capital&high>>2, byte(space >> 63), odd&high == 0
}

func load(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
