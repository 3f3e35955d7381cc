// Package window keeps what rules count and remember: cells by key, on event time, in bounded
// memory. It is pure. Times are microseconds since 1970 UTC.
//
// A Table keeps cells by key and forgets the ones unused longest where a limit is met, those of
// the credential that made too many first. The cells are a count, a sum, a set, a sequence under
// way, an awaited event, a quiet time. All can be written to bytes and read back, and then behave
// as they would have: what a table forgets next hangs on the order of use, which is kept too.
package window

import (
	"cmp"
	"encoding/binary"
	"slices"
	"unsafe"
)

// Key names a cell: a digest that the caller makes of tenant, rule and the key's values.
type Key [16]byte

// Cell is what a table keeps.
type Cell[C any] interface {
	*C
	// Append writes the cell.
	Append(dst []byte) []byte
	// Decode makes a new cell of what Append wrote, and returns what is left. It allocates no
	// more than a small multiple of what it reads.
	Decode(src []byte) (rest []byte, err error)
	// Size is how many bytes the cell holds beside itself. Equal cells have equal sizes,
	// however they came to be.
	Size() int
}

// Limits bound a table.
type Limits struct {
	// Bytes is what the table may hold, index and all; ShareBytes what the keys of one
	// credential may. So the lesser of the two bounds a key: one that alone is over it is not kept.
	Bytes, ShareBytes int
}

// Table keeps cells by key. It belongs to one goroutine.
//
// Each key belongs to the share of the credential that made it. Bytes are counted by what is
// held, at the worst filling of the index; pages and index are kept for keys to come. Beside the
// limits stand 16 bytes for each key that was written and is gone, until the next writing.
type Table[C any, P Cell[C]] struct {
	limits Limits
	index  index
	pages  []*page[C] // pages, so that growing copies no cell
	slots  uint32     // how many were ever in use; slot 0 never is
	free   []uint32   // those given back
	shares shares
	bytes  int

	gone    []Key // keys that were written and are held no more
	scratch C
	buffer  []byte
	evicted uint64
}

// pageCells makes a page of counts 8 KiB, which the allocator has a size for.
const pageCells = 128

type page[C any] [pageCells]entry[C]

// entry is one cache line for a count.
type entry[C any] struct {
	key   Key
	used  int64  // by the collector's clock
	turn  uint32 // its place in the queue of its share
	owner uint32 // twice the number of its share, and 1 more once it was written
	cell  C
}

func (e *entry[C]) share() uint32 { return e.owner >> 1 }

func (e *entry[C]) written() bool { return e.owner&1 != 0 }

func (e *entry[C]) write() { e.owner |= 1 }

// NewTable returns an empty table.
func NewTable[C any, P Cell[C]](limits Limits) *Table[C, P] {
	return &Table[C, P]{limits: limits, shares: newShares(), slots: 1}
}

// cellBytes is what a cell takes beside what it holds: itself, its part of the index, and its turn.
func (t *Table[C, P]) cellBytes() int {
	return int(unsafe.Sizeof(entry[C]{})) + indexBytes + queueBytes
}

// Len is the number of cells.
func (t *Table[C, P]) Len() int { return t.index.held }

// Bytes is what the table holds.
func (t *Table[C, P]) Bytes() int { return t.bytes }

// Most is how many bytes the table may hold, and how many cells at most fit in them.
func (t *Table[C, P]) Most() (bytes, cells int) {
	return t.limits.Bytes, t.limits.Bytes / t.cellBytes()
}

// Evicted is how many cells were forgotten for want of room so far.
func (t *Table[C, P]) Evicted() uint64 { return t.evicted }

// Find returns a cell without using it.
func (t *Table[C, P]) Find(key Key) (P, bool) {
	slot := t.find(key)
	if slot == 0 {
		return nil, false
	}
	return &t.entry(slot).cell, true
}

// Each calls do for every cell until it returns false, in an order that hangs on the content
// alone. It must not change the table.
func (t *Table[C, P]) Each(do func(Key, P) bool) {
	order := slices.Clone(t.shares.heap)
	slices.SortFunc(order, func(a, b uint32) int { return cmp.Compare(t.shares.all[a].id, t.shares.all[b].id) })
	for _, n := range order {
		for _, slot := range t.shares.all[n].queue {
			if slot == 0 {
				continue
			}
			if e := t.entry(slot); !do(e.key, &e.cell) {
				return
			}
		}
	}
}

// Update lets change a key's cell, which is made where there is none, and counts it as used at
// that time of the collector's clock. A cell of which change returns false is deleted. Then the
// limits are kept: a share over its own forgets its cells unused longest, a table over its own
// those of the share that holds most; the cell that was just changed only where it alone is over.
// A key that is there stays with the credential that made it. change must not use the table.
func (t *Table[C, P]) Update(key Key, credential uint64, received int64, change func(cell P, fresh bool) (keep bool)) {
	slot := t.find(key)
	fresh := slot == 0
	if fresh {
		slot = t.insert(key, credential)
	} else {
		t.renew(slot)
	}
	e := t.entry(slot)
	e.used = received
	share := e.share()
	t.shares.mark(share)
	cell := P(&e.cell)
	before := cell.Size()
	keep := change(cell, fresh)
	if size := cell.Size(); size != before {
		t.resize(share, size-before)
	}
	switch {
	case !keep:
		t.forget(slot)
	case t.shares.all[share].bytes > t.limits.ShareBytes || t.bytes > t.limits.Bytes:
		t.keepLimits(slot)
	}
}

