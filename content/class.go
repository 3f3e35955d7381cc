package content

import (
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// class is what folding does to a character.
type class uint8

const (
	stays     class = iota // it stands for itself, whatever stands before it
	combines               // a mark, or a letter that can become one with what stands before it
	spaces                 // white space
	invisible              // it leaves no mark on a page
	changes                // it becomes its form, whatever stands before it
	unsettled              // only the normaliser knows what becomes of it
)

// page has the classes of 256 characters, and the forms of those that change.
type page struct {
	classes [256]class
	forms   map[rune]string
}

// tableEnd is where planes begin that have ideographs, private and invisible characters only.
const tableEnd = 0x30000

// pages are the pages of characters that texts had so far. To make one takes some
// microseconds, to make all some milliseconds, and a page is the same whoever makes it.
var pages [tableEnd >> 8]atomic.Pointer[page]

// classOf is classify, by table.
func classOf(r rune) class {
	if r < tableEnd {
		if p := pages[r>>8].Load(); p != nil {
			return p.classes[r&0xff]
		}
		return newPage(r).classes[r&0xff]
	}
	return classify(r)
}

// newPage makes the page of r.
func newPage(r rune) *page {
	p := &page{forms: map[rune]string{}}
	for i := range p.classes {
		r := r&^0xff | rune(i)
		if p.classes[i] = classify(r); p.classes[i] == changes {
			p.forms[r] = formOf(r)
		}
	}
	pages[r>>8].Store(p)
	return p
}

// classify looks r up in the tables of Unicode.
func classify(r rune) class {
	switch {
	case 0x3400 <= r && r <= 0x4dbf, 0x4e00 <= r && r <= 0x9fff, 0xac00 <= r && r <= 0xd7a3: // ideographs, Hangul
		return stays
	case isSpace(r):
		return spaces
	case isInvisible(r):
		return invisible
	case r >= tableEnd || !utf8.ValidRune(r) || isSettled(r):
		return stays
	case !norm.NFKC.PropertiesString(string(r)).BoundaryBefore():
		return combines
	case formOf(r) != "":
		return changes
	}
	return unsettled
}

// isSettled reports visible characters that are in lower case and in NFKC whatever stands
// before them.
func isSettled(r rune) bool {
	s := string(r)
	return toLower(r) == r && norm.NFKC.PropertiesString(s).BoundaryBefore() && norm.NFKC.QuickSpanString(s) == len(s) &&
		!isSpace(r) && !isInvisible(r)
}

// formOf returns what a character becomes where NFKC has nothing more to do with it: a small
// letter, or what full-width letters and most ligatures decompose to. Otherwise it is "".
func formOf(r rune) string {
	decomposed := norm.NFKC.PropertiesString(string(r)).Decomposition()
	form := strings.Map(toLower, string(decomposed))
	if form == "" {
		form = string(toLower(r))
	}
	if strings.ContainsFunc(form, func(r rune) bool { return r != ' ' && !isSettled(r) }) || strings.Trim(form, " ") != form {
		return ""
	}
	return form
}

func toLower(r rune) rune {
	if r == 'ς' {
		return 'σ'
	}
	return unicode.ToLower(r)
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

// decode is utf8.DecodeRuneInString, faster for two bytes and for the three of most
// ideographs.
func decode(s string) (rune, int) {
	switch c := s[0]; {
	case c > 0xe0 && c != 0xed && c < 0xf0 && len(s) >= 3 && s[1]&0xc0 == 0x80 && s[2]&0xc0 == 0x80:
		return rune(c&0xf)<<12 | rune(s[1]&0x3f)<<6 | rune(s[2]&0x3f), 3
	case c > 0xc1 && c < 0xe0 && len(s) >= 2 && s[1]&0xc0 == 0x80:
		return rune(c&0x1f)<<6 | rune(s[1]&0x3f), 2
	}
	return utf8.DecodeRuneInString(s)
}
