package window

import (
	"encoding/binary"
	"math"
	"time"
)

// parts is into how many parts a sliding window is divided.
const parts = 12

// Span is the width of a sliding window. The window is divided into twelve parts and covers the
// part of the newest event and the eleven before it: it is never wider than its length, and up to
// a twelfth narrower.
type Span struct{ step int64 }

// NewSpan returns the span of a length, of 12 ms at least.
func NewSpan(length time.Duration) Span { return Span{max(length.Microseconds()/parts, 1000)} }

// part is which part of all time an event falls into.
func (s Span) part(at int64) int64 {
	p := at / s.step
	if at%s.step < 0 {
		p--
	}
	return p
}

// ring places the parts of a window: it remembers the newest part, and says where in an array of
// twelve an event's part is, clearing by the way what the window has left behind.
type ring struct {
	newest int64
	begun  bool
}

func (r *ring) place(part int64, clear func(i int)) (i int, late bool) {
	switch {
	case !r.begun || part-r.newest >= parts: // all is past
		for i := range parts {
			clear(i)
		}
		r.newest, r.begun = part, true
	case part > r.newest:
		for p := r.newest + 1; p <= part; p++ {
			clear(index(p))
		}
		r.newest = part
	case r.newest-part >= parts:
		return 0, true
	}
	return index(part), false
}

func index(part int64) int {
	i := part % parts
	if i < 0 {
		i += parts
	}
	return int(i)
}

// Count counts events in a sliding window, up to 65,535 in each of its parts.
type Count struct {
	ring
	counts [parts]uint16
}

// Add counts an event, and returns how many the window holds. One older than the window is late,
// and not counted.
func (c *Count) Add(at int64, span Span) (n int, late bool) {
	i, late := c.place(span.part(at), func(i int) { c.counts[i] = 0 })
	if late {
		return 0, true
	}
	if c.counts[i] < math.MaxUint16 {
		c.counts[i]++
	}
	for _, count := range c.counts {
		n += int(count)
	}
	return n, false
}

// Reset forgets the events counted, not the time.
func (c *Count) Reset() { c.counts = [parts]uint16{} }

// Size implements Cell.
func (c *Count) Size() int { return 0 }

// Append implements Cell.
func (c *Count) Append(dst []byte) []byte {
	dst = c.append(dst)
	for _, n := range c.counts {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	return dst
}

// Decode implements Cell.
func (c *Count) Decode(src []byte) ([]byte, error) {
	src, err := c.decode(src)
	for i := range c.counts {
		var n uint64
		if n, src, err = uvarint(src, err); n > math.MaxUint16 {
			return nil, errRange
		}
		c.counts[i] = uint16(n)
	}
	return src, err
}

func (r *ring) append(dst []byte) []byte {
	return binary.AppendVarint(append(dst, flag(r.begun)), r.newest)
}

func (r *ring) decode(src []byte) ([]byte, error) {
	begun, src, err := uvarint(src, nil)
	r.begun = begun == 1
	r.newest, src, err = varint(src, err)
	return src, err
}

// Sum adds numbers in a sliding window. What is no finite number is never added.
type Sum struct {
	ring
	sums [parts]float64
}

// Add adds a number, and returns what the window holds. One older than the window is late, and
// not added.
func (s *Sum) Add(at int64, span Span, number float64) (sum float64, late bool) {
	if math.IsNaN(number) || math.IsInf(number, 0) {
		number = 0
	}
	i, late := s.place(span.part(at), func(i int) { s.sums[i] = 0 })
	if late {
		return 0, true
	}
	if s.sums[i] += number; math.IsInf(s.sums[i], 0) {
		s.sums[i] = math.Copysign(math.MaxFloat64/parts, s.sums[i])
	}
	for _, n := range s.sums {
		sum += n
	}
	return sum, false
}

// Reset forgets what was added, not the time.
func (s *Sum) Reset() { s.sums = [parts]float64{} }

// Size implements Cell.
func (s *Sum) Size() int { return 0 }

// Append implements Cell.
func (s *Sum) Append(dst []byte) []byte {
	dst = s.append(dst)
	for _, n := range s.sums {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(n))
	}
	return dst
}

// Decode implements Cell.
func (s *Sum) Decode(src []byte) ([]byte, error) {
	src, err := s.decode(src)
	if err != nil {
		return nil, err
	}
	if len(src) < 8*parts {
		return nil, errShort
	}
	for i := range s.sums {
		s.sums[i] = math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:]))
		if math.IsNaN(s.sums[i]) || math.IsInf(s.sums[i], 0) {
			return nil, errRange
		}
	}
	return src[8*parts:], nil
}
