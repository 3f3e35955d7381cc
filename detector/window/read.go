package window

import "iter"

// What cells hold, for those who only look. Nothing here changes a cell.

// Total is how many events the window held when the last was counted.
func (c *Count) Total() (n int) {
	for _, count := range c.ring.parts {
		n += int(count)
	}
	return n
}

// Total is what the window had added up to when the last number was added.
func (s *Sum) Total() (sum float64) {
	for _, n := range s.ring.parts {
		sum += n
	}
	return sum
}

// Known is how many values the entity is known to have, and when its first event was.
func (f *FirstSeen) Known() (values int, began int64) { return len(f.values), f.began }

// Waiting gives the events that wait, oldest first.
func (a *Absence) Waiting() iter.Seq[Step] {
	return func(yield func(Step) bool) {
		for i := range a.waits {
			if !yield(a.waits[i].step) {
				return
			}
		}
	}
}

// Holding says until when, by event time, findings are held back, and how many were so far. It is
// not open where no quiet time has begun.
func (q *Quiet) Holding() (until int64, held uint32, open bool) { return q.until, q.held, q.open }
