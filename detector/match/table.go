package match

import (
	"cmp"
	"math/bits"
	"slices"
)

// table files literals under what shows in a text where they may be. It finds a key by its hash, one
// slot after another from there on; three of four slots or more are empty.
type table struct {
	slots   []slot
	shift   uint // of a hash: what remains is a slot
	entries []entry
}

// slot is the literals of a key: entries[from:to]. An empty slot has none, and key 0.
type slot struct {
	key      uint64
	from, to int32
}

// entry is a literal whose key shows so many bytes behind its beginning.
type entry struct {
	key    uint64
	text   string
	id     int32
	offset int32
}

func newTable(entries []entry) table {
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.id, b.id), cmp.Compare(a.offset, b.offset))
	})
	size := bits.Len(uint(4 * len(entries)))
	t := table{make([]slot, 1<<size), uint(64 - size), entries}
	for from := 0; from < len(entries); {
		to, key := from+1, entries[from].key
		for to < len(entries) && entries[to].key == key {
			to++
		}
		*t.slot(key) = slot{key, int32(from), int32(to)}
		from = to
	}
	return t
}

// slot is the slot of a key, or the empty one where it would be.
func (t *table) slot(key uint64) *slot {
	for i := int(key * 0x9e3779b97f4a7c15 >> (t.shift & 63)); ; i++ {
		if s := &t.slots[i&(len(t.slots)-1)]; s.key == key || s.to == 0 {
			return s
		}
	}
}

// find returns the literals of a key.
func (t *table) find(key uint64) []entry {
	s := t.slot(key)
	return t.entries[s.from:s.to]
}
