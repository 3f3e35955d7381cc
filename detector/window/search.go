package window

import "slices"

// Bounds of one search, so that no flood of decoys makes an event cost more than them.
const (
	// maxAsked is how often conditions that speak of earlier steps are evaluated.
	maxAsked = 128
	// maxTried is how often an event is taken for a step.
	maxTried = 2048
)

// search looks for a chain of events: one for each step, in the order of the hits. It tries the
// events of a step one after the other, and asks about a condition as soon as all steps are chosen
// that it speaks of.
type search struct {
	hits   []hit
	plan   *Plan
	admits func(n int, chain []Step) bool

	places       [MaxSteps]uint8 // of the events chosen, by step
	chain        []Step          // those events, by step
	asked, tried int
}

// cut reports whether the search was ended by its bounds.
func (s *search) cut() bool { return s.asked > maxAsked || s.tried > maxTried }

// all finds the chains in which the event at a place is a step, one for each first event, and uses
// them up.
func (s *search) all(at, step int) (chains [][]Step) {
	var rest []uint8 // of the places that are used up, those that are no first event's
	for promising(s.hits, s.plan, at, step) {
		s.chain = make([]Step, s.plan.Steps)
		s.choose(step, at)
		if !s.before(step-1, step) {
			break
		}
		chains = append(chains, s.chain)
		rest = append(rest, s.places[1:s.plan.Steps]...)
		first := s.hits[s.places[0]]
		for i := range s.places[0] + 1 {
			if s.hits[i].like(&first) {
				s.hits[i].met = 0
			}
		}
	}
	for _, i := range rest {
		s.hits[i].met = 0
	}
	return chains
}

// promising reports whether there are events enough before and after one for it to be that step, a
// first and a last one among them. Most events end here.
func promising(hits []hit, plan *Plan, at, step int) bool {
	last := plan.Steps - 1
	if at < step || len(hits)-at <= last-step || !hits[at].meets(step) {
		return false
	}
	return (step == 0 || begins(hits, at, plan.Within)) && (step == last || ends(hits, at, plan.Within, last))
}

// begins reports whether there is a first event that the one at a place may follow.
func begins(hits []hit, at int, within int64) bool {
	for i := at - 1; i >= 0 && !passed(hits[i].step.At, hits[at].step.At, within); i-- {
		if hits[i].meets(0) {
			return true
		}
	}
	return false
}

// ends reports whether there is an event of the last step that may follow the one at a place.
func ends(hits []hit, at int, within int64, last int) bool {
	for i := at + 1; i < len(hits) && !passed(hits[at].step.At, hits[i].step.At, within); i++ {
		if hits[i].meets(last) {
			return true
		}
	}
	return false
}

// choose takes the event at a place for a step.
func (s *search) choose(n, at int) {
	s.tried++
	s.places[n], s.chain[n] = uint8(at), s.hits[at].step
}

// before chooses a step and those before it, where those from it to the last are chosen already.
func (s *search) before(n, last int) bool {
	if n < 0 {
		return s.after(last + 1)
	}
	for i := int(s.places[n+1]) - 1; i >= 0 && !s.cut(); i-- {
		h := &s.hits[i]
		if passed(h.step.At, s.chain[last].At, s.plan.Within) || passed(h.step.At, s.chain[n+1].At, s.plan.gap(n+1)) {
			return false
		}
		if !h.meets(n) {
			continue
		}
		if s.choose(n, i); s.admitted(n, last) && s.before(n-1, last) {
			return true
		}
	}
	return false
}

// admitted asks about the conditions that speak of a step and of none before it.
func (s *search) admitted(n, last int) bool {
	for m := n + 1; m <= last; m++ {
		if s.plan.since(m) == n && !s.ask(m) {
			return false
		}
	}
	return true
}

// after chooses a step and those behind it, where all before it are chosen already.
func (s *search) after(n int) bool {
	if n == s.plan.Steps {
		return true
	}
	for i := int(s.places[n-1]) + 1; i < len(s.hits) && !s.cut(); i++ {
		h := &s.hits[i]
		if passed(s.chain[0].At, h.step.At, s.plan.Within) || passed(s.chain[n-1].At, h.step.At, s.plan.gap(n)) {
			return false
		}
		if !h.meets(n) {
			continue
		}
		if s.choose(n, i); (s.plan.since(n) == n || s.ask(n)) && s.after(n+1) {
			return true
		}
	}
	return false
}

// ask reports whether the event chosen for a step follows those before it.
func (s *search) ask(n int) bool {
	s.asked++
	return !s.cut() && s.admits(n, s.chain[:n+1])
}

// UnderWay gives, for each event that begins a sequence, how far it has come: the events of its
// steps so far, the earliest that fit. Of first events that are alike and have no other between
// them it is the last. admits is as for Offer; nothing changes.
func (s *Sequence) UnderWay(plan *Plan, admits func(n int, chain []Step) bool) [][]Step {
	var all [][]Step
	for i := range s.hits {
		if !s.hits[i].meets(0) || i+1 < len(s.hits) && s.hits[i].like(&s.hits[i+1]) {
			continue
		}
		all = append(all, s.furthest(plan, i, admits))
	}
	return all
}

// furthest is the longest chain that begins at a place.
func (s *Sequence) furthest(plan *Plan, at int, admits func(n int, chain []Step) bool) []Step {
	longest := []Step{s.hits[at].step}
	for steps := 2; steps < plan.Steps && len(longest) == steps-1; steps++ {
		short := *plan
		short.Steps = steps
		search := search{hits: s.hits, plan: &short, admits: admits, chain: make([]Step, steps)}
		if search.choose(0, at); search.after(1) {
			longest = slices.Clip(search.chain)
		}
	}
	return longest
}
