package rule

import (
	"slices"

	"github.com/google/cel-go/common/operators"

	"github.com/mcpwatch/mcpwatch/detector/match"
)

// need is what must hold of an event for an expression to be true of it. It may only ever rule
// out events for which the expression is not true. All of its parts must hold.
type need struct {
	parts   part
	oneOf   []oneOf
	texts   []textNeed
	numbers []comparison
	// whole says that the expression is true wherever all of it holds: there is nothing to evaluate.
	whole bool
}

// oneOf says that a short text field has one of some values, as it is or in lower case.
type oneOf struct {
	field  int
	folded bool
	values []string // sorted
}

// textNeed says that a long text holds one of some literals, ASCII case aside, or a run of bytes.
type textNeed struct {
	field int
	// member says that what is needed may lie in what is cut out of the text.
	member   bool
	literals []string // sorted; none: unknown
	run      match.Run
}

// comparison says how a number field compares with a constant.
type comparison struct {
	field    int
	operator string
	constant int64
}

func (c comparison) holds(n int64) bool {
	switch c.operator {
	case operators.Less:
		return n < c.constant
	case operators.LessEquals:
		return n <= c.constant
	case operators.Greater:
		return n > c.constant
	case operators.GreaterEquals:
		return n >= c.constant
	default:
		return n == c.constant
	}
}

// Bounds of what one condition puts into the index.
const (
	maxNeedValues   = 1024
	maxNeedLiterals = maxPhrases
)

func (n need) and(m need) need {
	n.parts |= m.parts
	n.oneOf = append(slices.Clip(n.oneOf), m.oneOf...)
	n.texts = append(slices.Clip(n.texts), m.texts...)
	n.numbers = append(slices.Clip(n.numbers), m.numbers...)
	n.whole = n.whole && m.whole
	return n
}

// or keeps what holds whichever side is true: of each field, the values and the literals of both.
func (n need) or(m need) need {
	common := need{parts: n.parts & m.parts}
	for _, a := range n.oneOf {
		for _, b := range m.oneOf {
			if a.field == b.field && len(a.values)+len(b.values) <= maxNeedValues {
				common.oneOf = append(common.oneOf, a.or(b))
				break
			}
		}
	}
	for _, a := range n.texts {
		for _, b := range m.texts {
			if a.field == b.field && len(a.literals) > 0 && len(b.literals) > 0 && len(a.literals)+len(b.literals) <= maxNeedLiterals {
				common.texts = append(common.texts, textNeed{field: a.field, member: a.member || b.member, literals: union(a.literals, b.literals)})
				break
			}
		}
	}
	common.whole = n.wholeOr(m, common)
	return common
}

// wholeOr reports whether what two whole needs have in common says when either holds: each is one choice
// of the same field, and the common one is a choice of both.
func (n need) wholeOr(m, common need) bool {
	return n.whole && m.whole && n.parts == m.parts && n.isChoice() && m.isChoice() && common.isChoice() &&
		!slices.ContainsFunc(slices.Concat(n.oneOf, m.oneOf), func(o oneOf) bool { return o.folded != common.oneOf[0].folded })
}

// isChoice reports whether the need is, parts aside, a list of values or of literals and nothing else.
func (n need) isChoice() bool { return len(n.oneOf)+len(n.texts) == 1 && len(n.numbers) == 0 }

// or says that the field has a value of either; of a value as it is, its lower case is known too.
func (o oneOf) or(other oneOf) oneOf {
	if o.folded != other.folded {
		o, other = o.fold(), other.fold()
	}
	o.values = union(o.values, other.values)
	return o
}

func (o oneOf) fold() oneOf {
	if !o.folded {
		o.folded, o.values = true, lowerAll(o.values)
	}
	return o
}

func union(a, b []string) []string {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}

// lowerAll folds ASCII letters, and no others, and sorts.
func lowerAll(texts []string) []string {
	folded := make([]string, len(texts))
	for i, text := range texts {
		b := []byte(text)
		foldASCII(b)
		folded[i] = string(b)
	}
	return union(folded, nil)
}
