package window

import (
	"encoding/binary"
	"math"
	"time"
)

// rank maps times to unsigned numbers in the same order: the difference of two is exact, and
// 0 as the newest time of a cell that has seen none is before no event.
func rank(at int64) uint64 { return uint64(at) ^ 1<<63 }

// length is a length of time as a difference of ranks; a negative one is none.
func length(d int64) uint64 { return uint64(max(d, 0)) }

// passed reports whether more than a length of time lies between two times, in this order.
func passed(from, to, d int64) bool { return to > from && rank(to)-rank(from) > length(d) }

// later is a time moved by a length of time, at most the last time there is.
func later(at, d int64) int64 {
	d = max(d, 0)
	if at > math.MaxInt64-d {
		return math.MaxInt64
	}
	return at + d
}

// parts is into how many parts a sliding window is divided.
const parts = 12

// Span is the width of a sliding window, of 12 ms at least. The window is divided into twelve parts
// and covers the part of the newest event and the eleven before it: it is never wider than its
// length, and up to a twelfth narrower.
type Span struct{ step int64 }

// NewSpan returns the span of a length.
func NewSpan(length time.Duration) Span { return Span{length.Microseconds() / parts} }

// part is which part of all time an event falls into, by rank and so never 0.
func (s Span) part(at int64) uint64 {
	step := max(s.step, 1000)
	n := at / step
	if at%step < 0 {
		n--
	}
	return rank(n)
}

// ring is a sliding window.
type ring[T uint16 | float64] struct {
	newest uint64 // part, 0 before the first event
	parts  [parts]T
}

// at returns the part that a time falls into, or nil where that is before the window. A newer
// time moves the window first.
func (r *ring[T]) at(at int64, s Span) *T {
	part := s.part(at)
	switch {
	case part > r.newest:
		if part-r.newest >= parts {
			r.parts = [parts]T{}
		} else {
			for p := r.newest + 1; p <= part; p++ {
				r.parts[p%parts] = 0
			}
		}
		r.newest = part
	case r.newest-part >= parts:
		return nil
	}
	return &r.parts[part%parts]
}

// appendHead writes the newest part, and which parts hold something.
func (r *ring[T]) appendHead(dst []byte) []byte {
	var mask uint16
	for i, v := range r.parts {
		if v != 0 {
			mask |= 1 << i
		}
	}
	return binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint64(dst, r.newest), mask)
}

// readHead reads what appendHead wrote, and returns which parts follow.
func (r *ring[T]) readHead(from *reader) (mask uint16) {
	r.newest = from.word()
	if mask = from.half(); mask>>parts != 0 {
		from.fail(errBound)
		return 0
	}
	return mask
}
