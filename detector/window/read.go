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

// Until is the first time, in microseconds since 1970, at which the oldest events that count no longer do;
// ok is false where none count.
func (c *Count) Until(span Span) (at int64, ok bool) { return c.ring.until(span) }

// Until is Count.Until.
func (s *Sum) Until(span Span) (at int64, ok bool) { return s.ring.until(span) }

// until is when the oldest part that holds something leaves the window.
func (r *ring[T]) until(s Span) (at int64, ok bool) {
	for part := r.newest - parts + 1; part <= r.newest; part++ {
		if r.parts[part%parts] != 0 {
			return int64(part+parts^1<<63) * max(s.step, 1000), true // the reverse of rank
		}
	}
	return 0, false
}

// Until is the last time, in microseconds since 1970, at which the oldest value counts.
func (d *Distinct) Until(within int64) (at int64, ok bool) {
	if len(d.values) == 0 {
		return 0, false
	}
	return later(d.values[0].at, within), true
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
