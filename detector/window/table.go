// Package window keeps what rules count and remember: cells by key, on event time, in bounded
// memory. It is pure. Times are microseconds since 1970 UTC.
//
// A Table keeps cells by key and forgets the ones unused longest where a limit is met, those of
// the credential that made too many first. The cells are a count, a sum, a set, a sequence under
// way, an awaited event, a quiet time. All can be written to bytes and read back, and then behave
// as they would have: what a table forgets next hangs on the order of use, which is kept too.
package window

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"
)

// Key names a cell: a digest that the caller makes of tenant, rule and the key's values.
type Key [16]byte

// Cell is what a table keeps.
type Cell[C any] interface {
	*C
	// Append writes the cell.
	Append(dst []byte) []byte
	// Decode reads what Append wrote, and returns what is left.
	Decode(src []byte) (rest []byte, err error)
	// Size is how many bytes the cell holds beside itself.
	Size() int
}

// Limits bound a table.
type Limits struct {
	// Bytes is what the table may hold, index and all; ShareBytes what the keys of one
	// credential may.
	Bytes, ShareBytes int
}

// Table keeps cells by key. It belongs to one goroutine.
type Table[C any, P Cell[C]] struct {
	limits Limits
	pages  []*[pageEntries]entry[C] // pages, so that growing copies no cell
	free   []uint32                 // places of cells that are gone
	made   uint32                   // places that were ever used
	index  []uint32                 // open addressing by key: place + 1
	cells  int
	bytes  int

	shares  []share
	shareOf map[uint64]uint32

	round   uint32 // of changes: it ends when they are taken
	deleted []Key
	evicted uint64
}

const (
	pageEntries = 256
	leastIndex  = 64
	none        = ^uint32(0)
)

// entry is a cell in its share's list, which is in the order of use.
type entry[C any] struct {
	key          Key
	received     int64 // of the last use
	share        uint32
	newer, older uint32
	changed      uint32 // the round of the last change
	size         int32
	cell         C
}

// share is what one credential's keys hold.
type share struct {
	id             uint64
	newest, oldest uint32
	bytes          int
}

// NewTable returns an empty table.
func NewTable[C any, P Cell[C]](limits Limits) *Table[C, P] {
	return &Table[C, P]{limits: limits, shareOf: map[uint64]uint32{}, round: 1}
}

// entryBytes is what a cell takes beside what it holds: itself and its part of the index.
func (t *Table[C, P]) entryBytes() int { return int(unsafe.Sizeof(entry[C]{})) + 8 }

// Len is the number of cells.
func (t *Table[C, P]) Len() int { return t.cells }

// Bytes is what the table holds.
func (t *Table[C, P]) Bytes() int { return t.bytes }

// Evicted is how many cells were forgotten for want of room so far.
func (t *Table[C, P]) Evicted() uint64 { return t.evicted }

func (t *Table[C, P]) at(place uint32) *entry[C] {
	return &t.pages[place/pageEntries][place%pageEntries]
}

func (k Key) hash() uint64 { return binary.LittleEndian.Uint64(k[:]) }

// slot is where in the index a key is, or would be.
func (t *Table[C, P]) slot(key Key) (slot uint64, found bool) {
	mask := uint64(len(t.index) - 1)
	for slot = key.hash() & mask; t.index[slot] != 0; slot = (slot + 1) & mask {
		if t.at(t.index[slot]-1).key == key {
			return slot, true
		}
	}
	return slot, false
}

// Find returns a cell without using it.
func (t *Table[C, P]) Find(key Key) (P, bool) {
	if t.cells == 0 {
		return nil, false
	}
	slot, found := t.slot(key)
	if !found {
		return nil, false
	}
	return P(&t.at(t.index[slot] - 1).cell), true
}

// Each calls do for every cell until it returns false. It must not change the table.
func (t *Table[C, P]) Each(do func(Key, P) bool) {
	for _, at := range t.index {
		if at != 0 {
			if e := t.at(at - 1); !do(e.key, P(&e.cell)) {
				return
			}
		}
	}
}

