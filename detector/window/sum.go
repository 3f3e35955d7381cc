package window

import (
	"encoding/binary"
	"math"
)

// Sum adds numbers in a sliding window. What is no finite number is never added, and a sum
// beyond what a float64 holds stays at the largest.
type Sum struct{ ring ring[float64] }

// Add adds a number, and returns what the window holds. One older than the window is late, and
// not added.
func (s *Sum) Add(at int64, span Span, number float64) (sum float64, late bool) {
	part := s.ring.at(at, span)
	if part == nil {
		return 0, true
	}
	if finite(number) {
		*part = clamp(*part + number)
	}
	for _, p := range s.ring.parts {
		sum = clamp(sum + p)
	}
	return sum, false
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

func clamp(f float64) float64 { return min(max(f, -math.MaxFloat64), math.MaxFloat64) }

// Reset forgets what was added, not the time.
func (s *Sum) Reset() { s.ring.parts = [parts]float64{} }

// Size implements Cell.
func (s *Sum) Size() int { return 0 }

// Append implements Cell.
func (s *Sum) Append(dst []byte) []byte {
	dst = s.ring.appendHead(dst)
	for _, p := range s.ring.parts {
		if p != 0 {
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(p))
		}
	}
	return dst
}

// Decode implements Cell.
func (s *Sum) Decode(src []byte) ([]byte, error) {
	r := reader{rest: src}
	mask := s.ring.readHead(&r)
	for i := range s.ring.parts {
		if mask&(1<<i) == 0 {
			continue
		}
		if s.ring.parts[i] = math.Float64frombits(r.word()); !finite(s.ring.parts[i]) {
			r.fail(errBound)
		}
	}
	return r.rest, r.err
}
