package window

import (
	"encoding/binary"
	"fmt"
)

// What an encoded entry begins with. A key follows, and for a cell its credential, its last use
// and itself.
const (
	entryGone = 0
	entryCell = 1
)

// Changes gives what changed since Changes or All was last called, an entry at a time: first the
// keys that are gone, then the cells that were used, of each share the least lately used first, so
// that Apply in this order makes the same table. An entry's bytes are good until the next.
func (t *Table[C, P]) Changes(give func(entry []byte)) {
	for _, key := range t.gone {
		t.buffer = append(append(t.buffer[:0], entryGone), key[:]...)
		give(t.buffer)
	}
	t.gone = nil
	for _, n := range t.shares.dirty {
		s := &t.shares.all[n]
		for _, slot := range s.queue[s.written:] {
			if slot != 0 {
				t.give(slot, s.id, give)
			}
		}
		s.written, s.dirty = uint32(len(s.queue)), 0
	}
	t.shares.dirty = t.shares.dirty[:0]
}

// All gives every cell as Changes does. What was given before is of no use any more.
func (t *Table[C, P]) All(give func(entry []byte)) {
	t.gone = nil
	for _, n := range t.shares.heap {
		t.shares.all[n].written = 0
		t.shares.soil(n)
	}
	t.Changes(give)
}

func (t *Table[C, P]) give(slot uint32, credential uint64, to func([]byte)) {
	e := t.entry(slot)
	t.buffer = append(append(t.buffer[:0], entryCell), e.key[:]...)
	t.buffer = binary.LittleEndian.AppendUint64(t.buffer, credential)
	t.buffer = binary.AppendVarint(t.buffer, e.used)
	t.buffer = P(&e.cell).Append(t.buffer)
	e.write()
	to(t.buffer)
}

// Apply reads one entry. It evicts nothing, since the entries that follow may make room. After
// an error the table is as it was.
func (t *Table[C, P]) Apply(entry []byte) error {
	r := reader{rest: entry}
	kind := r.byte()
	var key Key
	copy(key[:], r.bytes(len(key)))
	switch {
	case r.err != nil:
	case kind == entryGone:
		if slot := t.find(key); slot != 0 && len(r.rest) == 0 {
			t.remove(slot)
		}
	case kind == entryCell:
		credential, used := r.word(), r.int()
		if r.err != nil {
			break
		}
		cell := P(&t.scratch)
		*cell = *new(C)
		if r.rest, r.err = cell.Decode(r.rest); r.err == nil && len(r.rest) == 0 {
			t.set(key, credential, used, cell)
		}
	default:
		return fmt.Errorf("reading a cell: an entry of kind %d", kind)
	}
	switch {
	case r.err != nil:
		return fmt.Errorf("reading a cell: %w", r.err)
	case len(r.rest) > 0:
		return fmt.Errorf("reading a cell: %d bytes too many", len(r.rest))
	}
	return nil
}

// set makes a cell what was written of it, the newest of its share.
func (t *Table[C, P]) set(key Key, credential uint64, used int64, cell P) {
	slot := t.find(key)
	if slot != 0 && t.shares.all[t.entry(slot).share()].id != credential {
		t.remove(slot)
		slot = 0
	}
	if slot == 0 {
		slot = t.insert(key, credential)
	} else {
		t.renew(slot)
	}
	e := t.entry(slot)
	if by := cell.Size() - P(&e.cell).Size(); by != 0 {
		t.resize(e.share(), by)
	}
	e.used, e.cell = used, *cell
	e.write()
	t.shares.unmark(e.share())
}

// Restored ends a series of Apply: the limits hold again.
func (t *Table[C, P]) Restored() { t.SetLimits(t.limits) }
