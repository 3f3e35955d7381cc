package event

import (
	"strings"
	"unicode"
)

// maxPrintable is how much of a hostile text an error or a log line repeats, in bytes.
const maxPrintable = 200

// Printable makes text of an event, all of which may be hostile, safe for a terminal, a
// log line or an answer: control, format and private characters become "?", and what is
// longer than 200 bytes is cut.
func Printable(s string) string {
	out := strings.Map(func(r rune) rune {
		if r == ' ' || unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
	if len(out) > maxPrintable {
		out = cut(out, maxPrintable) + "…"
	}
	return out
}
