package rule

import (
	"bytes"

	"github.com/mcpwatch/mcpwatch/event"
)

// maxName is the longest name of a member, in bytes as it is written, that is taken for a name: in a
// longer one a text can hide, which no text field shows outside of definitions.
const maxName = 64

// span is a part of a text, from a byte to before another.
type span struct{ begin, end int }

// shared is how many bytes two spans have in common.
func (s span) shared(with span) int {
	return max(0, min(s.end, with.end)-max(s.begin, with.begin))
}

// Uninspected is how many bytes of the shown event no text field shows.
func (v *View) Uninspected() int64 { return v.uninspected }

// countUninspected adds up, each byte once, what no text field shows of the event: of long texts the
// middle, unless it is in a definition, which is shown by itself, and long names of members.
func (v *View) countUninspected() int64 {
	names := v.message.Root.NamesOver(maxName)
	v.hidden = span{}
	if len(v.event.Message)+len(v.event.Raw) > maxHead+maxTail {
		v.text("event.text") // says what of it is hidden
	}
	if names == 0 && v.hidden == (span{}) && len(v.message.Result.Raw()) <= maxHead+maxTail {
		return 0
	}
	defined := map[event.Value]bool{}
	v.eachDefinition(func(_, _ string, d event.Value) { defined[d] = true })
	n := names
	for d := range defined {
		n -= d.NamesOver(maxName)
		if len(d.Raw()) > maxHead+maxTail {
			head, tail := middle(bytes.TrimSuffix(v.definitionTexts.scratch(d, true), []byte("\n")))
			n += tail - head
		}
	}
	return int64(n + v.hiddenBeside(defined))
}

// hiddenBeside is how much of what event.text leaves out is in none of some definitions.
func (v *View) hiddenBeside(defined map[event.Value]bool) int {
	n := v.hidden.end - v.hidden.begin
	if n == 0 || len(defined) == 0 {
		return n
	}
	at := len(v.texts.scratch(v.message.Params, false))
	pass := func(value event.Value) {
		end := at + len(v.texts.scratch(value, false))
		if defined[value] {
			n -= v.hidden.shared(span{at, end})
		}
		at = end
	}
	for _, member := range v.message.Result.Members() {
		if member.Kind() != event.Array {
			pass(member)
			continue
		}
		for item := range member.Items() {
			pass(item)
		}
	}
	return n
}

// scratch is the strings in a value, one a line, good until the next text.
func (t *textBuffer) scratch(value event.Value, names bool) []byte {
	begin := len(t.buffer)
	t.buffer = value.AppendStrings(t.buffer, names)
	t.longest = max(t.longest, len(t.buffer))
	text := t.buffer[begin:]
	t.buffer = t.buffer[:begin]
	return text
}
