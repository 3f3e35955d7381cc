package window

import (
	"encoding/binary"
	"math"
	"slices"
)

// Bounds of an Absence.
const (
	maxWaits   = 64 // events of one key that wait
	maxAnswers = 64 // events of one key that one which arrives late may have waited for
)

// Absence is events that wait for others. It belongs to one key. On an event the caller asks Due
// first, then Close, Open and Answer: what the event shows to be over is over, whatever else it is,
// and no event answers itself.
type Absence struct {
	waits   []waiting // by arrival
	answers []answer  // by arrival
}

// waiting is an event that another has to follow, no later than until. The wait has ended in vain
// once an event of the key is later than ends, or the collector's clock past the deadline.
type waiting struct {
	step                  Step
	until, ends, deadline int64
}

func (w *waiting) awaits(at int64) bool { return at >= w.step.At && at <= w.until }

// answer is an event that others wait for. It is kept until an event of the key is later than ends.
type answer struct {
	step Step
	ends int64
}

// Open lets an event wait, unless an answer is there that came no earlier by time. It is awaited
// within a length of its own time, and, where the key stays silent, of the collector's clock; that
// it may be late is added to both. At most 64 wait, and fewer where they hold much: the oldest goes
// first, and evicted says how many went. An event is late, and does not wait, where what is kept shows
// its wait to be over: what answered it may be forgotten.
func (a *Absence) Open(step Step, received, within, lateness int64, admits func(answer Step) bool) (evicted int, late bool) {
	w := waiting{step: step, until: later(step.At, within)}
	w.ends, w.deadline = later(w.until, lateness), later(later(received, within), lateness)
	if slices.ContainsFunc(a.answers, func(b answer) bool { return w.awaits(b.step.At) && admits(b.step) }) {
		return 0, false
	}
	if slices.ContainsFunc(a.waits, func(b waiting) bool { return b.step.At > w.ends }) ||
		slices.ContainsFunc(a.answers, func(b answer) bool { return b.step.At > w.ends }) {
		return 0, true
	}
	a.waits = append(a.waits, w)
	return dropOldest(&a.waits, maxWaits, (*waiting).size), false
}

// Close ends the waits that an event at a time satisfies, of those that began before it and are
// not over, and returns how many.
func (a *Absence) Close(at int64, admits func(Step) bool) int {
	before := len(a.waits)
	a.waits = slices.DeleteFunc(a.waits, func(w waiting) bool { return w.awaits(at) && admits(w.step) })
	return before - len(a.waits)
}

// Answer keeps an event that others wait for, for those that arrive late. Of events that are alike
// the newest is enough, since a lateness is no longer than a wait. It is bounded as Open is.
func (a *Absence) Answer(step Step, lateness int64) (evicted int) {
	like := slices.IndexFunc(a.answers, func(b answer) bool { return b.step.Like == step.Like })
	switch {
	case like < 0:
	case a.answers[like].step.At > step.At:
		return 0
	default:
		a.answers = slices.Delete(a.answers, like, like+1)
	}
	a.answers = append(a.answers, answer{step, later(step.At, lateness)})
	return dropOldest(&a.answers, maxAnswers, (*answer).size)
}

// dropOldest drops what is over a number, and while it holds too much all but the last.
func dropOldest[T any](list *[]T, most int, size func(*T) int) (dropped int) {
	held := sizeOf(*list, size)
	for len(*list) > most || len(*list) > 1 && held > maxHeld {
		held -= size(&(*list)[0])
		*list = slices.Delete(*list, 0, 1)
		dropped++
	}
	return dropped
}

func sizeOf[T any](list []T, size func(*T) int) (n int) {
	for i := range list {
		n += size(&list[i])
	}
	return n
}

// Due takes the waits that have ended in vain, in order of arrival: an event of the key, at that
// time, or the collector's clock is past their end. math.MinInt64 is no event, or no clock.
func (a *Absence) Due(at, clock int64) []Step {
	var due []Step
	a.waits = slices.DeleteFunc(a.waits, func(w waiting) bool {
		if at <= w.ends && clock <= w.deadline {
			return false
		}
		due = append(due, w.step)
		return true
	})
	a.answers = slices.DeleteFunc(a.answers, func(b answer) bool { return at > b.ends })
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

// Begun reports whether an event waits.
func (a *Absence) Begun() bool { return len(a.waits) > 0 }

// Idle reports whether nothing is kept.
func (a *Absence) Idle() bool { return len(a.waits) == 0 && len(a.answers) == 0 }

// What an event takes in memory beside its step.
const (
	waitingBytes = 24
	answerBytes  = 8
)

func (w *waiting) size() int { return waitingBytes + w.step.size() }
func (b *answer) size() int  { return answerBytes + b.step.size() }

// Size implements Cell.
func (a *Absence) Size() int {
	return sizeOf(a.waits, (*waiting).size) + sizeOf(a.answers, (*answer).size)
}

// Append implements Cell.
func (a *Absence) Append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(a.waits)))
	for i := range a.waits {
		w := &a.waits[i]
		dst = w.step.append(dst)
		for _, time := range []int64{w.until, w.ends, w.deadline} {
			dst = binary.AppendVarint(dst, time)
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(a.answers)))
	for i := range a.answers {
		b := &a.answers[i]
		dst = binary.AppendVarint(b.step.append(dst), b.ends)
	}
	return dst
}

// Decode implements Cell.
func (a *Absence) Decode(src []byte) ([]byte, error) {
	r := reader{rest: src}
	for range r.count(maxWaits, leastStep+3) {
		w := waiting{r.step(), r.int(), r.int(), r.int()}
		if w.until < w.step.At || w.ends < w.until {
			r.fail(errOrder)
		}
		a.waits = append(a.waits, w)
	}
	for range r.count(maxAnswers, leastStep+1) {
		b := answer{r.step(), r.int()}
		if b.ends < b.step.At {
			r.fail(errOrder)
		}
		a.answers = append(a.answers, b)
	}
	return r.rest, r.err
}
