package window

import (
	"encoding/binary"
	"math"
	"slices"
)

// maxWaits bounds the events of one key that wait.
const maxWaits = 64

// Absence is events that wait for others. It belongs to one key. On an event the caller asks Due
// first, then Close, then Open: what the event shows to be over is over, whatever else it is.
type Absence struct {
	waits []waiting // by arrival
}

// waiting is an event that another has to follow. Its time is over once an event of the key, or
// the collector's clock, is past these.
type waiting struct {
	step            Step
	until, deadline int64
}

// Open lets an event wait. It is awaited within a length of its own time, and, where the key stays
// silent, of the collector's clock. At most 64 wait, and fewer where they hold much: the oldest
// goes first, and evicted says how many went.
func (a *Absence) Open(step Step, received, within int64) (evicted int) {
	a.waits = append(a.waits, waiting{step, later(step.At, within), later(received, within)})
	for len(a.waits) > maxWaits || len(a.waits) > 1 && a.Size() > maxHeld {
		a.waits = slices.Delete(a.waits, 0, 1)
		evicted++
	}
	return evicted
}

// Close ends the waits that an event at a time satisfies, of those that began before it and are
// not over, and returns how many.
func (a *Absence) Close(at int64, admits func(Step) bool) int {
	before := len(a.waits)
	a.waits = slices.DeleteFunc(a.waits, func(w waiting) bool {
		return at >= w.step.At && at <= w.until && admits(w.step)
	})
	return before - len(a.waits)
}

// Due takes the waits that have ended in vain, in order of arrival: an event of the key, at that
// time, or the collector's clock is past their end. math.MinInt64 is no event, or no clock.
func (a *Absence) Due(at, clock int64) []Step {
	var due []Step
	a.waits = slices.DeleteFunc(a.waits, func(w waiting) bool {
		if at <= w.until && clock <= w.deadline {
			return false
		}
		due = append(due, w.step)
		return true
	})
	return due
}

// Next is the earliest deadline by the collector's clock; the largest time where nothing waits.
func (a *Absence) Next() int64 {
	next := int64(math.MaxInt64)
	for i := range a.waits {
		next = min(next, a.waits[i].deadline)
	}
	return next
}

// Idle reports whether nothing waits.
func (a *Absence) Idle() bool { return len(a.waits) == 0 }

// waitingBytes is what an event that waits takes in memory beside its step.
const waitingBytes = 16

// Size implements Cell.
func (a *Absence) Size() (n int) {
	for i := range a.waits {
		n += waitingBytes + a.waits[i].step.size()
	}
	return n
}

// Append implements Cell.
func (a *Absence) Append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(a.waits)))
	for i := range a.waits {
		w := &a.waits[i]
		dst = w.step.append(dst)
		dst = binary.AppendVarint(binary.AppendVarint(dst, w.until), w.deadline)
	}
	return dst
}

// Decode implements Cell.
func (a *Absence) Decode(src []byte) ([]byte, error) {
	r := reader{rest: src}
	for range r.count(maxWaits, leastStep+2) {
		w := waiting{r.step(), r.int(), r.int()}
		if w.until < w.step.At {
			r.fail(errOrder)
		}
		a.waits = append(a.waits, w)
	}
	return r.rest, r.err
}
