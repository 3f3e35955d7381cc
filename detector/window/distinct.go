package window

import (
	"encoding/binary"
	"slices"
	"strings"
)

// maxSample bounds what is kept of a value for people to read, in bytes.
const maxSample = 64

// seenValue is a value and when it was last there.
type seenValue struct {
	hash   uint64
	at     int64
	sample string
}

// Distinct knows the different values in a sliding window, each with its newest time. It is exact.
type Distinct struct {
	values []seenValue
	newest int64
}

// Add adds a value, and returns how many different ones lie within a length of the newest. One
// older than that is late, and not added. At most that many values are kept: the oldest goes first.
func (d *Distinct) Add(at, within int64, hash uint64, text string, most int) (n int, late bool) {
	if len(d.values) > 0 && at < d.newest-within {
		return len(d.values), true
	}
	if len(d.values) == 0 || at > d.newest {
		d.newest = at
	}
	d.values = slices.DeleteFunc(d.values, func(v seenValue) bool { return v.at < d.newest-within })
	if i := slices.IndexFunc(d.values, func(v seenValue) bool { return v.hash == hash }); i >= 0 {
		d.values[i].at = max(d.values[i].at, at)
		return len(d.values), false
	}
	if len(d.values) >= most {
		d.values = slices.Delete(d.values, d.oldest(), d.oldest()+1)
	}
	d.values = append(d.values, seenValue{hash, at, strings.Clone(text[:min(len(text), maxSample)])})
	return len(d.values), false
}

func (d *Distinct) oldest() int { return oldestOf(d.values) }

func oldestOf(values []seenValue) int {
	oldest := 0
	for i, v := range values {
		if v.at < values[oldest].at {
			oldest = i
		}
	}
	return oldest
}

// Values are the beginnings of the values, oldest first.
func (d *Distinct) Values() []string {
	sorted := slices.Clone(d.values)
	slices.SortStableFunc(sorted, func(a, b seenValue) int { return int(max(-1, min(a.at-b.at, 1))) })
	texts := make([]string, len(sorted))
	for i, v := range sorted {
		texts[i] = strings.ToValidUTF8(v.sample, "")
	}
	return texts
}

// Reset forgets the values.
func (d *Distinct) Reset() { d.values = nil }

// seenValueBytes is what a value takes in memory beside its sample.
const seenValueBytes = 32

// Size implements Cell.
func (d *Distinct) Size() int { return sizeOf(d.values) }

func sizeOf(values []seenValue) int {
	n := cap(values) * seenValueBytes
	for _, v := range values {
		n += len(v.sample)
	}
	return n
}

// Append implements Cell.
func (d *Distinct) Append(dst []byte) []byte {
	return appendValues(binary.AppendVarint(dst, d.newest), d.values)
}

// Decode implements Cell.
func (d *Distinct) Decode(src []byte) (rest []byte, err error) {
	if d.newest, src, err = varint(src, nil); err != nil {
		return nil, err
	}
	d.values, rest, err = decodeValues(src)
	return rest, err
}

func appendValues(dst []byte, values []seenValue) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(values)))
	for _, v := range values {
		dst = binary.LittleEndian.AppendUint64(dst, v.hash)
		dst = appendBytes(binary.AppendVarint(dst, v.at), v.sample)
	}
	return dst
}

func decodeValues(src []byte) ([]seenValue, []byte, error) {
	n, src, err := length(src, nil)
	if err != nil {
		return nil, nil, err
	}
	values := make([]seenValue, 0, min(n, 1024))
	for range n {
		if len(src) < 8 {
			return nil, nil, errShort
		}
		v := seenValue{hash: binary.LittleEndian.Uint64(src)}
		var sample []byte
		v.at, src, err = varint(src[8:], nil)
		if sample, src, err = bytesOf(src, err); err != nil {
			return nil, nil, err
		}
		v.sample = string(sample)
		values = append(values, v)
	}
	return values, src, nil
}

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
	values []seenValue
	began  int64
	begun  bool
}

// Add adds a value. It is New where the entity was first seen at least learn before and the value
// was not seen in the memory before. At most that many values are kept: the one unseen longest
// goes first, and forgot says so.
func (f *FirstSeen) Add(at, learn, memory int64, hash uint64, most int) (is Novelty, forgot bool) {
	if !f.begun {
		f.began, f.begun = at, true
	}
	i := slices.IndexFunc(f.values, func(v seenValue) bool { return v.hash == hash })
	if i >= 0 {
		lapsed := at-f.values[i].at > memory
		f.values[i].at = max(f.values[i].at, at)
		if !lapsed {
			return Known, false
		}
	} else {
		if len(f.values) >= most {
			oldest := oldestOf(f.values)
			f.values, forgot = slices.Delete(f.values, oldest, oldest+1), true
		}
		f.values = append(f.values, seenValue{hash: hash, at: at})
	}
	if at-f.began < learn {
		return Learning, forgot
	}
	return New, forgot
}

// Size implements Cell.
func (f *FirstSeen) Size() int { return sizeOf(f.values) }

// Append implements Cell.
func (f *FirstSeen) Append(dst []byte) []byte {
	return appendValues(binary.AppendVarint(append(dst, flag(f.begun)), f.began), f.values)
}

// Decode implements Cell.
func (f *FirstSeen) Decode(src []byte) (rest []byte, err error) {
	begun, src, err := uvarint(src, nil)
	f.begun = begun == 1
	if f.began, src, err = varint(src, err); err != nil {
		return nil, err
	}
	f.values, rest, err = decodeValues(src)
	return rest, err
}
