package window

import (
	"encoding/binary"
	"math"
)

// Count counts events in a sliding window, up to 65,535 in each of its parts.
type Count struct{ ring ring[uint16] }

// Add counts an event, and returns how many the window holds. One older than the window is late,
// and not counted.
func (c *Count) Add(at int64, span Span) (n int, late bool) {
	part := c.ring.at(at, span)
	if part == nil {
		return 0, true
	}
	if *part < math.MaxUint16 {
		*part++
	}
	for _, p := range c.ring.parts {
		n += int(p)
	}
	return n, false
}

// Reset forgets the events counted, not the time.
func (c *Count) Reset() { c.ring.parts = [parts]uint16{} }

// Size implements Cell.
func (c *Count) Size() int { return 0 }

// Append implements Cell.
func (c *Count) Append(dst []byte) []byte {
	dst = c.ring.appendHead(dst)
	for _, p := range c.ring.parts {
		if p != 0 {
			dst = binary.LittleEndian.AppendUint16(dst, p)
		}
	}
	return dst
}

// Decode implements Cell.
func (c *Count) Decode(src []byte) ([]byte, error) {
	r := reader{rest: src}
	mask := c.ring.readHead(&r)
	for i := range c.ring.parts {
		if mask&(1<<i) != 0 {
			c.ring.parts[i] = r.half()
		}
	}
	return r.rest, r.err
}