// Update lets change a key's cell, which is made where there is none, and counts it as used at
// that time of the collector's clock. A cell of which change returns false is deleted. Then the
// limits are kept: a share over its own forgets its cells unused longest, a table over its own
// those of the share that holds most; never the cell that was just changed.
func (t *Table[C, P]) Update(key Key, credential uint64, received int64, change func(cell P, fresh bool) (keep bool)) {
	if 4*(t.cells+1) > 3*len(t.index) {
		t.grow()
	}
	slot, found := t.slot(key)
	if !found {
		t.insert(slot, key, credential)
	} else {
		t.unlink(t.index[slot] - 1)
	}
	place := t.index[slot] - 1
	e := t.at(place)
	t.link(place)
	e.received, e.changed = received, t.round
	if !change(P(&e.cell), !found) {
		t.delete(place)
		t.deleted = append(t.deleted, key)
		return
	}
	t.resize(e)
	t.keepLimits(place)
}

func (t *Table[C, P]) insert(slot uint64, key Key, credential uint64) {
	id, known := t.shareOf[credential]
	if !known {
		id = uint32(len(t.shares))
		t.shareOf[credential] = id
		t.shares = append(t.shares, share{id: credential, newest: none, oldest: none})
	}
	var place uint32
	if n := len(t.free); n > 0 {
		place, t.free = t.free[n-1], t.free[:n-1]
	} else {
		place = t.made
		t.made++
		if int(place/pageEntries) == len(t.pages) {
			t.pages = append(t.pages, new([pageEntries]entry[C]))
		}
	}
	*t.at(place) = entry[C]{key: key, share: id}
	t.index[slot] = place + 1
	t.cells++
	t.bytes += t.entryBytes()
	t.shares[id].bytes += t.entryBytes()
}

// resize takes account of what a changed cell holds.
func (t *Table[C, P]) resize(e *entry[C]) {
	size := int32(P(&e.cell).Size())
	t.bytes += int(size - e.size)
	t.shares[e.share].bytes += int(size - e.size)
	e.size = size
}

func (t *Table[C, P]) keepLimits(but uint32) {
	own := t.at(but).share
	for t.shares[own].bytes > t.limits.ShareBytes && t.evict(own, but) {
	}
	for t.bytes > t.limits.Bytes {
		most := own
		for id := range t.shares {
			s, m := &t.shares[id], &t.shares[most]
			if s.bytes > m.bytes || s.bytes == m.bytes && s.id > m.id { // the order in which shares came is not kept
				most = uint32(id)
			}
		}
		if !t.evict(most, but) {
			return
		}
	}
}

// evict forgets a share's cell unused longest, and reports false where that is the one to keep.
func (t *Table[C, P]) evict(id, but uint32) bool {
	oldest := t.shares[id].oldest
	if oldest == but || oldest == none {
		return false
	}
	t.deleted = append(t.deleted, t.at(oldest).key)
	t.delete(oldest)
	t.evicted++
	return true
}

// Sweep forgets the cells that were last used before a time of the collector's clock, and
// returns how many.
func (t *Table[C, P]) Sweep(before int64) int {
	n := 0
	for id := range t.shares {
		for {
			oldest := t.shares[id].oldest
			if oldest == none || t.at(oldest).received >= before {
				break
			}
			t.deleted = append(t.deleted, t.at(oldest).key)
			t.delete(oldest)
			n++
		}
	}
	return n
}

// delete takes a cell out of list and index. Cells behind it in the index move up, so that
// nothing marks its place.
func (t *Table[C, P]) delete(place uint32) {
	e := t.at(place)
	t.unlink(place)
	t.cells--
	t.bytes -= t.entryBytes() + int(e.size)
	t.shares[e.share].bytes -= t.entryBytes() + int(e.size)
	mask := uint64(len(t.index) - 1)
	hole, _ := t.slot(e.key)
	for next := (hole + 1) & mask; t.index[next] != 0; next = (next + 1) & mask {
		home := t.at(t.index[next]-1).key.hash() & mask
		if (next-home)&mask >= (next-hole)&mask {
			t.index[hole] = t.index[next]
			hole = next
		}
	}
	t.index[hole] = 0
	*e = entry[C]{}
	t.free = append(t.free, place)
}

