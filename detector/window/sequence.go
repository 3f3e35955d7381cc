package window

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Bounds of a Sequence.
const (
	// MaxSteps is how many steps a plan has at most.
	MaxSteps = 32
	// maxHits bounds the events that one key keeps.
	maxHits = 64
)

// Plan is the form of a sequence.
type Plan struct {
	Steps    int     // 2 to MaxSteps
	Within   int64   // from the first step to the last
	Lateness int64   // how much later than those after it an event may arrive
	Gaps     []int64 // by step: the most since the step before; 0 is none
	// Since is by step the earliest step that its condition speaks of, itself where it speaks of
	// none. A step beyond the end speaks of none.
	Since []int
}

// gap is the most that may lie between a step and the one before it.
func (p *Plan) gap(n int) int64 {
	if n < len(p.Gaps) && p.Gaps[n] > 0 {
		return p.Gaps[n]
	}
	return p.Within
}

// since is the earliest step that the condition of a step speaks of.
func (p *Plan) since(n int) int {
	if n < len(p.Since) {
		return p.Since[n]
	}
	return n
}

// Sequence keeps the events of one key that may be steps of an ordered sequence, others in between
// or not.
type Sequence struct {
	hits   []hit // by time, and where that is equal by arrival
	newest uint64
}

// hit is an event that meets the own conditions of steps: bit n of met says step n. One that meets
// none is used up.
type hit struct {
	step Step
	met  uint32
}

func (h *hit) meets(n int) bool { return h.met>>n&1 == 1 }

// like reports whether a rule can tell two events apart by nothing but their time.
func (h *hit) like(other *hit) bool { return h.met == other.met && h.step.Like == other.step.Like }

// Result is what an event did to a sequence.
type Result struct {
	// Complete are the sequences that the event completes, all their steps; in each it is step Own.
	Complete [][]Step
	Own      int
	// Late says that the event is too old to be kept for others, and completes nothing.
	Late bool
	// Evicted counts the events forgotten for want of room.
	Evicted int
	// Cut says that the search was ended by its bounds: there may be a sequence that was not seen.
	Cut bool
}

// Offer shows the sequence an event that meets the own conditions of some steps, bit n of met
// saying step n; of an event that meets none nothing is kept. admits is asked of steps that speak
// of earlier ones whether the last event of a chain follows those before it, which are there from
// Plan.Since on.
//
// The steps of a sequence are in the order of time, whatever the order of arrival. The event is
// the last step that it can be; steps before it are the newest that fit, and steps after it, which
// are there already where it is late, the earliest. It completes one sequence for each first event
// that fits. Then these events are used up, and so are those before a first one that are like it.
func (s *Sequence) Offer(plan *Plan, met uint32, step Step, admits func(n int, chain []Step) bool) (r Result) {
	if met &= 1<<plan.Steps - 1; met == 0 {
		return r
	}
	s.newest = max(s.newest, rank(step.At))
	at := s.insert(hit{step, met})
	for n := plan.Steps - 1; n >= 0; n-- {
		if promising(s.hits, plan, at, n) {
			r = s.find(plan, at, admits)
			break
		}
	}
	r.Late = s.tidy(plan, at)
	r.Evicted = s.bound()
	return r
}

// find looks for what the event at a place completes.
func (s *Sequence) find(plan *Plan, at int, admits func(n int, chain []Step) bool) (r Result) {
	search := search{hits: s.hits, plan: plan, admits: admits}
	for n := plan.Steps - 1; n >= 0 && len(r.Complete) == 0; n-- {
		r.Own, r.Complete = n, search.all(at, n)
	}
	r.Cut = search.cut()
	return r
}

// insert puts an event behind those that are not newer, and returns its place.
func (s *Sequence) insert(h hit) int {
	at := len(s.hits)
	s.hits = append(s.hits, h)
	for ; at > 0 && s.hits[at-1].step.At > h.step.At; at-- {
		s.hits[at], s.hits[at-1] = s.hits[at-1], h
	}
	return at
}

