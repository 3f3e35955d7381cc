package content

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The kinds that Hidden reports.
const (
	ZeroWidth          = "zero_width"
	BidiControl        = "bidi_control"
	TagCharacters      = "tag_characters"
	VariationSelectors = "variation_selectors"
	ANSIEscape         = "ansi_escape"
	HTMLComment        = "html_comment"
	WhitespaceRun      = "whitespace_run"
	Control            = "control"
)

const (
	// wideRun blanks in a row push what follows past the edge of any approval dialog.
	wideRun = 64
	// tallRun line ends in a row push it below the edge.
	tallRun = 20
	// sparseSelectors selectors after ordinary letters carry data one letter at a time.
	sparseSelectors = 4
)

// Hidden returns, sorted and each once, the kinds of content in s that a person who
// reads it does not see and a model does.
//
// Not reported, because honest text has it: joiners inside emoji and between letters of
// scripts that join, zero-width spaces in scripts written without spaces, a byte order
// mark at the start of a line, soft hyphens, direction marks and balanced isolates in
// text that has right-to-left letters, one variation selector after an emoji or
// ideograph, the flags of England, Scotland and Wales.
func Hidden(s string) []string {
	h := hiddenScan{text: s}
	h.scan()
	return h.kinds()
}

type hiddenScan struct {
	text string

	zeroWidth, tags, selectors, ansi, control, run bool

	marks      int  // direction marks, honest where there are right-to-left letters
	overrides  bool // override characters have no honest use in this setting
	embeddings int  // embeddings and isolates other than first-strong
	balance    int  // opened less closed
	rightLeft  bool
	sparse     int // selectors after ordinary letters
}

func (h *hiddenScan) kinds() []string {
	found := []string{}
	add := func(kind string, is bool) {
		if is {
			found = append(found, kind)
		}
	}
	add(ZeroWidth, h.zeroWidth || h.marks > 0 && !h.rightLeft)
	add(BidiControl, h.overrides || h.embeddings > 0 && (!h.rightLeft || h.balance != 0))
	add(TagCharacters, h.tags)
	add(VariationSelectors, h.selectors || h.sparse >= sparseSelectors)
	add(ANSIEscape, h.ansi)
	add(HTMLComment, hasComment(h.text))
	add(WhitespaceRun, h.run)
	add(Control, h.control)
	slices.Sort(found)
	return found
}

// hasComment reports an HTML comment with letters or digits in it. One that is never
// closed is hidden all the same.
func hasComment(s string) bool {
	for {
		_, rest, ok := strings.Cut(s, "<!--")
		if !ok {
			return false
		}
		inside, after, closed := strings.Cut(rest, "-->")
		if strings.ContainsFunc(inside, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			return true
		}
		if !closed {
			return false
		}
		s = after
	}
}

func (h *hiddenScan) scan() {
	s := h.text
	var prev rune // last rune that was not a variation selector; 0 at the start
	var last rune // last rune of any kind
	wide, tall := 0, 0
	for i := 0; i < len(s); {
		if n := visibleLen(s[i:]); n > 0 { // the common case
			h.run = h.run || wide >= wideRun || tall >= tallRun
			wide, tall = 0, 0
			i += n
			prev, last = rune(s[i-1]), rune(s[i-1])
			continue
		}
		if s[i] == ' ' {
			wide++
			prev, last = ' ', ' '
			i++
			continue
		}
		r, size := decode(s[i:])
		next := i + size
		class := classOf(r)
		switch {
		case r == '\n' || r == '\u2028' || r == '\u2029':
			tall++
			wide = 0
		case r == '\r':
		case class == spaces || r == '\u3164':
			wide++
		case class == invisible:
			next = h.invisible(i, r, prev, last)
		default:
			h.run = h.run || wide >= wideRun || tall >= tallRun
			wide, tall = 0, 0
		}
		h.rightLeft = h.rightLeft || isRightLeft(r)
		last = r
		if !isVariationSelector(r) {
			prev = r
		}
		i = next
	}
}

// visibleLen returns the length of the printable ASCII at the start of s.
func visibleLen(s string) int {
	i := 0
	for i < len(s) && asciiClass[s[i]] == visible {
		i++
	}
	return i
}

