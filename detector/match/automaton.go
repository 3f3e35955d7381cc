package match

import (
	"bytes"
	"cmp"
	"slices"
)

// automaton finds literals in time linear in the text, whatever the text and the literals:
// A. V. Aho and M. J. Corasick, "Efficient string matching", CACM 18(6), 1975. It costs
// several times what the filter costs on ordinary text, so it only takes over from it.
//
// States are numbered breadth first, so that the children of a state are neighbours:
// those of s are first[s] to first[s+1]-1, in the order of their labels. State 0 is the
// root. A state costs 17 bytes and there are at most as many as the literals have bytes.
type automaton struct {
	root  [256]int32 // the root's moves
	first []int32
	label []byte  // the byte that leads to the state
	fail  []int32 // the longest proper suffix that is a state too
	id    []int32 // the literal that ends here, or -1
	dict  []int32 // the next state by fail at which a literal ends, or 0
}

// newAutomaton builds the automaton of distinct literals.
func newAutomaton(literals []literal) *automaton {
	sorted := slices.SortedFunc(slices.Values(literals), func(a, b literal) int { return cmp.Compare(a.text, b.text) })
	sorted = slices.DeleteFunc(sorted, func(l literal) bool { return len(l.text) < 2 })
	a := &automaton{}
	// A state stands for the literals sorted[lo:hi], which share their first depth bytes.
	type span struct{ lo, hi, depth int }
	states := []span{{0, len(sorted), 0}}
	a.label, a.fail = append(a.label, 0), append(a.fail, 0)
	for s := 0; s < len(states); s++ {
		at, id := states[s], int32(-1)
		if at.lo < at.hi && len(sorted[at.lo].text) == at.depth {
			id = sorted[at.lo].id
			at.lo++
		}
		a.first, a.id, a.dict = append(a.first, int32(len(states))), append(a.id, id), append(a.dict, 0)
		for lo := at.lo; lo < at.hi; {
			c, hi := sorted[lo].text[at.depth], lo+1
			for hi < at.hi && sorted[hi].text[at.depth] == c {
				hi++
			}
			states = append(states, span{lo, hi, at.depth + 1})
			a.label, a.fail = append(a.label, c), append(a.fail, 0)
			lo = hi
		}
	}
	a.first = append(a.first, int32(len(states)))
	for s := a.first[0]; s < a.first[1]; s++ {
		a.root[a.label[s]] = s
	}
	a.link()
	return a
}

// link sets fail and dict. A state's suffixes are shorter and so come before it.
func (a *automaton) link() {
	for s := range int32(len(a.id)) {
		for t := a.first[s]; t < a.first[s+1]; t++ {
			if s != 0 {
				a.fail[t] = a.next(a.fail[s], a.label[t])
			}
			f := a.fail[t]
			if a.id[f] >= 0 && f != 0 {
				a.dict[t] = f
			} else {
				a.dict[t] = a.dict[f]
			}
		}
	}
}

// next is the state after s and the folded byte c.
func (a *automaton) next(s int32, c byte) int32 {
	for s != 0 {
		lo, hi := a.first[s], a.first[s+1]
		if hi-lo > 8 {
			if i := bytes.IndexByte(a.label[lo:hi], c); i >= 0 {
				return lo + int32(i)
			}
			lo = hi
		}
		for ; lo < hi; lo++ {
			if a.label[lo] == c {
				return lo
			}
		}
		s = a.fail[s]
	}
	return a.root[c]
}

// scan adds what occurs in text. Whenever h holds a literal it must hold those within that
// literal too, as it does after any whole scan: so the walk along dict can end at the first
// that is known, and all walks together are no longer than the list of ids.
func (a *automaton) scan(text string, h *Hits) {
	s := int32(0)
	for i := range len(text) {
		s = a.next(s, fold[text[i]])
		t := s
		if a.id[t] < 0 {
			t = a.dict[t]
		}
		for t != 0 && !h.Has(int(a.id[t])) {
			h.add(a.id[t])
			t = a.dict[t]
		}
	}
}
