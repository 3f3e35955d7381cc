package rule

import (
	"cmp"
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

// fieldIndex files conditions under the values of a short text field, as it is or in lower case. It
// has the values of all conditions, also of those that are filed elsewhere.
type fieldIndex struct {
	field   int
	folded  bool
	parts   part
	ids     map[string]int32 // of the values, from 0 on
	byValue [][]int32        // by value id: the conditions that it picks
	files   bool             // it picks conditions
	longest int              // bytes of the longest value
}

// textIndex files conditions under the literals of a long text, found in one pass, and under
// runs of bytes.
type textIndex struct {
	field     int
	parts     part
	literals  *match.Literals
	byLiteral [][]int32 // by literal id: the conditions that it picks
	runs      []runIndex
	members   []int32 // the conditions that it picks where the text is cut
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
	// values are need.oneOf in the index, names first: most events have another name.
	values []valueNeed
	// literals[i] are the ids, in the index of need.texts[i]'s field, of its literals, sorted.
	literals [][]int32
	// textAt[i] is the place in index.texts of need.texts[i]'s field.
	textAt    []int
	reads     []int // the long fields that the expression reads
	arguments bool  // it reads call.args
	finds     bool  // that it is met is a finding
	byText    bool  // it is filed under what a long text holds, so a text can call it up
	last      bool  // it reads what judging itself writes, the event's marks
}

// valueNeed says that the value of a field of the index is one of some, by id, sorted.
type valueNeed struct {
	at  int // place in index.fields
	ids []int32
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
			var ids []int32
			for _, l := range t.literals {
				ids = append(ids, int32(b.Add(l)))
			}
			slices.Sort(ids)
			c.literals = append(c.literals, ids)
			c.textAt = append(c.textAt, at)
		}
		x.addValues(s, c)
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
			better(rank, func() { x.texts[c.textAt[i]].fileLiterals(id, c.literals[i], t.member) })
		case t.run.N > 0:
			better(rankRun, func() { x.texts[c.textAt[i]].fileRun(id, t.run, t.member) })
		}
	}
	for _, n := range c.values {
		f := &x.fields[n.at]
		better(rankOf(s.fields[f.field].Name), func() { f.file(id, n.ids) })
	}
	c.byText = best == rankLongLiteral || best == rankShortLiteral || best == rankRun
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

func (t *textIndex) fileLiterals(id int32, literals []int32, member bool) {
	t.fileMember(id, member)
	for _, l := range literals {
		if n := len(t.byLiteral[l]); n == 0 || t.byLiteral[l][n-1] != id {
			t.byLiteral[l] = append(t.byLiteral[l], id)
		}
	}
}

func (t *textIndex) fileMember(id int32, member bool) {
	if member {
		t.members = append(t.members, id)
	}
}

func (t *textIndex) fileRun(id int32, run match.Run, member bool) {
	t.fileMember(id, member)
	for i := range t.runs {
		if t.runs[i].run == run {
			t.runs[i].conditions = append(t.runs[i].conditions, id)
			return
		}
	}
	t.runs = append(t.runs, runIndex{run, []int32{id}})
}

// addValues gives the values that a condition needs their ids.
func (x *index) addValues(s *schema, c *condition) {
	for _, o := range c.need.oneOf {
		at := slices.IndexFunc(x.fields, func(f fieldIndex) bool { return f.field == o.field && f.folded == o.folded })
		if at < 0 {
			at = len(x.fields)
			x.fields = append(x.fields, fieldIndex{field: o.field, folded: o.folded, parts: s.fields[o.field].needs, ids: map[string]int32{}})
		}
		c.values = append(c.values, valueNeed{at, x.fields[at].idsOf(o.values)})
	}
	slices.SortStableFunc(c.values, func(a, b valueNeed) int {
		return cmp.Compare(rankOf(s.fields[x.fields[a.at].field].Name), rankOf(s.fields[x.fields[b.at].field].Name))
	})
}

// idsOf are the ids of values, given to those that have none yet.
func (f *fieldIndex) idsOf(values []string) []int32 {
	ids := make([]int32, len(values))
	for i, value := range values {
		id, known := f.ids[value]
		if !known {
			id = int32(len(f.ids))
			f.ids[value] = id
			f.byValue = append(f.byValue, nil)
			f.longest = max(f.longest, len(value))
		}
		ids[i] = id
	}
	slices.Sort(ids)
	return ids
}

func (f *fieldIndex) file(condition int32, values []int32) {
	f.files = true
	for _, id := range values {
		f.byValue[id] = append(f.byValue[id], condition)
	}
}
