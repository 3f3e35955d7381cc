package rule

import (
	"math/bits"
	"slices"

	"github.com/mcpwatch/mcpwatch/detector/match"
)

// index picks the few conditions worth evaluating on an event. Each condition is filed under
// the rarest thing that it needs; when that is there, the rest of its needs are looked at, and
// only then its expression. It may only ever skip a condition that would be false.
type index struct {
	conditions []*condition

	// Each condition is in one of these.
	fields []fieldIndex
	texts  []textIndex
	rest   []int32 // what nothing in an event can file
}

// fieldIndex files conditions under the values of a short text field.
type fieldIndex struct {
	field int
	parts part
	by    map[string][]int32
}

// textIndex files conditions under the literals of a long text, found in one pass, and under
// runs of bytes.
type textIndex struct {
	field     int
	parts     part
	literals  *match.Literals
	byLiteral [][]int32 // by literal id: the conditions that it picks
	runs      []runIndex
}

type runIndex struct {
	run        match.Run
	conditions []int32
}

// condition is one expression of one rule that is true of single events.
type condition struct {
	program int // place in Set.Programs
	step    int
	is      expression
	need    need
	// literals[i] are the ids, in the index of need.texts[i]'s field, of its literals.
	literals [][]int
	// textAt[i] is the place in index.texts of need.texts[i]'s field.
	textAt []int
	reads  []int // the long fields that the expression reads
	last   bool  // it reads what judging itself writes, the event's marks
}

// scratch is what picking needs for one event; a View has one for each index.
type scratch struct {
	event, definition picker
}

// picker holds the picked conditions as bits, and the literals found in each text.
type picker struct {
	picked  []uint64
	hits    []match.Hits
	scanned []bool
}

func (p *picker) size(x *index) {
	p.picked = make([]uint64, (len(x.conditions)+63)/64)
	p.hits = make([]match.Hits, len(x.texts))
	p.scanned = make([]bool, len(x.texts))
}

// rarity ranks what a condition can be filed under, rarest first. Kinds and methods are shared
// by most events; a literal of some length by few, whatever the traffic.
const (
	rankLongLiteral = iota
	rankName
	rankShortLiteral
	rankServer
	rankRun
	rankOther
	rankNone

	// longLiteral is the length of a literal that is rare.
	longLiteral = 6
)

// newIndex files conditions. Their order stays.
func (s *schema) newIndex(conditions []*condition) *index {
	x := &index{conditions: conditions}
	builders := map[int]*match.Builder{}
	for _, c := range conditions {
		for _, t := range c.need.texts {
			at := x.text(s, t.field)
			b := builders[t.field]
			if b == nil {
				b = &match.Builder{}
				builders[t.field] = b
			}
			var ids []int
			for _, l := range t.literals {
				ids = append(ids, b.Add(l))
			}
			c.literals = append(c.literals, ids)
			c.textAt = append(c.textAt, at)
		}
	}
	for i := range x.texts {
		t := &x.texts[i]
		t.literals = builders[t.field].Build()
		t.byLiteral = make([][]int32, t.literals.Len())
	}
	for i, c := range conditions {
		x.file(s, int32(i), c)
	}
	return x
}

func (x *index) text(s *schema, field int) int {
	at := slices.IndexFunc(x.texts, func(t textIndex) bool { return t.field == field })
	if at < 0 {
		at = len(x.texts)
		x.texts = append(x.texts, textIndex{field: field, parts: s.fields[field].needs})
	}
	return at
}

// file puts a condition under the rarest thing it needs.
func (x *index) file(s *schema, id int32, c *condition) {
	best, put := rankNone, func() { x.rest = append(x.rest, id) }
	better := func(rank int, do func()) {
		if rank < best {
			best, put = rank, do
		}
	}
	for i, t := range c.need.texts {
		switch {
		case len(t.literals) > 0:
			shortest := len(slices.MinFunc(t.literals, func(a, b string) int { return len(a) - len(b) }))
			rank := rankShortLiteral
			if shortest >= longLiteral {
				rank = rankLongLiteral
			}
			better(rank, func() { x.texts[c.textAt[i]].fileLiterals(id, c.literals[i]) })
		case t.run.N > 0:
			better(rankRun, func() { x.texts[c.textAt[i]].fileRun(id, t.run) })
		}
	}
	for _, o := range c.need.oneOf {
		better(rankOf(s.fields[o.field].Name), func() { x.fileValues(s, id, o) })
	}
	put()
}