func (t *Table[C, P]) grow() {
	old := t.index
	t.index = make([]uint32, max(leastIndex, 2*len(old)))
	mask := uint64(len(t.index) - 1)
	for _, at := range old {
		if at == 0 {
			continue
		}
		slot := t.at(at-1).key.hash() & mask
		for t.index[slot] != 0 {
			slot = (slot + 1) & mask
		}
		t.index[slot] = at
	}
}

// link makes an entry its share's newest.
func (t *Table[C, P]) link(place uint32) {
	e := t.at(place)
	s := &t.shares[e.share]
	e.newer, e.older = none, s.newest
	if s.newest != none {
		t.at(s.newest).newer = place
	} else {
		s.oldest = place
	}
	s.newest = place
}

func (t *Table[C, P]) unlink(place uint32) {
	e := t.at(place)
	s := &t.shares[e.share]
	if e.newer != none {
		t.at(e.newer).older = e.older
	} else {
		s.newest = e.older
	}
	if e.older != none {
		t.at(e.older).newer = e.newer
	} else {
		s.oldest = e.newer
	}
}

// What an encoded entry begins with.
const (
	entryDeleted = 0
	entryCell    = 1
)

// Changes gives what changed since it was last called, an entry at a time: first the keys that
// were deleted, then the cells that were used, of each share the least lately used first, so that
// Apply in this order makes the same table. An entry's bytes are good until the next.
func (t *Table[C, P]) Changes(give func(entry []byte)) { t.write(give, t.round) }

// All gives every cell as Changes does.
func (t *Table[C, P]) All(give func(entry []byte)) { t.write(give, 0) }

func (t *Table[C, P]) write(give func([]byte), since uint32) {
	var buffer []byte
	if since > 0 {
		for _, key := range t.deleted {
			buffer = append(append(buffer[:0], entryDeleted), key[:]...)
			give(buffer)
		}
	}
	t.deleted = t.deleted[:0]
	for id := range t.shares {
		first := none
		for place := t.shares[id].newest; place != none && t.at(place).changed >= since; place = t.at(place).older {
			first = place
		}
		for place := first; place != none; place = t.at(place).newer {
			e := t.at(place)
			buffer = append(append(buffer[:0], entryCell), e.key[:]...)
			buffer = binary.LittleEndian.AppendUint64(buffer, t.shares[id].id)
			buffer = binary.AppendVarint(buffer, e.received)
			buffer = P(&e.cell).Append(buffer)
			give(buffer)
		}
	}
	t.round++
}

var errShort = errors.New("it ends early")

// Apply reads one entry.
func (t *Table[C, P]) Apply(data []byte) error {
	if len(data) < 1+len(Key{}) {
		return fmt.Errorf("reading a cell: %w", errShort)
	}
	key := Key(data[1:])
	rest := data[1+len(key):]
	switch data[0] {
	case entryDeleted:
		if t.cells > 0 {
			if slot, found := t.slot(key); found {
				t.delete(t.index[slot] - 1)
			}
		}
		return nil
	case entryCell:
	default:
		return fmt.Errorf("reading a cell: an entry of kind %d", data[0])
	}
	if len(rest) < 8 {
		return fmt.Errorf("reading a cell: %w", errShort)
	}
	credential := binary.LittleEndian.Uint64(rest)
	received, n := binary.Varint(rest[8:])
	if n <= 0 {
		return fmt.Errorf("reading a cell: %w", errShort)
	}
	var err error
	t.Update(key, credential, received, func(cell P, _ bool) bool {
		*cell = *new(C)
		rest, err = cell.Decode(rest[8+n:])
		return err == nil
	})
	switch {
	case err != nil:
		return fmt.Errorf("reading a cell: %w", err)
	case len(rest) > 0:
		return fmt.Errorf("reading a cell: %d bytes too many", len(rest))
	}
	return nil
}

// Restored ends a series of Apply: what was read is no change.
func (t *Table[C, P]) Restored() {
	t.deleted = t.deleted[:0]
	t.round++
}
