package window

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// Novelty is what FirstSeen says of a value.
type Novelty int

// What a value can be: known, new while the entity is learnt, or new.
const (
	Known Novelty = iota
	Learning
	New
)

// FirstSeen knows the values of one entity.
type FirstSeen struct {
	values []seenValue // by hash
	began  int64       // time of the first event to arrive
	begun  bool
}

// seenValue is a value and the newest time it came.
type seenValue struct {
	hash uint64
	at   int64
}

// Add adds a value. It is New where the entity was first seen at least learn before and the value
// was not seen in the memory before. At most that many values are kept, and one at least: the one
// unseen longest goes first, and forgot says so, unless its time had passed anyway.
func (f *FirstSeen) Add(at, learn, memory int64, hash uint64, most int) (is Novelty, forgot bool) {
	if !f.begun {
		f.began, f.begun = at, true
	}
	is = New
	if at < f.began || rank(at)-rank(f.began) < length(learn) {
		is = Learning
	}
	place, found := slices.BinarySearchFunc(f.values, hash, func(v seenValue, hash uint64) int {
		return cmp.Compare(v.hash, hash)
	})
	if found {
		v := &f.values[place]
		if !passed(v.at, at, memory) {
			is = Known
		}
		v.at = max(v.at, at)
		return is, false
	}
	f.values = slices.Insert(f.values, place, seenValue{hash, at})
	for len(f.values) > max(most, 1) {
		oldest := f.oldest()
		forgot = forgot || !passed(f.values[oldest].at, at, memory)
		f.values = slices.Delete(f.values, oldest, oldest+1)
	}
	return is, forgot
}

func (f *FirstSeen) oldest() int {
	oldest := 0
	for i := range f.values {
		if f.values[i].at < f.values[oldest].at {
			oldest = i
		}
	}
	return oldest
}

// seenBytes is what a value takes in memory.
const seenBytes = 16

// Size implements Cell.
func (f *FirstSeen) Size() int { return len(f.values) * seenBytes }

// Append implements Cell.
func (f *FirstSeen) Append(dst []byte) []byte {
	dst = binary.AppendVarint(appendFlag(dst, f.begun), f.began)
	dst = binary.AppendUvarint(dst, uint64(len(f.values)))
	for _, v := range f.values {
		dst = binary.AppendVarint(binary.LittleEndian.AppendUint64(dst, v.hash), v.at)
	}
	return dst
}

// Decode implements Cell.
func (f *FirstSeen) Decode(src []byte) ([]byte, error) {
	const least = 8 + 1
	r := reader{rest: src}
	f.begun, f.began = r.flag(), r.int()
	n := r.count(unbounded, least)
	f.values = slices.Grow(f.values, n)
	for i := range n {
		v := seenValue{r.word(), r.int()}
		if i > 0 && v.hash <= f.values[i-1].hash {
			r.fail(errRepeat)
		}
		f.values = append(f.values, v)
	}
	return r.rest, r.err
}
