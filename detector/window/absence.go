package window

import (
	"encoding/binary"
	"math"
	"slices"
)

// waiting is an event that another has to follow.
type waiting struct {
	step     Step
	deadline int64 // by the collector's clock
}

// Absence is events that wait for others. It belongs to one key.
type Absence struct {
	waits []waiting
}

// maxWaits bounds the events of one key that wait.
const maxWaits = 64

// Open lets an event wait. It is awaited within a length of its own time, and, where the key stays
// silent, of the collector's clock. At most 64 wait: the oldest goes first, and evicted says so.
func (a *Absence) Open(step Step, received, within int64) (evicted bool) {
	if len(a.waits) == maxWaits {
		a.waits, evicted = slices.Delete(a.waits, 0, 1), true
	}
	a.waits = append(a.waits, waiting{step, received + within})
	return evicted
}

// Close ends the waits that an event at a time satisfies, of those that began before it, and
// returns how many.
func (a *Absence) Close(at int64, admits func(Step) bool) int {
	before := len(a.waits)
	a.waits = slices.DeleteFunc(a.waits, func(w waiting) bool { return at >= w.step.At && admits(w.step) })
	return before - len(a.waits)
}

// Due takes the waits that have ended in vain: an event of the key is more than within later, or
// the collector's clock has passed the deadline.
func (a *Absence) Due(at, clock, within int64) []Step {
	var due []Step
	a.waits = slices.DeleteFunc(a.waits, func(w waiting) bool {
		if at-w.step.At <= within && clock <= w.deadline {
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
	for _, w := range a.waits {
		next = min(next, w.deadline)
	}
	return next
}

// Size implements Cell.
func (a *Absence) Size() int {
	n := cap(a.waits) * (stepBytes + 8)
	for i := range a.waits {
		n += len(a.waits[i].step.Captured)
	}
	return n
}

// Append implements Cell.
func (a *Absence) Append(dst []byte) []byte {
	steps := make([]Step, len(a.waits))
	for i, w := range a.waits {
		steps[i] = w.step
	}
	dst = appendSteps(dst, steps)
	for _, w := range a.waits {
		dst = binary.AppendVarint(dst, w.deadline)
	}
	return dst
}

// Decode implements Cell.
func (a *Absence) Decode(src []byte) ([]byte, error) {
	steps, src, err := decodeSteps(src)
	if err != nil || len(steps) > maxWaits {
		return nil, errShort
	}
	for _, s := range steps {
		w := waiting{step: s}
		if w.deadline, src, err = varint(src, err); err != nil {
			return nil, err
		}
		a.waits = append(a.waits, w)
	}
	return src, nil
}

// Quiet is the time after a finding in which others like it are held back and counted.
type Quiet struct {
	until    int64 // event time
	deadline int64 // by the collector's clock
	held     uint32
	open     bool
	opener   []byte
}

// Admit says whether a finding passes. One that does opens a quiet time; suppressed is what the
// one before it held back and nobody was told yet. The opener is what Due gives back.
func (q *Quiet) Admit(at, received, length int64, opener []byte) (ok bool, suppressed uint32) {
	if q.open && at < q.until {
		if q.held < math.MaxUint32 {
			q.held++
		}
		return false, 0
	}
	suppressed = q.held
	*q = Quiet{until: at + length, deadline: received + length, open: true, opener: opener}
	return true, suppressed
}

// Due ends a quiet time that is over by the collector's clock. It returns the opener and how many
// findings were held back.
func (q *Quiet) Due(clock int64) (opener []byte, held uint32, over bool) {
	if !q.open || clock <= q.deadline {
		return nil, 0, false
	}
	opener, held = q.opener, q.held
	*q = Quiet{}
	return opener, held, true
}

// Next is when the quiet time ends by the collector's clock; the largest time where there is none.
func (q *Quiet) Next() int64 {
	if !q.open {
		return math.MaxInt64
	}
	return q.deadline
}

// Size implements Cell.
func (q *Quiet) Size() int { return len(q.opener) }

// Append implements Cell.
func (q *Quiet) Append(dst []byte) []byte {
	dst = binary.AppendVarint(append(dst, flag(q.open)), q.until)
	dst = binary.AppendUvarint(binary.AppendVarint(dst, q.deadline), uint64(q.held))
	return appendBytes(dst, q.opener)
}

// Decode implements Cell.
func (q *Quiet) Decode(src []byte) ([]byte, error) {
	open, src, err := uvarint(src, nil)
	q.until, src, err = varint(src, err)
	q.deadline, src, err = varint(src, err)
	held, src, err := uvarint(src, err)
	opener, src, err := bytesOf(src, err)
	if err != nil {
		return nil, err
	}
	if held > math.MaxUint32 {
		return nil, errRange
	}
	q.open, q.held, q.opener = open == 1, uint32(held), append([]byte(nil), opener...)
	return src, nil
}