// keepLimits evicts until the limits hold. The cell of the slot, just used, goes only if it alone
// is over.
func (t *Table[C, P]) keepLimits(slot uint32) {
	e := t.entry(slot)
	if shareBytes+t.cellBytes()+P(&e.cell).Size() > min(t.limits.ShareBytes, t.limits.Bytes) {
		t.evict(slot)
		slot = 0
	} else {
		for n := e.share(); t.shares.all[n].bytes > t.limits.ShareBytes; {
			t.evict(t.shares.oldest(n))
		}
	}
	for t.bytes > t.limits.Bytes {
		t.evict(t.shares.victim(slot))
	}
}

// SetLimits gives the table other limits, and forgets at once what is over them.
func (t *Table[C, P]) SetLimits(limits Limits) {
	t.limits = limits
	for n := range t.shares.all {
		for t.shares.all[n].bytes > limits.ShareBytes {
			t.evict(t.shares.oldest(uint32(n)))
		}
	}
	for t.bytes > limits.Bytes {
		t.evict(t.shares.victim(0))
	}
}

// Sweep forgets the cells that were last used before a time of the collector's clock, and
// returns how many. It looks no further into a share than its first cell used since, so it costs
// what it forgets; a cell behind one that was used by a clock ahead waits for that one.
func (t *Table[C, P]) Sweep(before int64) int {
	held := t.Len()
	for n := range t.shares.all {
		for slot := t.shares.oldest(uint32(n)); slot != 0 && t.entry(slot).used < before; slot = t.shares.oldest(uint32(n)) {
			t.forget(slot)
		}
	}
	return held - t.Len()
}

// Prune forgets the cells last used before a time of the collector's clock that are not needed, and
// returns how many. It looks at every cell.
func (t *Table[C, P]) Prune(before int64, needed func(P) bool) int {
	held := t.Len()
	for n := range t.shares.all {
		for _, slot := range t.shares.all[n].queue {
			if slot != 0 && t.entry(slot).used < before && !needed(&t.entry(slot).cell) {
				t.forget(slot)
			}
		}
	}
	return held - t.Len()
}

func (t *Table[C, P]) evict(slot uint32) {
	t.evicted++
	t.forget(slot)
}

// forget removes a cell, and remembers its key where it was written.
func (t *Table[C, P]) forget(slot uint32) {
	if e := t.entry(slot); e.written() {
		t.gone = append(t.gone, e.key)
	}
	t.remove(slot)
}

func (t *Table[C, P]) entry(slot uint32) *entry[C] {
	return &t.pages[slot/pageCells][slot%pageCells]
}

// find returns the slot of a key, or 0.
func (t *Table[C, P]) find(key Key) uint32 {
	if t.index.held == 0 {
		return 0
	}
	tag := tagOf(key)
	mask := uint32(len(t.index.places) - 1)
	for i := tag & mask; ; i = (i + 1) & mask {
		place := t.index.places[i]
		if place == 0 {
			return 0
		}
		if slot := uint32(place); uint32(place>>32) == tag && t.entry(slot).key == key {
			return slot
		}
	}
}

// tagOf is the part of a key that the index keeps.
func tagOf(key Key) uint32 { return binary.LittleEndian.Uint32(key[:4]) }

// insert makes a cell, the newest of its share.
func (t *Table[C, P]) insert(key Key, credential uint64) uint32 {
	slot := t.slots
	if last := len(t.free) - 1; last >= 0 {
		slot = t.free[last]
		t.free = t.free[:last]
	} else {
		t.slots++
		if int(slot/pageCells) == len(t.pages) {
			t.pages = append(t.pages, new(page[C]))
		}
	}
	n, fresh := t.shares.get(credential)
	if fresh {
		t.bytes += shareBytes
	}
	e := t.entry(slot)
	e.key, e.owner = key, n<<1
	t.index.add(tagOf(key), slot)
	t.push(slot)
	t.resize(n, t.cellBytes())
	return slot
}

// remove gives a slot back, and its share with the last cell.
func (t *Table[C, P]) remove(slot uint32) {
	e := t.entry(slot)
	n := e.share()
	t.index.remove(tagOf(e.key), slot)
	t.resize(n, -t.cellBytes()-P(&e.cell).Size())
	t.shares.leave(n, e.turn)
	*e = entry[C]{}
	t.free = append(t.free, slot)
	if t.shares.all[n].waiting == 0 {
		t.shares.drop(n)
		t.bytes -= shareBytes
	}
}

// resize counts bytes of a share.
func (t *Table[C, P]) resize(share uint32, by int) {
	t.bytes += by
	t.shares.resize(share, by)
}

// renew makes a cell the newest of its share.
func (t *Table[C, P]) renew(slot uint32) {
	e := t.entry(slot)
	if n := e.share(); !t.shares.last(n, e.turn) {
		t.shares.leave(n, e.turn)
		t.push(slot)
	}
}

// push puts a cell at the end of its share's queue.
func (t *Table[C, P]) push(slot uint32) {
	e := t.entry(slot)
	s := &t.shares.all[e.share()]
	if len(s.queue) == cap(s.queue) {
		for turn, slot := range s.close() {
			t.entry(slot).turn = uint32(turn)
		}
	}
	e.turn = uint32(len(s.queue))
	s.queue = append(s.queue, slot)
	s.waiting++
}
