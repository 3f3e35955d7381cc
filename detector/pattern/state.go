package pattern

import (
	"encoding/binary"
	"math"
	"regexp/syntax"
	"slices"
)

// maxHeld is how much a cache holds, in bytes and about: then it is made anew.
const maxHeld = 1 << 20

// What a state holds, in bytes: itself, an edge, a place.
const (
	stateBytes = 160
	edgeBytes  = 8
	pcBytes    = 8
)

// kind is what assertions ask of a character.
type kind byte

const (
	other kind = iota
	word
	newline
	edgeOfText // there is none: the text begins or ends
)

func kindOf(r rune) kind {
	switch {
	case r == '\n':
		return newline
	case syntax.IsWordChar(r):
		return word
	default:
		return other
	}
}

// between is what holds of the place between two characters.
func between(before, after kind) syntax.EmptyOp {
	holds := syntax.EmptyNoWordBoundary
	if (before == word) != (after == word) {
		holds = syntax.EmptyWordBoundary
	}
	switch before {
	case edgeOfText:
		holds |= syntax.EmptyBeginText | syntax.EmptyBeginLine
	case newline:
		holds |= syntax.EmptyBeginLine
	case other, word:
	}
	switch after {
	case edgeOfText:
		holds |= syntax.EmptyEndText | syntax.EmptyEndLine
	case newline:
		holds |= syntax.EmptyEndLine
	case other, word:
	}
	return holds
}

// edge is what a character leads to: a state, by where its edges are.
type edge struct {
	to   int32
	note int32 // one of these; above, in cache.entries, the gaps that are entered before the character
}

const (
	unknown int32 = iota - 3 // the edge is not yet made
	matched                  // the pattern matches
	idle                     // no match has begun, and each begins with a literal
	plain
)

// stepWork is what making an edge costs beside the places of the program that are looked at, in those.
const stepWork = 10

// state is a set of places in the program after the same beginning of a text.
type state struct {
	before kind     // the last character
	pcs    []uint32 // sorted; where a match begins is always among them and not said
	live   []int32  // the gaps that the text is in
	ends   []int32  // by gap: the state without it, or 0
}

// cache is the part of the deterministic automaton that texts have asked for.
type cache struct {
	*Pattern
	edges   []edge // by state and class, with one class more for the end of the text
	width   int
	blank   []edge // a state's, none of them made
	states  []state
	held    int
	work    int // how many places of the program were looked at to make what is there and what was before
	known   map[string]int32
	entries [][]int32

	begun []int // by gap: the count of characters before it was entered last

	closed, next set
	entered      []int32
	key          []byte
}

func newCache(p *Pattern) *cache {
	c := &cache{
		Pattern: p, width: len(p.classes.kinds) + 1, begun: make([]int, len(p.gaps)),
		closed: newSet(len(p.insts)), next: newSet(len(p.insts)),
	}
	c.blank = slices.Repeat([]edge{{note: unknown}}, c.width)
	c.reset()
	return c
}

func (c *cache) reset() {
	c.known = map[string]int32{}
	c.states = make([]state, 1) // there is no state 0
	c.edges = slices.Clone(c.blank)
	c.entries = make([][]int32, 1)
	c.held = 0
}

// intern is where the edges of a state are.
func (c *cache) intern(before kind, pcs []uint32) int32 {
	before = c.seen(before)
	slices.Sort(pcs)
	c.key = append(c.key[:0], byte(before))
	for _, pc := range pcs {
		c.key = binary.LittleEndian.AppendUint32(c.key, pc)
	}
	if at, is := c.known[string(c.key)]; is {
		return at
	}
	s := state{before: before, pcs: slices.Clone(pcs)}
	for _, pc := range pcs {
		if g := c.gapAt[pc]; g != noGap && c.gaps[g].loop == pc {
			s.live = append(s.live, g)
		}
	}
	at := int32(len(c.edges))
	c.known[string(c.key)] = at
	c.states = append(c.states, s)
	c.edges = append(c.edges, c.blank...)
	c.held += stateBytes + edgeBytes*c.width + pcBytes*len(pcs)
	return at
}

// state is the one whose edges are there.
func (c *cache) state(at int32) *state { return &c.states[int(at)/c.width] }

// seen is what the pattern's assertions tell of a character before them.
func (p *Pattern) seen(before kind) kind {
	const words, lines = syntax.EmptyWordBoundary | syntax.EmptyNoWordBoundary, syntax.EmptyBeginLine
	switch {
	case before == word && p.looks&words == 0, before == newline && p.looks&lines == 0,
		before == edgeOfText && p.looks&(lines|syntax.EmptyBeginText) == 0:
		return other
	}
	return before
}