// invisible judges one invisible character at offset i and returns the offset to go on from.
func (h *hiddenScan) invisible(i int, r, prev, last rune) int {
	next := i + utf8.RuneLen(r)
	switch {
	case r == '\x1b' || r == '\u009b':
		n := escapeLen(h.text[i:])
		if n > utf8.RuneLen(r) {
			h.ansi = true
		} else {
			h.control = true
		}
		return i + n
	case r < 0xa0:
		h.control = true
	case r == 0xad || 0x600 <= r && r <= 0x605 || r == 0x6dd || r == 0x70f || r == 0x8e2:
		// Soft hyphen; Arabic and Syriac signs that are format characters and visible.
	case 0xe0000 <= r && r <= 0xe007f:
		if n := flagLen(h.text[i:], prev); n > 0 {
			return i + n
		}
		h.tags = true
	case isVariationSelector(r):
		h.selector(r, last)
	case r == 0x202d || r == 0x202e:
		h.overrides = true
		h.balance++
	case r == 0x202a || r == 0x202b || r == 0x2066 || r == 0x2067:
		h.embeddings++
		h.balance++
	case r == 0x202c:
		h.balance--
	case r == 0x2068 || r == 0x2069:
		// First-strong isolates: message formatters put them around every variable. The
		// closing one also ends the others, so only an opening one counts against it.
		if r == 0x2069 && h.balance > 0 {
			h.balance--
		}
	case r == 0x200e || r == 0x200f || r == 0x61c:
		h.marks++
	case !h.honest(next, r, last):
		h.zeroWidth = true
	}
	return next
}

// honest reports whether the zero-width character r, between last and what is at offset
// next, is where the scripts of the world put one.
func (h *hiddenScan) honest(next int, r, last rune) bool {
	follow, _ := utf8.DecodeRuneInString(h.text[next:])
	switch r {
	case 0xfeff:
		return last == 0 || last == '\n'
	case 0x200d: // joiner: emoji, or letters that join
		return isEmoji(last) && isEmoji(follow) || joins(last)
	case 0x200c: // non-joiner
		return joins(last)
	case 0x200b: // break opportunity, in scripts written without spaces
		return spaceless(last) && spaceless(follow)
	case 0x1160, 0x115f: // conjoining Hangul, beside other jamo
		return 0x1100 <= follow && follow <= 0x11ff || 0x1100 <= last && last <= 0x11ff && last != r
	}
	return false
}

// selector judges a variation selector by what it follows.
func (h *hiddenScan) selector(r, last rune) {
	switch {
	case isVariationSelector(last):
		h.selectors = true
	case r >= 0xe0100 && !unicode.Is(unicode.Han, last):
		h.selectors = true
	case unicode.IsLetter(last) && last < 0x1000 || unicode.IsSpace(last) || last == 0:
		h.sparse++
	}
}

// flagLen returns the length of the tags of a subdivision flag, after a black flag.
func flagLen(s string, prev rune) int {
	if prev != 0x1f3f4 {
		return 0
	}
	for i, letters := 0, 0; letters <= 6; letters++ {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == 0xe007f && letters >= 3:
			return i
		case 0xe0030 <= r && r <= 0xe0039, 0xe0061 <= r && r <= 0xe007a:
		default:
			return 0
		}
	}
	return 0
}

func isEmoji(r rune) bool {
	return isVariationSelector(r) || 0x1f3fb <= r && r <= 0x1f3ff || r > 0xff && unicode.In(r, unicode.So, unicode.Sm)
}

// joins reports letters and marks of scripts in which joiners change the spelling.
func joins(r rune) bool {
	return r >= 0x600 && unicode.In(r, unicode.Arabic, unicode.Syriac, unicode.Nko, unicode.Mongolian, unicode.Mandaic,
		unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati, unicode.Oriya, unicode.Tamil,
		unicode.Telugu, unicode.Kannada, unicode.Malayalam, unicode.Sinhala, unicode.Khmer, unicode.Myanmar, unicode.Tibetan)
}

// isRightLeft reports letters written right to left: Hebrew to Arabic Extended-A and the
// presentation forms.
func isRightLeft(r rune) bool {
	return 0x5d0 <= r && r <= 0x8ff && r != 0x61c || 0xfb1d <= r && r <= 0xfdff || 0xfe70 <= r && r <= 0xfefc
}

func spaceless(r rune) bool {
	return r >= 0xe00 && unicode.In(r, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan,
		unicode.Javanese, unicode.Balinese, unicode.Han, unicode.Hiragana, unicode.Katakana)
}
