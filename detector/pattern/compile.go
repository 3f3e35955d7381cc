// Package pattern matches regular expressions in one pass over a text, counted repeats included.
//
// A gap, as in A[^.]{0,80}B, would be a state for each set of places that a text can be in at once, 2⁸⁰ of them.
// Here it is one state and a counter: of several ways that are in the gap, the one that entered it last can go
// on wherever the others can, so when that was is all there is to know. Of a run, as [a-z]{80,}, it is the one
// that entered it first. What is left is small, and is made deterministic as texts ask for it (Thompson 1968;
// counters as in Turoňová et al., "Regex Matching with Counting-Set Automata", 2020).
package pattern

import (
	"fmt"
	"math"
	"regexp/syntax"
	"slices"
	"sync"
	"unicode"
)

// leastCounted is how many repeats are counted: fewer are copied.
const leastCounted = 4

// Pattern is a compiled regular expression of Go's syntax. It is safe for use by several at once.
type Pattern struct {
	insts   []syntax.Inst
	takes   [][]bool // by instruction, where it consumes a character: whether one of a class
	start   uint32
	prefix  string // what each match begins with
	gaps    []gap
	gapAt   []int32 // by instruction: the gap that it is the entry or the loop of, else noGap
	classes classes
	looks   syntax.EmptyOp // what the pattern asks of the characters beside a place
	words   []string       // literals of the pattern
	caches  sync.Pool      // *cache
}

// gap is a counted repeat X{0,limit}: entry → loop → X → loop, or loop → exit. Of a run, X{limit,}, the exit is
// closed until it has been repeated as often, and leads to X*.
type gap struct {
	loop, body, exit uint32
	limit            int
	run              bool
}

// noGap is no gap.
const noGap = -1

// Compile compiles a pattern.
func Compile(text string) (*Pattern, error) {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("parsing the pattern: %w", err)
	}
	var counted []*syntax.Regexp
	program, err := syntax.Compile(mark(tree, &counted).Simplify())
	if err != nil {
		return nil, fmt.Errorf("compiling the pattern: %w", err)
	}
	p := &Pattern{insts: program.Inst, start: uint32(program.Start), gapAt: slices.Repeat([]int32{noGap}, len(program.Inst)), words: wordsOf(tree)}
	p.prefix, _ = program.Prefix()
	for pc, inst := range program.Inst {
		switch {
		case inst.Op == syntax.InstEmptyWidth:
			p.looks |= syntax.EmptyOp(inst.Arg)
		case inst.Op == syntax.InstCapture && inst.Arg%2 == 0:
			loop := program.Inst[inst.Out]
			g := gap{loop: inst.Out, body: loop.Out, exit: loop.Arg}
			if program.Inst[g.exit].Op != syntax.InstCapture { // it is not greedy
				g.body, g.exit = g.exit, g.body
			}
			switch of := counted[inst.Arg/2]; {
			case of.Max < 0:
				g.limit, g.run = of.Min, true
			default:
				g.limit = of.Max - of.Min
			}
			p.gapAt[pc] = int32(len(p.gaps))
			p.gapAt[inst.Out] = p.gapAt[pc]
			p.gaps = append(p.gaps, g)
		}
	}
	p.classes, p.takes = classesOf(program.Inst)
	p.caches.New = func() any { return newCache(p) }
	return p, nil
}

// mark makes each counted repeat of a tree a captured X*, by its place in counted: what compiles it keeps the
// two ends of a capture. Other captures go.
func mark(re *syntax.Regexp, counted *[]*syntax.Regexp) *syntax.Regexp {
	if re.Op == syntax.OpCapture {
		return mark(re.Sub[0], counted)
	}
	marked := *re
	marked.Sub = make([]*syntax.Regexp, len(re.Sub))
	for i, sub := range re.Sub {
		marked.Sub[i] = mark(sub, counted)
	}
	if !counts(re) {
		return &marked
	}
	star := &syntax.Regexp{Op: syntax.OpStar, Sub: marked.Sub}
	count := &syntax.Regexp{Op: syntax.OpCapture, Sub: []*syntax.Regexp{star}, Cap: len(*counted)}
	*counted = append(*counted, re)
	switch {
	case re.Max < 0:
		return &syntax.Regexp{Op: syntax.OpConcat, Sub: []*syntax.Regexp{count, star}}
	case re.Min == 0:
		return count
	default:
		least := &syntax.Regexp{Op: syntax.OpRepeat, Min: re.Min, Max: re.Min, Sub: marked.Sub}
		return &syntax.Regexp{Op: syntax.OpConcat, Sub: []*syntax.Regexp{least, count}}
	}
}