// step makes the edge of a state for a class, or for the end of the text: what the matches that have begun come
// to, and what the one does that begins here, which is the same from every state.
func (c *cache) step(from int32, class int) edge {
	before, pcs := c.state(from).before, c.state(from).pcs
	var begin edge
	if len(pcs) == 0 {
		pcs = []uint32{c.start}
	} else {
		base := c.intern(before, nil)
		if begin = c.edges[int(base)+class]; begin.note == unknown {
			begin = c.step(base, class)
			c.edges[int(base)+class] = begin
		}
		if begin.note == matched {
			return begin
		}
	}
	after := edgeOfText
	if class < len(c.classes.kinds) {
		after = c.classes.kinds[class]
	}
	if c.close(pcs, between(before, after)) {
		return edge{note: matched}
	}
	c.next.clear()
	var enters []int32
	for _, pc := range c.closed.list {
		if takes := c.takes[pc]; class >= len(takes) || !takes[class] {
			continue
		}
		to := c.insts[pc].Out
		c.next.add(to)
		if g := c.gapAt[to]; g != noGap && c.gaps[g].loop == to && slices.Contains(c.entered, g) {
			enters = append(enters, g)
		}
	}
	if begin.to != 0 {
		for _, pc := range c.state(begin.to).pcs {
			c.next.add(pc)
		}
	}
	if begin.note > plain {
		enters = append(enters, c.entries[begin.note]...)
	}
	c.work += len(c.closed.list) + len(c.next.list) + stepWork
	e := edge{to: c.intern(after, c.next.list)}
	// Who came first counts in a run.
	enters = slices.DeleteFunc(enters, func(g int32) bool { return c.gaps[g].run && slices.Contains(pcs, c.gaps[g].loop) })
	switch {
	case len(enters) > 0:
		slices.Sort(enters)
		e.note = c.entry(slices.Compact(enters))
	case len(c.next.list) == 0 && c.prefix != "":
		e.note = idle
	}
	return e
}

func (c *cache) entry(gaps []int32) int32 {
	for i, known := range c.entries {
		if slices.Equal(known, gaps) {
			return int32(i)
		}
	}
	c.entries = append(c.entries, gaps)
	return int32(len(c.entries) - 1)
}

// close follows what consumes nothing, and reports whether it comes to a match. The gaps entered on the way
// are in entered.
func (c *cache) close(from []uint32, holds syntax.EmptyOp) bool {
	c.closed.clear()
	c.entered = c.entered[:0]
	for _, pc := range from {
		c.closed.add(pc)
	}
	for i := 0; i < len(c.closed.list); i++ {
		pc := c.closed.list[i]
		switch inst := &c.insts[pc]; inst.Op {
		case syntax.InstMatch:
			return true
		case syntax.InstAlt, syntax.InstAltMatch:
			if g := c.gapAt[pc]; g != noGap && c.gaps[g].run {
				c.closed.add(c.gaps[g].body)
				continue
			}
			c.closed.add(inst.Out)
			c.closed.add(inst.Arg)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(inst.Arg)&^holds == 0 {
				c.closed.add(inst.Out)
			}
		case syntax.InstCapture:
			if g := c.gapAt[pc]; g != noGap {
				c.entered = append(c.entered, g)
			}
			c.closed.add(inst.Out)
		case syntax.InstNop:
			c.closed.add(inst.Out)
		case syntax.InstFail, syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		}
	}
	return false
}

// end is the state in which a gap can be left and not be gone on with; a run goes on as X*.
func (c *cache) end(from, g int32) int32 {
	if to := c.state(from).ends; to != nil && to[g] != 0 {
		return to[g]
	}
	c.next.clear()
	for _, pc := range c.state(from).pcs {
		if pc == c.gaps[g].loop {
			pc = c.gaps[g].exit
		}
		c.next.add(pc)
	}
	to := c.intern(c.state(from).before, c.next.list)
	s := c.state(from)
	if s.ends == nil {
		s.ends = make([]int32, len(c.gaps))
	}
	s.ends[g] = to
	return to
}

// never is later than any character.
const never = math.MaxInt

// set is a set of places in a program, in the order in which they came.
type set struct {
	list []uint32
	at   []uint32
}

func newSet(n int) set { return set{list: make([]uint32, 0, n), at: make([]uint32, n)} }

func (s *set) clear() { s.list = s.list[:0] }

func (s *set) add(pc uint32) {
	if at := s.at[pc]; int(at) < len(s.list) && s.list[at] == pc {
		return
	}
	s.at[pc] = uint32(len(s.list))
	s.list = append(s.list, pc)
}
