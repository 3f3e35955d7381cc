package content

import (
	"fmt"
	"regexp/syntax"
	"slices"
)

// shape is a regular expression that one pass without going back can match, many times
// faster than a general one: characters and classes, repeated or not, of which none can
// take what the next one needs, \b, and one group at the most.
type shape struct {
	expression string
	pieces     []piece
	group      [2]int // the pieces that are the group; both 0 where there is none
}

// piece is as many bytes of a set as there are, or, where the set is nil, a \b.
type piece struct {
	set         *[256]bool
	least, most int
}

// maxRepeat is how often a piece without a bound repeats.
const maxRepeat = 512

// shapeOf reads an expression. It is for the tables of this package: it panics on what is
// no shape.
func shapeOf(expression string) shape {
	x := shape{expression: expression}
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		panic(fmt.Sprintf("shape %s: %v", expression, err))
	}
	x.add(parsed)
	return x
}

func (x *shape) add(e *syntax.Regexp) {
	switch e.Op {
	case syntax.OpConcat:
		for _, part := range e.Sub {
			x.add(part)
		}
	case syntax.OpCapture:
		begin := len(x.pieces)
		x.add(e.Sub[0])
		x.group = [2]int{begin, len(x.pieces)}
	case syntax.OpLiteral:
		for _, r := range e.Rune {
			x.pieces = append(x.pieces, piece{setOf(r, r), 1, 1})
		}
	case syntax.OpCharClass:
		x.pieces = append(x.pieces, piece{setOf(e.Rune...), 1, 1})
	case syntax.OpRepeat, syntax.OpQuest:
		begin := len(x.pieces)
		x.add(e.Sub[0])
		if len(x.pieces) != begin+1 || x.pieces[begin].most != 1 {
			panic(fmt.Sprintf("shape: %s repeats more than a class", e))
		}
		p := &x.pieces[begin]
		switch {
		case e.Op == syntax.OpQuest:
			p.least = 0
		case e.Max < 0:
			p.least, p.most = e.Min, maxRepeat
		default:
			p.least, p.most = e.Min, e.Max
		}
	case syntax.OpWordBoundary:
		x.pieces = append(x.pieces, piece{})
	default:
		panic(fmt.Sprintf("shape: %s is not of the small kind", e))
	}
}

// setOf has the bytes of ranges of characters, each a first and a last one. Bytes beyond
// ASCII are in it where all characters beyond are.
func setOf(ranges ...rune) *[256]bool {
	var set [256]bool
	for pair := range slices.Chunk(ranges, 2) {
		for r := pair[0]; r <= pair[1] && r < rune(len(set)); r++ {
			set[r] = true
		}
	}
	return &set
}

// shapeMatch is where a match and its group end; groupEnd is 0 where there is no group.
type shapeMatch struct{ end, group, groupEnd int }

// match matches what begins at offset i of s.
func (x *shape) match(s string, i int) (m shapeMatch, ok bool) {
	for k, p := range x.pieces {
		if k == x.group[0] {
			m.group = i
		}
		if p.set == nil {
			if !isBoundary(s, i) {
				return m, false
			}
			continue
		}
		end := i
		for limit := min(len(s), i+p.most); end < limit && p.set[s[end]]; {
			end++
		}
		if end-i < p.least {
			return m, false
		}
		i = end
		if k+1 == x.group[1] {
			m.groupEnd = i
		}
	}
	m.end = i
	return m, true
}

// matchBack matches what ends at offset i of s, and returns where it begins.
func (x *shape) matchBack(s string, i int) (begin int, ok bool) {
	for _, p := range slices.Backward(x.pieces) {
		if p.set == nil {
			if !isBoundary(s, i) {
				return i, false
			}
			continue
		}
		begin := i
		for limit := max(0, i-p.most); begin > limit && p.set[s[begin-1]]; {
			begin--
		}
		if i-begin < p.least {
			return i, false
		}
		i = begin
	}
	return i, true
}

// isBoundary is \b at offset i.
func isBoundary(s string, i int) bool {
	before := i > 0 && (isWord(s[i-1]) || s[i-1] == '_')
	after := i < len(s) && (isWord(s[i]) || s[i] == '_')
	return before != after
}
