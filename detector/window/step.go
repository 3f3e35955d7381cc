package window

import (
	"bytes"
	"encoding/binary"
)

// Step is what a sequence or an absence keeps of one event.
type Step struct {
	At int64
	// Like is a digest of what was captured that tells one beginning from another.
	Like uint64
	// Captured is what the caller needs of the event later. Its size is the caller's to bound.
	Captured []byte
}

// maxHeld is how many bytes the steps of one key hold at most: a key whose events are large
// remembers fewer of them.
const maxHeld = 128 << 10

// stepBytes is what a step takes in memory beside what it captured.
const stepBytes = 48

func (s *Step) size() int { return stepBytes + len(s.Captured) }

func (s *Step) append(dst []byte) []byte {
	dst = binary.AppendUvarint(binary.AppendVarint(dst, s.At), s.Like)
	return appendBlob(dst, s.Captured)
}

// leastStep is the least that a step takes when it is written.
const leastStep = 3

func (r *reader) step() Step {
	return Step{r.int(), r.uint(), bytes.Clone(r.blob(unbounded))}
}
