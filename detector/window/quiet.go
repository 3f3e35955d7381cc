package window

import (
	"bytes"
	"encoding/binary"
	"math"
)

// Quiet is the time after a finding in which others like it are held back and counted.
type Quiet struct {
	until    int64 // event time
	deadline int64 // by the collector's clock
	held     uint32
	open     bool
	opener   []byte
}

// Admit says whether a finding passes. One that does opens a quiet time; suppressed is what the
// one before it held back and nobody was told yet. The opener is what Due gives back. Findings
// from before the quiet time do not pass either: a wrong clock shall not get around it.
func (q *Quiet) Admit(at, received, length int64, opener []byte) (ok bool, suppressed uint32) {
	if q.open && at < q.until {
		if q.held < math.MaxUint32 {
			q.held++
		}
		return false, 0
	}
	suppressed = q.held
	*q = Quiet{until: later(at, length), deadline: later(received, length), open: true, opener: opener}
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
	dst = binary.AppendVarint(appendFlag(dst, q.open), q.until)
	dst = binary.AppendUvarint(binary.AppendVarint(dst, q.deadline), uint64(q.held))
	return appendBlob(dst, q.opener)
}

// Decode implements Cell.
func (q *Quiet) Decode(src []byte) ([]byte, error) {
	r := reader{rest: src}
	q.open, q.until, q.deadline = r.flag(), r.int(), r.int()
	held := r.uint()
	if held > math.MaxUint32 {
		r.fail(errBound)
	}
	q.held, q.opener = uint32(held), bytes.Clone(r.blob(unbounded))
	return r.rest, r.err
}
