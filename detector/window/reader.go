package window

import (
	"encoding/binary"
	"errors"
	"math"
)

var (
	errShort  = errors.New("it ends early")
	errBound  = errors.New("a number over its bound")
	errOrder  = errors.New("times out of order")
	errRepeat = errors.New("a value twice")
)

// reader reads what cells wrote. After the first error it reads nothing but zeros, so that a
// cell's fields are read one after another and the error is looked at once.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.rest = nil
}

// bytes returns the next n bytes, as part of the source, or nil.
func (r *reader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.fail(errShort)
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// flag reads whether something is there.
func (r *reader) flag() bool {
	b := r.byte()
	if b > 1 {
		r.fail(errBound)
	}
	return b == 1
}

// half reads two bytes.
func (r *reader) half() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

// word reads eight bytes.
func (r *reader) word() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) uint() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.fail(errShort)
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) int() int64 {
	n, size := binary.Varint(r.rest)
	if size <= 0 {
		r.fail(errShort)
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// count reads how many things follow, each of at least that many bytes, so that what is made
// for them is bounded by the source.
func (r *reader) count(most, bytesEach int) int {
	n := r.uint()
	switch {
	case n > uint64(most):
		r.fail(errBound)
		return 0
	case n > uint64(len(r.rest)/bytesEach):
		r.fail(errShort)
		return 0
	}
	return int(n)
}

// unbounded is for what the caller bounds.
const unbounded = math.MaxInt

// blob reads bytes with their length before them.
func (r *reader) blob(most int) []byte { return r.bytes(r.count(most, 1)) }

func appendBlob[T string | []byte](dst []byte, b T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

func appendFlag(dst []byte, is bool) []byte {
	if is {
		return append(dst, 1)
	}
	return append(dst, 0)
}
