// Package match finds which of thousands of literals a text holds, in one pass, and says what a
// regular expression needs a text to hold. It knows texts, and nothing of rules or events.
//
// Texts are hostile: the time of a scan is linear in the text, whatever text and literals are.
package match

import "strings"

// Builder collects literals. The zero value is ready.
type Builder struct {
	ids      map[string]int
	literals []literal // by id
}

// literal is a text to be found, ASCII case folded, and its id.
type literal struct {
	text string
	id   int32
}

// Add returns a literal's id. Ids are dense, from 0, and literals that differ in ASCII case alone
// share one. The empty literal occurs in every text.
func (b *Builder) Add(text string) int {
	text = foldASCII(text)
	if id, known := b.ids[text]; known {
		return id
	}
	if b.ids == nil {
		b.ids = map[string]int{}
	}
	id := len(b.literals)
	b.ids[text] = id
	b.literals = append(b.literals, literal{text, int32(id)})
	return id
}

// Literals finds which of some literals occur in a text, ASCII case aside. It is immutable and
// safe for concurrent use.
//
// A filter finds them fast in usual texts. A text that makes it work too much goes to an automaton,
// which is slower and takes the same time for every text.
type Literals struct {
	n         int
	tiny      []literal // of one byte or none
	filter    *filter
	automaton *automaton
}

// Build returns what finds the literals added so far.
func (b *Builder) Build() *Literals {
	l := &Literals{n: len(b.literals), filter: newFilter(b.literals), automaton: newAutomaton(b.literals)}
	for _, one := range b.literals {
		if len(one.text) < 2 {
			l.tiny = append(l.tiny, one)
		}
	}
	return l
}

// Len is the number of literals, and the end of their ids.
func (l *Literals) Len() int { return l.n }

// What the filter may cost before the automaton takes over, in bytes and literals compared. Usual
// texts cost a tenth of a unit a byte, and texts made of literals two or three.
const (
	workAnyway  = 512
	workPerByte = 4
)

// Scan adds to the hits the id of every literal that occurs in the text, overlapping or not. The
// hits must have been reset for as many literals; what they hold of other texts stays.
func (l *Literals) Scan(text string, h *Hits) {
	before := len(h.ids)
	if l.filter.scan(text, workAnyway+workPerByte*len(text), h) < 0 {
		h.cut(before)
		l.automaton.scan(text, h)
	}
	for _, one := range l.tiny {
		if !h.Has(int(one.id)) && containsTiny(text, one.text) {
			h.add(one.id)
		}
	}
}

// containsTiny reports whether a folded literal of at most one byte occurs.
func containsTiny(text, literal string) bool {
	if literal == "" {
		return true
	}
	c := literal[0]
	return strings.IndexByte(text, c) >= 0 || 'a' <= c && c <= 'z' && strings.IndexByte(text, c-'a'+'A') >= 0
}
