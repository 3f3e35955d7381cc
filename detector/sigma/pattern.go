package sigma

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// pattern is a Sigma value: text with wildcards.
type pattern []token

// token is a piece of a pattern.
type token struct {
	kind tokenKind
	text string // of a literal
}

type tokenKind int

const (
	literal tokenKind = iota
	anyText           // *
	anyRune           // ?
	anyDash           // what windash makes of a dash or a slash
)

// parsePattern reads a Sigma value. A backslash before *, ? or another backslash takes their
// meaning away; before anything else it stands for itself.
func parsePattern(value string) pattern {
	var p pattern
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			p = append(p, token{text: text.String()})
			text.Reset()
		}
	}
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\' && i+1 < len(value) && strings.IndexByte(`*?\`, value[i+1]) >= 0:
			i++
			text.WriteByte(value[i])
		case c == '*':
			flush()
			if len(p) == 0 || p[len(p)-1].kind != anyText {
				p = append(p, token{kind: anyText})
			}
		case c == '?':
			flush()
			p = append(p, token{kind: anyRune})
		default:
			text.WriteByte(c)
		}
	}
	flush()
	return p
}

// within is the pattern with anything before it, after it or both.
func (p pattern) within(before, after bool) pattern {
	free := token{kind: anyText}
	if before && (len(p) == 0 || p[0] != free) {
		p = append(pattern{free}, p...)
	}
	if after && p[len(p)-1] != free {
		p = append(slices.Clip(p), free)
	}
	return p
}

// plain is the text of a pattern without wildcards.
func (p pattern) plain() (text string, ok bool) {
	switch {
	case len(p) == 0:
		return "", true
	case len(p) == 1 && p[0].kind == literal:
		return p[0].text, true
	}
	return "", false
}

// windash lets each dash or slash that begins a word be any of the dashes that Windows commands
// take, as the modifier asks.
func (p pattern) windash() pattern {
	var all pattern
	for _, t := range p {
		if t.kind != literal {
			all = append(all, t)
			continue
		}
		from, before := 0, ' '
		for i, r := range t.text {
			size := utf8.RuneLen(r)
			next, _ := utf8.DecodeRuneInString(t.text[i+size:])
			if strings.ContainsRune(dashes, r) && !wordRune(before) && wordRune(next) {
				if i > from {
					all = append(all, token{text: t.text[from:i]})
				}
				all = append(all, token{kind: anyDash})
				from = i + size
			}
			before = r
		}
		if from < len(t.text) {
			all = append(all, token{text: t.text[from:]})
		}
	}
	return all
}

// dashes are a hyphen, a slash, an en dash, an em dash and a horizontal bar.
const dashes = "-/\u2013\u2014\u2015"

func wordRune(r rune) bool {
	return r == '_' || r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// regex is the pattern as a regular expression, flags aside.
func (p pattern) regex(before, after string) string {
	var b strings.Builder
	if len(p) > 0 && p[0].kind == anyText {
		p = p[1:]
	} else {
		b.WriteString(before)
	}
	open := len(p) > 0 && p[len(p)-1].kind == anyText
	if open {
		p = p[:len(p)-1]
	}
	for _, t := range p {
		switch t.kind {
		case literal:
			b.WriteString(regexp.QuoteMeta(t.text))
		case anyText:
			b.WriteString(".*")
		case anyRune:
			b.WriteByte('.')
		case anyDash:
			b.WriteString("[" + regexp.QuoteMeta(dashes) + "]")
		}
	}
	if !open {
		b.WriteString(after)
	}
	return b.String()
}

// has reports whether a token of a kind is among the pattern's.
func (p pattern) has(kind tokenKind) bool {
	return slices.ContainsFunc(p, func(t token) bool { return t.kind == kind })
}

// otherCase reports whether letters beyond ASCII have another case, so that folding ASCII alone
// would not do.
func otherCase(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf && unicode.SimpleFold(r) != r })
}

// encode applies the modifiers that encode a value, in their order. There is more than one text
// where the place within a base64 text decides.
func encode(value pattern, encodings []string) ([]string, error) {
	text, ok := value.plain()
	if !ok {
		return nil, errors.New("wildcards and windash cannot be encoded")
	}
	data := [][]byte{[]byte(text)}
	for i, encoding := range encodings {
		last := i == len(encodings)-1
		switch encoding {
		case "wide", "utf16le", "utf16be", "utf16":
			data[0] = utf16Bytes(string(data[0]), encoding)
		case "base64":
			data[0] = []byte(base64.StdEncoding.EncodeToString(data[0]))
		case "base64offset":
			if data = base64Offsets(data[0]); len(data) < 3 {
				return nil, fmt.Errorf("%q is too short for base64offset: at one of its three places nothing of it is sure", text)
			}
		}
		if !last && strings.HasPrefix(encoding, "base64") {
			return nil, fmt.Errorf("%s must be the last encoding", encoding)
		}
	}
	var texts []string
	for _, d := range data {
		if !utf8.Valid(d) {
			return nil, errors.New("what it encodes to is no text: encode it as base64 too")
		}
		if len(d) > 0 {
			texts = append(texts, string(d))
		}
	}
	if len(texts) == 0 {
		return nil, errors.New("an empty text cannot be encoded")
	}
	return texts, nil
}

// utf16Bytes is a text in UTF-16: little endian but for utf16be, with a mark before it for utf16.
func utf16Bytes(text, encoding string) []byte {
	var data []byte
	if encoding == "utf16" {
		data = append(data, 0xff, 0xfe)
	}
	for _, unit := range utf16.Encode([]rune(text)) {
		if encoding == "utf16be" {
			data = append(data, byte(unit>>8), byte(unit&0xff))
		} else {
			data = append(data, byte(unit&0xff), byte(unit>>8))
		}
	}
	return data
}

// base64Offsets is what of a text's base64 form does not depend on what stands around it, for
// each of the three places where it can begin.
func base64Offsets(data []byte) [][]byte {
	var forms [][]byte
	for offset := range 3 {
		encoded := base64.StdEncoding.EncodeToString(append(make([]byte, offset), data...))
		from := []int{0, 2, 3}[offset]
		to := len(encoded) - []int{0, 3, 2}[(len(data)+offset)%3]
		if from < to {
			forms = append(forms, []byte(encoded[from:to]))
		}
	}
	return forms
}
