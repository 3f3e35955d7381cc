package content

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	// maxMarks combining marks on one base: Hebrew and Vietnamese need four, and the
	// normaliser starts to add joiners of its own at thirty.
	maxMarks = 8
	// slack lets a short text expand more than twice: one ligature can become 18 letters.
	slack = 64
)

// Normalize returns the form in which texts are compared with patterns: Unicode
// NFKC, lower case (simple, final sigma as any other), invisible and control characters
// and terminal escapes removed, each run of white space folded to one space, none at the
// ends. It is idempotent: Normalize(Normalize(s)) == Normalize(s).
//
// The result has at most 2*len(s)+64 bytes. To hold that, ligatures that would expand
// beyond it become U+FFFD, bytes in a row that are no UTF-8 become one U+FFFD, and of the
// combining marks in a row only the first eight stay. Text in normal form is returned as
// it is, without allocation, where it is ASCII.
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
		if !f.compose || norm.NFKC.IsNormalString(f.out.String()) {
			break
		}
		f = fold(norm.NFKC.String(f.out.String()), 0)
	}
	return strings.TrimSuffix(f.out.String(), " ")
}

// folding lowers, removes what is invisible and folds white space, in one pass. It is
// idempotent by itself.
type folding struct {
	out     strings.Builder
	last    byte // class of what was written last; blank at the start
	compose bool // out holds characters that NFKC may change
	marks   int  // combining marks in a row
	invalid int  // offset after the last byte that is no UTF-8
	grows   int  // bytes by which NFKC will make out longer
}

// fold folds s, of which the first n bytes stay as they are.
func fold(s string, n int) *folding {
	f := &folding{last: blank}
	f.out.Grow(len(s))
	n = max(0, n-1) // the last byte may be a space, or a base of marks
	if n > 0 {
		f.out.WriteString(s[:n])
		f.last = asciiClass[s[n-1]]
	}
	for n < len(s) {
		n += f.next(s, n)
	}
	return f
}

// next folds what stands at offset i of s and returns how much that was.
func (f *folding) next(s string, i int) int {
	if asciiClass[s[i]] != special {
		return f.ascii(s[i:])
	}
	r, size := utf8.DecodeRuneInString(s[i:])
	switch {
	case staysAsItIs(r) && size > 1:
		f.write(s[i : i+size])
	case 0x1100 <= r && r <= 0x11ff && !isInvisible(r): // Hangul in parts
		f.write(s[i : i+size])
		f.compose = true
	case r == '\x1b' || r == '\u009b':
		return escapeLen(s[i:])
	case r == utf8.RuneError && size == 1:
		if i != f.invalid || i == 0 {
			f.write("\ufffd")
		}
		f.invalid = i + 1
	case isSpace(r):
		f.ascii(" ")
	case !isInvisible(r):
		f.character(s, i, r, size)
	}
	return size
}

func (f *folding) write(s string) {
	f.out.WriteString(s)
	f.last, f.marks = visible, 0
}

// ascii folds the ASCII text at the start of s and returns how much that was.
func (f *folding) ascii(s string) int {
	var buffer [256]byte
	read, written, last := foldASCII(buffer[:], s, f.last)
	f.out.Write(buffer[:written])
	f.last, f.marks = last, 0
	return read
}

// character writes a visible character that is neither ASCII nor sure to stay as it is.
func (f *folding) character(s string, i int, r rune, size int) {
	p := norm.NFKC.PropertiesString(s[i:])
	decomposed := p.Decomposition()
	if p.LeadCCC() != 0 {
		if f.marks++; f.marks <= maxMarks {
			f.out.WriteString(s[i : i+size])
			f.compose = true
			f.grows += max(0, len(decomposed)-size)
		}
		return
	}
	if len(decomposed) > size && f.out.Len()+f.grows+len(decomposed) > 2*(i+size)+slack && norm.NFKC.QuickSpanString(s[i:i+size]) < size {
		f.write("\ufffd")
		return
	}
	if decomposed != nil && f.settled(decomposed) {
		return
	}
	f.grows += max(0, len(decomposed)-size)
	f.marks, f.last = 0, visible
	lower := toLower(r)
	f.out.WriteRune(lower)
	f.compose = f.compose || !staysAsItIs(lower) && lower >= utf8.RuneSelf
}

// settled writes what a character decomposes to, where NFKC has nothing more to do with
// it, and reports whether it did: full-width letters, most ligatures and signs.
func (f *folding) settled(decomposed []byte) bool {
	for _, r := range string(decomposed) {
		if !staysAsItIs(r) && r > unicode.MaxASCII {
			return false
		}
	}
	for _, r := range string(decomposed) {
		if r <= unicode.MaxASCII {
			f.ascii(string(r))
		} else {
			f.out.WriteRune(r)
			f.last, f.marks = visible, 0
		}
	}
	return true
}

func toLower(r rune) rune {
	if r == 'ς' {
		return 'σ'
	}
	return unicode.ToLower(r)
}

// staysAsItIs reports characters of common scripts, none ASCII, that are visible, lower
// case and in NFKC whatever stands before them. It may miss some; a test holds that it
// names none too many.
func staysAsItIs(r rune) bool {
	switch {
	case r < 0x400:
		return 0xdf <= r && r <= 0xff || 0x3b1 <= r && r <= 0x3c9 && r != 'ς'
	case r < 0x2000:
		return 0x430 <= r && r <= 0x45f || // Cyrillic
			0x5d0 <= r && r <= 0x5ea || // Hebrew
			0x620 <= r && r <= 0x64a || // Arabic
			0x904 <= r && r <= 0x939 || // Devanagari
			0xe01 <= r && r <= 0xe30 // Thai
	case r < 0x3400:
		return 0x2018 <= r && r <= 0x2023 || r == 0x2013 || r == 0x2014 || // quotes, bullets, dashes
			0x3001 <= r && r <= 0x3029 || // ideographic punctuation
			0x3041 <= r && r <= 0x3096 || 0x30a1 <= r && r <= 0x30fe // kana
	case r < 0x10000:
		return r <= 0x9fff || 0xac00 <= r && r <= 0xd7a3 || r == utf8.RuneError // ideographs, Hangul
	}
	return 0x1f300 <= r && r <= 0x1f64f || 0x1f680 <= r && r <= 0x1f6ff || 0x20000 <= r && r <= 0x2a6df
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
