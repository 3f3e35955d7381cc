package rule

import (
	"math/bits"
	"slices"

	"github.com/mcpwatch/mcpwatch/detector/match"
)

// scratch is what picking needs for one event; a View has one for each index.
type scratch struct {
	event, alone, definition picker
}

// picker holds what an index finds in one event.
type picker struct {
	picked  []uint64     // the conditions picked, as bits
	values  []int32      // by place in index.fields: the id of the value, otherValue or unread
	hits    []match.Hits // by place in index.texts: the literals found
	scanned []bool       // whether the event has the text
	folded  []byte       // a value in lower case
}

const (
	unread     = -1 - iota // nobody asked yet
	otherValue             // a value that no condition asks for, or none
)

func (p *picker) size(x *index) {
	p.picked = make([]uint64, (len(x.conditions)+63)/64)
	p.values = make([]int32, len(x.fields))
	p.hits = make([]match.Hits, len(x.texts))
	p.scanned = make([]bool, len(x.texts))
}

func (p *picker) add(conditions []int32) {
	for _, id := range conditions {
		p.picked[id>>6] |= 1 << (id & 63)
	}
}

// each calls do for the conditions that the shown event may meet, in their order.
func (x *index) each(v *View, p *picker, do func(c *condition)) {
	if len(x.conditions) == 0 {
		return
	}
	x.pick(v, p)
	for w, word := range p.picked {
		for ; word != 0; word &= word - 1 {
			if c := x.conditions[w<<6+bits.TrailingZeros64(word)]; x.admits(c, v, p) {
				do(c)
			}
		}
	}
}

// pick leaves in the picker the conditions that have in the shown event what they are filed under.
func (x *index) pick(v *View, p *picker) {
	clear(p.picked)
	for i := range p.values {
		p.values[i] = unread
	}
	p.add(x.rest)
	for i := range x.fields {
		if f := &x.fields[i]; f.files {
			if id := x.value(i, v, p); id >= 0 {
				p.add(f.byValue[id])
			}
		}
	}
	for i := range x.texts {
		t := &x.texts[i]
		if p.scanned[i] = t.parts&^v.has == 0; p.scanned[i] {
			t.pick(v.textOf(t.field), p, &p.hits[i])
			if v.argumentsCut {
				p.add(t.members)
			}
		}
	}
}

func (t *textIndex) pick(text string, p *picker, h *match.Hits) {
	h.Reset(t.literals.Len())
	t.literals.Scan(text, h)
	for _, id := range h.IDs() {
		p.add(t.byLiteral[id])
	}
	for i := range t.runs {
		if r := &t.runs[i]; r.run.In(text) {
			p.add(r.conditions)
		}
	}
}

// value is the id of the value of a field of the index, looked up once an event.
func (x *index) value(at int, v *View, p *picker) int32 {
	if p.values[at] == unread {
		p.values[at] = x.fields[at].value(v, p)
	}
	return p.values[at]
}

func (f *fieldIndex) value(v *View, p *picker) int32 {
	if f.parts&^v.has != 0 {
		return otherValue
	}
	text := v.textOf(f.field)
	if len(text) > f.longest || text == "" && !v.schema.fields[f.field].empty {
		return otherValue
	}
	p.folded = append(p.folded[:0], text...)
	if f.folded {
		foldASCII(p.folded)
	}
	if id, known := f.ids[string(p.folded)]; known {
		return id
	}
	return otherValue
}

func foldASCII(text []byte) {
	for i, c := range text {
		if 'A' <= c && c <= 'Z' {
			text[i] = c + 'a' - 'A'
		}
	}
}

// admits looks at the rest of what a picked condition needs.
func (x *index) admits(c *condition, v *View, p *picker) bool {
	if c.need.parts&^v.has != 0 {
		return false
	}
	for i := range c.values {
		if n := &c.values[i]; !n.has(x.value(n.at, v, p)) {
			return false
		}
	}
	for _, n := range c.need.numbers {
		f := &v.schema.fields[n.field]
		if f.needs&^v.has != 0 {
			return false
		}
		if number, there := f.number(v); !there || !n.holds(number) {
			return false
		}
	}
	for i := range c.need.texts {
		if !c.holds(i, v, p) {
			return false
		}
	}
	return true
}

// linearSearch is how many ids are compared one by one.
const linearSearch = 16

func (n *valueNeed) has(id int32) bool {
	if len(n.ids) <= linearSearch {
		return slices.Contains(n.ids, id)
	}
	_, found := slices.BinarySearch(n.ids, id)
	return found
}

// holds looks at one of the texts that a condition needs.
func (c *condition) holds(i int, v *View, p *picker) bool {
	at := c.textAt[i]
	if !p.scanned[at] {
		return false // the event does not have the text
	}
	t := &c.need.texts[i]
	if t.member && v.argumentsCut {
		return true
	}
	if len(t.literals) > 0 && !anyOf(c.literals[i], &p.hits[at]) {
		return false
	}
	return t.run.N == 0 || t.run.In(v.textOf(t.field))
}

// anyOf reports whether one of some literals, sorted, was found. A list has many more than a text.
func anyOf(ids []int32, h *match.Hits) bool {
	if found := h.IDs(); len(found) < len(ids)/linearSearch {
		return slices.ContainsFunc(found, func(id int32) bool {
			_, is := slices.BinarySearch(ids, id)
			return is
		})
	}
	return slices.ContainsFunc(ids, func(id int32) bool { return h.Has(int(id)) })
}