// tidy forgets what is used up, what no event that is on time can need, and of events that are
// alike and have no other between them all but the first and the last. It reports whether the event
// at a place goes because it is too old.
func (s *Sequence) tidy(plan *Plan, at int) (late bool) {
	kept := 0
	first, begun := uint64(0), false // the newest event so far that meets the first step
	for i := range s.hits {
		h := &s.hits[i]
		if h.met == 0 {
			continue
		}
		age := s.newest - rank(h.step.At)
		onTime := age <= length(plan.Lateness)
		switch {
		case h.meets(0):
			onTime = onTime || age <= length(plan.Within)+length(plan.Lateness)
			if onTime {
				first, begun = rank(h.step.At), true
			}
		case h.met != 1<<(plan.Steps-1): // something can follow it
			onTime = onTime || begun && rank(h.step.At)-first <= length(plan.Within)
		}
		if !onTime {
			late = late || i == at
			continue
		}
		if kept >= 2 && s.hits[kept-1].like(h) && s.hits[kept-2].like(h) {
			kept--
		}
		if kept < i {
			s.hits[kept] = *h
		}
		kept++
	}
	if kept < len(s.hits) {
		clear(s.hits[kept:])
		s.hits = s.hits[:kept]
	}
	return late
}

// bound forgets events until the rest is within bounds: of the step that most memory is taken for
// the oldest, so that a flood of one step's events drives out its own.
func (s *Sequence) bound() (evicted int) {
	for size := s.Size(); len(s.hits) > maxHits || len(s.hits) > 1 && size > maxHeld; evicted++ {
		at := s.crowded()
		size -= s.hits[at].size()
		s.hits = slices.Delete(s.hits, at, at+1)
	}
	return evicted
}

// crowded is the place of the oldest event of those whose last step most memory is taken for.
func (s *Sequence) crowded() (at int) {
	var taken, oldest [MaxSteps]int
	most := 0
	for i := len(s.hits) - 1; i >= 0; i-- {
		n := bits.Len32(s.hits[i].met) - 1
		taken[n] += s.hits[i].size()
		oldest[n] = i
	}
	for n := range taken {
		if taken[n] > taken[most] {
			most = n
		}
	}
	return oldest[most]
}

// Begun reports whether an event is kept that meets the first step.
func (s *Sequence) Begun() bool {
	return slices.ContainsFunc(s.hits, func(h hit) bool { return h.meets(0) })
}

// Idle reports whether nothing is kept.
func (s *Sequence) Idle() bool { return len(s.hits) == 0 }

// Size implements Cell.
func (s *Sequence) Size() (n int) {
	for i := range s.hits {
		n += s.hits[i].size()
	}
	return n
}

// hitBytes is what a hit takes in memory beside its step.
const hitBytes = 8

func (h *hit) size() int { return hitBytes + h.step.size() }

// Append implements Cell.
func (s *Sequence) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, s.newest)
	dst = binary.AppendUvarint(dst, uint64(len(s.hits)))
	for i := range s.hits {
		h := &s.hits[i]
		dst = h.step.append(binary.AppendUvarint(dst, uint64(h.met)))
	}
	return dst
}

// Decode implements Cell.
func (s *Sequence) Decode(src []byte) ([]byte, error) {
	r := reader{rest: src}
	s.newest = r.word()
	for range r.count(maxHits, 1+leastStep) {
		met, step := r.uint(), r.step()
		switch n := len(s.hits); {
		case met == 0 || met>>MaxSteps != 0:
			r.fail(errBound)
		case rank(step.At) > s.newest || n > 0 && s.hits[n-1].step.At > step.At:
			r.fail(errOrder)
		}
		if r.err != nil {
			return nil, r.err
		}
		s.hits = append(s.hits, hit{step, uint32(met)})
	}
	return r.rest, r.err
}