func rankOf(field string) int {
	switch field {
	case "call.tool", "resource.uri", "prompt.name", "definition.name":
		return rankName
	case "server.id", "server.name", "actor", "agent.id":
		return rankServer
	default:
		return rankOther
	}
}

func (t *textIndex) fileLiterals(id int32, literals []int) {
	for _, l := range literals {
		if n := len(t.byLiteral[l]); n == 0 || t.byLiteral[l][n-1] != id {
			t.byLiteral[l] = append(t.byLiteral[l], id)
		}
	}
}

func (t *textIndex) fileRun(id int32, run match.Run) {
	for i := range t.runs {
		if t.runs[i].run == run {
			t.runs[i].conditions = append(t.runs[i].conditions, id)
			return
		}
	}
	t.runs = append(t.runs, runIndex{run, []int32{id}})
}

func (x *index) fileValues(s *schema, id int32, o oneOf) {
	at := slices.IndexFunc(x.fields, func(f fieldIndex) bool { return f.field == o.field })
	if at < 0 {
		at = len(x.fields)
		x.fields = append(x.fields, fieldIndex{o.field, s.fields[o.field].needs, map[string][]int32{}})
	}
	for _, value := range o.values {
		x.fields[at].by[value] = append(x.fields[at].by[value], id)
	}
}

// pick leaves in the picker the conditions that the shown event may meet, as bits.
func (x *index) pick(v *View, p *picker) {
	clear(p.picked)
	clear(p.scanned)
	for _, id := range x.rest {
		p.picked[id>>6] |= 1 << (id & 63)
	}
	for i := range x.fields {
		f := &x.fields[i]
		if f.parts&^v.has != 0 {
			continue
		}
		for _, id := range f.by[v.textOf(f.field)] {
			p.picked[id>>6] |= 1 << (id & 63)
		}
	}
	for i := range x.texts {
		t := &x.texts[i]
		if t.parts&^v.has != 0 {
			continue
		}
		text := v.textOf(t.field)
		h := &p.hits[i]
		h.Reset(t.literals.Len())
		t.literals.Scan(text, h)
		p.scanned[i] = true
		for _, l := range h.IDs() {
			for _, id := range t.byLiteral[l] {
				p.picked[id>>6] |= 1 << (id & 63)
			}
		}
		for r := range t.runs {
			if t.runs[r].run.In(text) {
				for _, id := range t.runs[r].conditions {
					p.picked[id>>6] |= 1 << (id & 63)
				}
			}
		}
	}
}

// admits looks at the rest of what a picked condition needs.
func (c *condition) admits(v *View, p *picker) bool {
	if c.need.parts&^v.has != 0 {
		return false
	}
	for i := range c.need.oneOf {
		if !c.need.oneOf[i].holds(v) {
			return false
		}
	}
	for _, n := range c.need.numbers {
		f := &v.schema.fields[n.field]
		if f.needs&^v.has != 0 || !n.holds(f.number(v)) {
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

// linearSearch is how many values are compared one by one.
const linearSearch = 8

func (o *oneOf) holds(v *View) bool {
	if v.schema.fields[o.field].needs&^v.has != 0 {
		return false
	}
	text := v.textOf(o.field)
	if len(o.values) <= linearSearch {
		return slices.Contains(o.values, text)
	}
	_, found := slices.BinarySearch(o.values, text)
	return found
}

// holds looks at one of the texts that a condition needs.
func (c *condition) holds(i int, v *View, p *picker) bool {
	at := c.textAt[i]
	if !p.scanned[at] {
		return false // the event does not have the text
	}
	t := &c.need.texts[i]
	if len(t.literals) > 0 && !slices.ContainsFunc(c.literals[i], p.hits[at].Has) {
		return false
	}
	return t.run.N == 0 || t.run.In(v.textOf(t.field))
}

// each calls do for the picked conditions, in their order.
func (p *picker) each(do func(id int)) {
	for w, word := range p.picked {
		for ; word != 0; word &= word - 1 {
			do(w<<6 + bits.TrailingZeros64(word))
		}
	}
}