// counts reports whether an expression is a repeat of one class or character that is counted and not copied:
// [a-z]{4,} is, and of [a-z]{3,80} what is above the 3.
func counts(re *syntax.Regexp) bool {
	if re.Op != syntax.OpRepeat || re.Max >= 0 && re.Max-re.Min < leastCounted || re.Max < 0 && re.Min < leastCounted {
		return false
	}
	of := re.Sub[0]
	for of.Op == syntax.OpCapture {
		of = of.Sub[0]
	}
	switch of.Op {
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	case syntax.OpLiteral:
		return len(of.Rune) == 1
	default:
		return false
	}
}

// longer says that a byte is part of a longer character.
const longer = math.MaxUint16

// classes are sets of characters that a pattern does not tell apart.
type classes struct {
	byte  [256]uint16 // the class of an ASCII character, else longer
	from  []rune      // the first character of each range, ascending
	class []uint16    // of each range
	kinds []kind      // of each class
}

// classesOf are the classes of a program, and by instruction which of them it takes.
func classesOf(insts []syntax.Inst) (c classes, takes [][]bool) {
	var sets []syntax.Inst // one of those that take the same
	known := map[string]int{}
	setOf := make([]int, len(insts))
	for pc, inst := range insts {
		if !consumes(inst) {
			setOf[pc] = -1
			continue
		}
		key := fmt.Sprint(inst.Op, inst.Arg, inst.Rune)
		set, is := known[key]
		if !is {
			set = len(sets)
			known[key], sets = set, append(sets, inst)
		}
		setOf[pc] = set
	}
	c.from = cutsOf(sets)
	bySet := make([][]bool, len(sets))
	classOf := map[string]uint16{}
	for _, r := range c.from {
		key := []byte{byte(kindOf(r))}
		for i := range sets {
			key = append(key, '0')
			if sets[i].MatchRune(r) {
				key[i+1] = '1'
			}
		}
		class, is := classOf[string(key)]
		if !is {
			class = uint16(len(classOf))
			classOf[string(key)] = class
			c.kinds = append(c.kinds, kindOf(r))
			for i := range sets {
				bySet[i] = append(bySet[i], key[i+1] == '1')
			}
		}
		c.class = append(c.class, class)
	}
	for b := range c.byte {
		if c.byte[b] = longer; b <= unicode.MaxASCII {
			c.byte[b] = c.of(rune(b))
		}
	}
	takes = make([][]bool, len(insts))
	for pc, set := range setOf {
		if set >= 0 {
			takes[pc] = bySet[set]
		}
	}
	return c, takes
}

// cutsOf are the characters with which something else may begin, ascending.
func cutsOf(sets []syntax.Inst) []rune {
	cuts := []rune{0, '\n', '\n' + 1, '0', '9' + 1, 'A', 'Z' + 1, '_', '_' + 1, 'a', 'z' + 1}
	for _, inst := range sets {
		if len(inst.Rune) == 1 {
			r := inst.Rune[0]
			cuts = append(cuts, r, r+1)
			for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
				cuts = append(cuts, other, other+1)
			}
			continue
		}
		for i, r := range inst.Rune {
			cuts = append(cuts, r+rune(i%2)) // ranges: first, last, first, last
		}
	}
	slices.Sort(cuts)
	return slices.Compact(cuts)
}

// of is the class of a character.
func (c *classes) of(r rune) uint16 {
	at, is := slices.BinarySearch(c.from, r)
	if !is {
		at--
	}
	return c.class[at]
}

func consumes(inst syntax.Inst) bool {
	switch inst.Op {
	case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		return true
	default:
		return false
	}
}
