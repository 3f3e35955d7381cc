package content

import (
	"slices"
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
	f := folding{out: append(make([]byte, 0, len(s)), s[:n]...)}
	f.text(s, n)
	// What was removed can have kept a base and its mark apart, and NFKC can write what
	// folding changes. Two rounds settle every case known; the bound makes it sure.
	for range 4 {
		if !f.compose || norm.NFKC.IsNormal(f.out) {
			break
		}
		s = norm.NFKC.String(string(f.out))
		f = folding{out: f.out[:0]}
		f.text(s, 0)
	}
	return string(f.out)
}

// The classes of bytes to folding.
const (
	visible byte = iota // printable ASCII
	blank               // ASCII white space
	special             // controls, and whatever is not ASCII
)

// asciiClass and asciiLower are what folding does to a byte. Tables instead of conditions:
// words end at random, and a mispredicted branch costs more than ten bytes.
var asciiClass, asciiLower = asciiTables()

func asciiTables() (class, lower [256]byte) {
	for c := range 256 {
		switch {
		case '!' <= c && c <= '~':
			lower[c] = byte(unicode.ToLower(rune(c)))
		case c < utf8.RuneSelf && unicode.IsSpace(rune(c)):
			class[c], lower[c] = blank, ' '
		default:
			class[c] = special
		}
	}
	return class, lower
}

// normalLen returns the length of the longest ASCII prefix of s that folding keeps as it
// is; it may end in a space.
func normalLen(s string) int {
	last := blank
	for i := range len(s) {
		c := s[i]
		class := asciiClass[c]
		if class+last >= special || asciiLower[c] != c {
			return i
		}
		last = class
	}
	return len(s)
}

// folding lowers, removes what is invisible and folds white space, in one pass. It is
// idempotent by itself.
type folding struct {
	out     []byte
	compose bool // out holds characters that NFKC may change
	marks   int  // combining marks in a row
	invalid int  // offset after the last byte that is no UTF-8
	grows   int  // bytes by which NFKC will make out longer
}

func (f *folding) text(s string, from int) {
	for i := from; i < len(s); {
		if n := f.ascii(s[i:]); n > 0 {
			f.marks = 0
			i += n
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case staysAsItIs(r) && size > 1:
			f.out = append(f.out, s[i:i+size]...)
			f.marks = 0
		case r == '\x1b' || r == '\u009b':
			size = escapeLen(s[i:])
		case r == utf8.RuneError && size == 1:
			if i != f.invalid || i == 0 {
				f.out = utf8.AppendRune(f.out, r)
			}
			f.invalid = i + 1
			f.marks = 0
		case isSpace(r):
			if !f.endsBlank() {
				f.out = append(f.out, ' ')
			}
			f.marks = 0
		case !isInvisible(r):
			f.character(s, i, r, size)
		}
		i += size
	}
	if n := len(f.out); n > 0 && f.out[n-1] == ' ' {
		f.out = f.out[:n-1]
	}
}

func (f *folding) endsBlank() bool {
	return len(f.out) == 0 || f.out[len(f.out)-1] == ' '
}

// ascii folds the ASCII text at the start of s and returns its length.
func (f *folding) ascii(s string) int {
	if asciiClass[s[0]] == special {
		return 0
	}
	last := visible
	if f.endsBlank() {
		last = blank
	}
	written := len(f.out)
	f.out = slices.Grow(f.out, len(s))
	out := f.out[written : written+len(s)]
	i, n := 0, 0
	for ; i < len(s); i++ {
		class := asciiClass[s[i]]
		if class == special {
			break
		}
		out[n] = asciiLower[s[i]]
		n += int(1 - class&last)
		last = class
	}
	f.out = f.out[:written+n]
	return i
}

// character writes a visible character that is neither ASCII nor sure to stay as it is.
func (f *folding) character(s string, i int, r rune, size int) {
	p := norm.NFKC.PropertiesString(s[i:])
	if p.LeadCCC() != 0 {
		if f.marks++; f.marks > maxMarks {
			return
		}
		f.out = append(f.out, s[i:i+size]...)
		f.compose = true
		f.grows += max(0, len(p.Decomposition())-size)
		return
	}
	f.marks = 0
	if n := len(p.Decomposition()); n > size {
		if len(f.out)+f.grows+n > 2*(i+size)+slack && norm.NFKC.QuickSpanString(s[i:i+size]) < size {
			f.out = append(f.out, "\ufffd"...)
			return
		}
		f.grows += n - size
	}
	lower := toLower(r)
	f.out = utf8.AppendRune(f.out, lower)
	f.compose = f.compose || !staysAsItIs(lower) && lower >= utf8.RuneSelf
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
