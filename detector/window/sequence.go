package window

import (
	"encoding/binary"
	"slices"
)

// Bounds of a Sequence.
const (
	// MaxSteps is how many steps a plan has at most.
	MaxSteps = 32
	// maxPartials bounds the sequences under way of one key.
	maxPartials = 16
)

// Plan is the form of a sequence.
type Plan struct {
	Steps  int     // 2 to MaxSteps
	Within int64   // from the first step to the last
	Gaps   []int64 // by step: the most since the step before; 0 is none
}

// inGap reports whether an event of a time may be the next step after earlier ones.
func (p Plan) inGap(at int64, earlier []Step) bool {
	n := len(earlier)
	return n >= len(p.Gaps) || p.Gaps[n] <= 0 || !passed(earlier[n-1].At, at, p.Gaps[n])
}

// Sequence is an ordered sequence of events under way, others in between or not.
type Sequence struct {
	partials [][]Step // by arrival
	newest   uint64   // rank
}

// Result is what an event did to a sequence.
type Result struct {
	// Complete are the sequences that the event completes, all their steps.
	Complete [][]Step
	// Late counts the steps that the event would have been were it not too old, Evicted the
	// beginnings forgotten for want of room.
	Late, Evicted int
}

// Offer shows the sequence an event that meets the own conditions of some steps, bit n of met
// saying step n. admits is asked whether it follows the earlier steps of a sequence under way,
// none where it would begin one, and may not change them.
//
// An event goes on with every sequence under way that waits for it, as one step of each, and
// begins another where it meets the first step. It follows a step only if it is not older than
// it. A beginning like one that waits for the second step takes its place: the newest has the
// longest time left.
func (s *Sequence) Offer(plan Plan, met uint32, step Step, admits func(n int, earlier []Step) bool) (r Result) {
	s.newest = max(s.newest, rank(step.At))
	s.partials = slices.DeleteFunc(s.partials, func(p []Step) bool { return s.over(p[0].At, plan) })
	for i, p := range s.partials {
		n := len(p)
		switch {
		case met>>n&1 == 0:
		case step.At < p[n-1].At:
			r.Late++
		case plan.inGap(step.At, p) && admits(n, p):
			s.partials[i] = append(p, step)
		}
	}
	s.partials = slices.DeleteFunc(s.partials, func(p []Step) bool {
		if len(p) < plan.Steps {
			return false
		}
		r.Complete = append(r.Complete, p)
		return true
	})
	switch {
	case met&1 == 0:
	case s.over(step.At, plan):
		r.Late++
	case admits(0, nil):
		s.begin(step)
	}
	for len(s.partials) > maxPartials || len(s.partials) > 1 && s.Size() > maxHeld {
		s.partials = slices.Delete(s.partials, 0, 1)
		r.Evicted++
	}
	return r
}

// over reports whether what begins at a time has none left.
func (s *Sequence) over(begin int64, plan Plan) bool {
	return s.newest-rank(begin) > length(plan.Within)
}

func (s *Sequence) begin(step Step) {
	like := slices.IndexFunc(s.partials, func(p []Step) bool { return len(p) == 1 && p[0].Like == step.Like })
	switch {
	case like < 0:
		s.partials = append(s.partials, []Step{step})
	case step.At >= s.partials[like][0].At:
		s.partials[like][0] = step
	}
}

// Idle reports whether nothing is under way.
func (s *Sequence) Idle() bool { return len(s.partials) == 0 }

// partialBytes is what a sequence under way takes in memory beside its steps.
const partialBytes = 24

// Size implements Cell.
func (s *Sequence) Size() (n int) {
	for _, p := range s.partials {
		n += partialBytes
		for i := range p {
			n += p[i].size()
		}
	}
	return n
}

// Append implements Cell.
func (s *Sequence) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, s.newest)
	dst = binary.AppendUvarint(dst, uint64(len(s.partials)))
	for _, p := range s.partials {
		dst = binary.AppendUvarint(dst, uint64(len(p)))
		for i := range p {
			dst = p[i].append(dst)
		}
	}
	return dst
}

// Decode implements Cell.
func (s *Sequence) Decode(src []byte) ([]byte, error) {
	r := reader{rest: src}
	s.newest = r.word()
	for range r.count(maxPartials, 1+leastStep) {
		p := r.steps()
		if r.err != nil {
			return nil, r.err
		}
		if rank(p[len(p)-1].At) > s.newest {
			return nil, errOrder
		}
		s.partials = append(s.partials, p)
	}
	return r.rest, r.err
}

// steps reads the steps of a sequence under way: one at least, in the order of time.
func (r *reader) steps() []Step {
	n := r.count(MaxSteps-1, leastStep)
	if n == 0 {
		r.fail(errBound)
	}
	steps := make([]Step, n)
	for i := range steps {
		if steps[i] = r.step(); i > 0 && steps[i].At < steps[i-1].At {
			r.fail(errOrder)
		}
	}
	return steps
}
