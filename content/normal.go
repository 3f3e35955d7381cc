package content

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	// maxMarks combining marks on one base: Hebrew and Vietnamese need four, and the
	// normaliser starts to add joiners of its own at thirty.
	maxMarks = 8
	// maxCombined characters of a text are combined with others: the normaliser takes a
	// quarter of a microsecond for each. Honest texts of 64 KiB have fewer, but for a few
	// scripts with all their vowel marks.
	maxCombined = 4096
	// slack lets a short text expand more than twice: one ligature can become 18 letters.
	slack = 64
)

// Normalize returns the form in which texts are compared with patterns: Unicode
// NFKC, lower case (simple, final sigma as any other), invisible and control characters
// and terminal escapes removed, each run of white space folded to one space, none at the
// ends. It is idempotent: Normalize(Normalize(s)) == Normalize(s).
//
// The result has at most 2*len(s)+64 bytes. To hold that, ligatures that would expand
// beyond it become U+FFFD, and bytes in a row that are no UTF-8 become one U+FFFD. Of the
// combining marks in a row only the first eight stay, and in all the first 4,096. Text in
// normal form is returned as it is, without allocation, where it is ASCII.
//
// Letters that merely look alike (Cyrillic а, Latin a) stay distinct: folding
// them would make ordinary Russian or Greek text match patterns at random.
func Normalize(s string) string {
	n := normalLen(s)
	if n == len(s) && (n == 0 || s[n-1] != ' ') {
		return s
	}
	f := fold(s, n)
	// What was removed can have kept a base and its mark apart, and NFKC can write what
	// folding changes. Two rounds settle every case known; the bound makes it sure.
	for range 4 {
		if f.combined == 0 || norm.NFKC.IsNormal(f.out) {
			break
		}
		f = fold(string(norm.NFKC.Bytes(f.out)), 0)
	}
	return strings.TrimSuffix(string(f.out), " ")
}

// folding lowers, removes what is invisible and folds white space, in one pass. It is
// idempotent by itself.
type folding struct {
	out      []byte
	last     byte // class of the byte that was written last; blank at the start
	marks    int  // combining marks in a row
	combined int  // characters in out that NFKC may change
	invalid  int  // offset after the last byte that is no UTF-8
	grows    int  // bytes by which NFKC will make out longer
}

// fold folds s, of which the first n bytes stay as they are.
func fold(s string, n int) *folding {
	f := &folding{out: make([]byte, 0, len(s)), last: blank}
	n = max(0, n-1) // the last byte may be a space, or a base of marks
	if n > 0 {
		f.out = append(f.out, s[:n]...)
		f.last = asciiClass[s[n-1]]
	}
	for n < len(s) {
		switch class := asciiClass[s[n]]; {
		case class == special:
			n += f.next(s, n)
		case class == visible && (n+1 == len(s) || asciiClass[s[n+1]] == special): // between two others
			f.out = append(f.out, asciiLower[s[n]])
			f.last, f.marks = visible, 0
			n++
		default:
			n += f.ascii(s[n:])
		}
	}
	return f
}

// next folds what stands at offset i of s, which is no printable ASCII, and returns how
// much that was.
func (f *folding) next(s string, i int) int {
	r, size := decode(s[i:])
	switch {
	case r == '\x1b' || r == '\u009b':
		return escapeLen(s[i:])
	case r == utf8.RuneError && size == 1:
		if i != f.invalid || i == 0 {
			f.write("\ufffd")
		}
		f.invalid = i + 1
		return size
	}
	switch classOf(r) {
	case stays:
		n := staying(s[i:])
		f.write(s[i : i+n])
		return n
	case spaces:
		f.ascii(" ")
	case combines:
		f.mark(s[i : i+size])
	case changes:
		if form := pages[r>>8].Load().forms[r]; len(form) <= size || f.fits(len(form), i+size) {
			f.write(form)
		} else {
			f.write("\ufffd")
		}
	case unsettled:
		f.unsettled(s[i:i+size], r, i+size)
	case invisible:
	}
	return size
}

// staying returns the length of the characters at the start of s that stay as they are.
func staying(s string) int {
	i := 0
	for i < len(s) && s[i] >= utf8.RuneSelf {
		r, size := decode(s[i:])
		if size == 1 || classOf(r) != stays {
			break
		}
		i += size
	}
	return i
}

// fits reports whether n bytes can be written for what ends at offset end of the text.
func (f *folding) fits(n, end int) bool {
	return len(f.out)+f.grows+n <= 2*end+slack
}

// write writes what is visible and ends in no space.
func (f *folding) write(s string) {
	f.out = append(f.out, s...)
	f.last, f.marks = visible, 0
}

// ascii folds the ASCII text at the start of s and returns how much that was.
func (f *folding) ascii(s string) int {
	f.out = slices.Grow(f.out, len(s))
	n := len(f.out)
	read, written, last := foldASCII(f.out[n:n+len(s)], s, f.last)
	f.out = f.out[:n+written]
	f.last, f.marks = last, 0
	return read
}

// mark writes a character that may combine with what stands before it.
func (f *folding) mark(s string) {
	if f.marks++; f.marks > maxMarks || f.combined >= maxCombined {
		return
	}
	f.out = append(f.out, s...)
	f.last = visible
	f.combined++
	f.grows += max(0, len(norm.NFKC.PropertiesString(s).Decomposition())-len(s))
}

// unsettled writes a character, which ends at offset end of the text, for NFKC to change.
func (f *folding) unsettled(s string, r rune, end int) {
	decomposed := len(norm.NFKC.PropertiesString(s).Decomposition())
	if f.combined >= maxCombined || decomposed > len(s) && !f.fits(decomposed, end) {
		f.write("\ufffd")
		return
	}
	f.write(string(toLower(r)))
	f.combined++
	f.grows += max(0, decomposed-len(s))
}
