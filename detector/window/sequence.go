package window

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Step is what a sequence or an absence keeps of one event.
type Step struct {
	At int64
	// Like is a digest of what was captured that tells one beginning from another.
	Like uint64
	// Captured is what the caller needs of the event later. Its size is the caller's to bound.
	Captured []byte
}

// Plan is the form of a sequence.
type Plan struct {
	Steps  int
	Within int64   // from the first step to the last
	Gaps   []int64 // by step: the most since the step before; 0 is none
}

// Sequence is an ordered sequence of events under way, others in between or not.
type Sequence struct {
	partials [][]Step
	newest   int64
}

// Result is what an event did to a sequence.
type Result struct {
	// Complete are the sequences that the event completes, all their steps.
	Complete [][]Step
	// Late counts the steps that the event would follow were it not older than they are, Evicted
	// the beginnings forgotten for want of room.
	Late, Evicted int
}

// maxPartials bounds the sequences under way of one key.
const maxPartials = 16

// Offer shows the sequence an event that meets the own conditions of some steps, bit n of met
// saying step n. admits is asked whether it follows the earlier steps of a sequence under way.
//
// An event goes on with every sequence under way that waits for it, as one step of each, and
// begins another where it meets the first step. It follows a step only if it is not older than
// it. A beginning like one that waits for the second step takes its place: the newest has the
// longest time left.
func (s *Sequence) Offer(plan Plan, met uint32, step Step, admits func(n int, earlier []Step) bool) Result {
	var r Result
	s.newest = max(s.newest, step.At)
	s.partials = slices.DeleteFunc(s.partials, func(p []Step) bool { return s.newest-p[0].At > plan.Within })
	kept := s.partials[:0]
	for _, p := range s.partials {
		n := len(p)
		if met>>n&1 == 1 {
			last := p[n-1].At
			switch {
			case step.At < last:
				r.Late++
			case step.At-p[0].At > plan.Within || n < len(plan.Gaps) && plan.Gaps[n] > 0 && step.At-last > plan.Gaps[n]:
			case admits(n, p):
				p = append(slices.Clip(p), step)
			}
		}
		if len(p) == plan.Steps {
			r.Complete = append(r.Complete, p)
			continue
		}
		kept = append(kept, p)
	}
	clear(s.partials[len(kept):])
	s.partials = kept
	if met&1 == 1 && s.newest-step.At <= plan.Within && admits(0, nil) {
		r.Evicted = s.begin(step)
	}
	return r
}

// begin starts a sequence, and returns how many others had to go.
func (s *Sequence) begin(step Step) (evicted int) {
	same := slices.IndexFunc(s.partials, func(p []Step) bool { return len(p) == 1 && p[0].Like == step.Like })
	if same >= 0 {
		if step.At >= s.partials[same][0].At {
			s.partials[same][0] = step
		}
		return 0
	}
	if len(s.partials) == maxPartials {
		s.partials = slices.Delete(s.partials, 0, 1)
		evicted = 1
	}
	s.partials = append(s.partials, []Step{step})
	return evicted
}

// Idle reports whether nothing is under way.
func (s *Sequence) Idle() bool { return len(s.partials) == 0 }

// stepBytes is what a step takes in memory beside what it captured.
const stepBytes = 48

// Size implements Cell.
func (s *Sequence) Size() int {
	n := 0
	for _, p := range s.partials {
		n += 24 + stepsSize(p)
	}
	return n
}

func stepsSize(steps []Step) int {
	n := cap(steps) * stepBytes
	for i := range steps {
		n += len(steps[i].Captured)
	}
	return n
}

// Append implements Cell.
func (s *Sequence) Append(dst []byte) []byte {
	dst = binary.AppendVarint(dst, s.newest)
	dst = binary.AppendUvarint(dst, uint64(len(s.partials)))
	for _, p := range s.partials {
		dst = appendSteps(dst, p)
	}
	return dst
}

// Decode implements Cell.
func (s *Sequence) Decode(src []byte) ([]byte, error) {
	newest, src, err := varint(src, nil)
	n, src, err := length(src, err)
	if err != nil || n > maxPartials {
		return nil, errShort
	}
	s.newest = newest
	for range n {
		var p []Step
		if p, src, err = decodeSteps(src); err != nil {
			return nil, err
		}
		if len(p) == 0 {
			return nil, errRange
		}
		s.partials = append(s.partials, p)
	}
	return src, nil
}

func appendSteps(dst []byte, steps []Step) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(steps)))
	for _, s := range steps {
		dst = binary.AppendUvarint(binary.AppendVarint(dst, s.At), s.Like)
		dst = appendBytes(dst, s.Captured)
	}
	return dst
}

func decodeSteps(src []byte) ([]Step, []byte, error) {
	n, src, err := length(src, nil)
	if err != nil {
		return nil, nil, err
	}
	steps := make([]Step, 0, min(n, 64))
	for range n {
		var s Step
		var captured []byte
		s.At, src, err = varint(src, nil)
		s.Like, src, err = uvarint(src, err)
		if captured, src, err = bytesOf(src, err); err != nil {
			return nil, nil, err
		}
		s.Captured = bytes.Clone(captured)
		steps = append(steps, s)
	}
	return steps, src, nil
}
