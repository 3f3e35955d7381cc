package window

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a Distinct.
const (
	// MaxDistinct is how many values it knows at most.
	MaxDistinct = 1000
	// maxSample bounds what is kept of a value for people to read, in bytes.
	maxSample = 64
)

// Distinct knows the different values in a sliding window, each with the newest time it came.
// It is exact.
type Distinct struct {
	values  []sample // by time, and then by arrival
	newest  uint64   // rank
	samples int      // bytes
}

// sample is a value, when it was last there, and its beginning.
type sample struct {
	hash uint64
	at   int64
	text string
}

// Add adds a value, and returns how many different ones lie within a length of the newest event.
// One older than that is late, and not added. At most that many values are kept, and never more
// than MaxDistinct: the oldest goes first.
func (d *Distinct) Add(at, within int64, hash uint64, text string, most int) (n int, late bool) {
	d.newest = max(d.newest, rank(at))
	if late = d.old(at, within); !late {
		d.put(at, hash, text)
	}
	for len(d.values) > 0 && (len(d.values) > min(most, MaxDistinct) || d.old(d.values[0].at, within)) {
		d.samples -= len(d.values[0].text)
		d.values = slices.Delete(d.values, 0, 1)
	}
	return len(d.values), late
}

func (d *Distinct) old(at, within int64) bool { return d.newest-rank(at) > length(within) }

func (d *Distinct) put(at int64, hash uint64, text string) {
	value := sample{hash: hash, at: at}
	known := slices.IndexFunc(d.values, func(v sample) bool { return v.hash == hash })
	switch {
	case known < 0:
		value.text = strings.Clone(cut(text, maxSample))
		d.samples += len(value.text)
	case d.values[known].at > at:
		return
	default:
		value.text = d.values[known].text
		d.values = slices.Delete(d.values, known, known+1)
	}
	place, _ := slices.BinarySearchFunc(d.values, at, func(v sample, at int64) int {
		if v.at == at {
			return -1 // after those of the same time
		}
		return cmp.Compare(v.at, at)
	})
	d.values = slices.Insert(d.values, place, value)
}

// cut shortens a text to so many bytes, or a little less where a character would be cut.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for i := most; i > most-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			return text[:i]
		}
	}
	return text[:most] // no UTF-8
}

// Values are the beginnings of the values, oldest first.
func (d *Distinct) Values() []string {
	texts := make([]string, len(d.values))
	for i, v := range d.values {
		texts[i] = strings.ToValidUTF8(v.text, "")
	}
	return texts
}

// Reset forgets the values, not the time.
func (d *Distinct) Reset() { *d = Distinct{newest: d.newest} }

// sampleBytes is what a value takes in memory beside its text.
const sampleBytes = 32

// Size implements Cell.
func (d *Distinct) Size() int { return len(d.values)*sampleBytes + d.samples }

// Append implements Cell.
func (d *Distinct) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, d.newest)
	dst = binary.AppendUvarint(dst, uint64(len(d.values)))
	for _, v := range d.values {
		dst = binary.LittleEndian.AppendUint64(dst, v.hash)
		dst = appendBlob(binary.AppendVarint(dst, v.at), v.text)
	}
	return dst
}

// Decode implements Cell.
func (d *Distinct) Decode(src []byte) ([]byte, error) {
	const least = 8 + 1 + 1
	r := reader{rest: src}
	d.newest = r.word()
	n := r.count(MaxDistinct, least)
	d.values = slices.Grow(d.values, n)
	last := int64(math.MinInt64)
	for range n {
		v := sample{hash: r.word(), at: r.int(), text: string(r.blob(maxSample))}
		if v.at < last || rank(v.at) > d.newest {
			r.fail(errOrder)
		}
		last = v.at
		d.samples += len(v.text)
		d.values = append(d.values, v)
	}
	if d.repeats() {
		r.fail(errRepeat)
	}
	return r.rest, r.err
}

// repeats reports whether two values are one.
func (d *Distinct) repeats() bool {
	hashes := make([]uint64, len(d.values))
	for i, v := range d.values {
		hashes[i] = v.hash
	}
	slices.Sort(hashes)
	return len(slices.Compact(hashes)) < len(d.values)
}
