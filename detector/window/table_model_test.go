package window_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/detector/window"
)

// text is a cell of any size.
type text struct{ s []byte }

func (c *text) Size() int { return len(c.s) }

func (c *text) Append(dst []byte) []byte { return append(append(dst, byte(len(c.s))), c.s...) }

func (c *text) Decode(src []byte) ([]byte, error) {
	if len(src) == 0 || int(src[0]) > len(src)-1 {
		return nil, errors.New("cut short")
	}
	c.s = bytes.Clone(src[1 : 1+src[0]])
	return src[1+src[0]:], nil
}

type texts = window.Table[text, *text]

// model is a table as its documentation says, in the plainest way.
type model struct {
	limits  window.Limits
	cost    int
	cells   []modelCell // least recently used first
	evicted uint64
}

type modelCell struct {
	key   window.Key
	share uint64
	used  int64
	text  string
}

func (m *model) bytes() map[uint64]int {
	held := map[uint64]int{}
	for _, c := range m.cells {
		if held[c.share] == 0 {
			held[c.share] = window.ShareBytes
		}
		held[c.share] += m.cost + len(c.text)
	}
	return held
}

func (m *model) total() (n int) {
	for _, b := range m.bytes() {
		n += b
	}
	return n
}

func (m *model) find(key window.Key) int {
	return slices.IndexFunc(m.cells, func(c modelCell) bool { return c.key == key })
}

func (m *model) delete(i int) { m.cells = slices.Delete(m.cells, i, i+1) }

func (m *model) evictOldest(share uint64) {
	m.delete(slices.IndexFunc(m.cells, func(c modelCell) bool { return c.share == share }))
	m.evicted++
}

func (m *model) update(key window.Key, share uint64, received int64, s string, keep bool) (before string, fresh bool) {
	cell := modelCell{key, share, received, s}
	i := m.find(key)
	if fresh = i < 0; !fresh {
		before, cell.share = m.cells[i].text, m.cells[i].share
		m.delete(i)
	}
	if !keep {
		return before, fresh
	}
	m.cells = append(m.cells, cell)
	if window.ShareBytes+m.cost+len(s) > min(m.limits.Bytes, m.limits.ShareBytes) {
		m.delete(len(m.cells) - 1)
		m.evicted++
		key = window.Key{0: 0xff} // nobody's
	} else {
		m.keepShare(cell.share)
	}
	m.keepTable(key)
	return before, fresh
}

func (m *model) keepShare(share uint64) {
	for m.bytes()[share] > m.limits.ShareBytes {
		m.evictOldest(share)
	}
}

func (m *model) keepTable(but window.Key) {
	for m.total() > m.limits.Bytes {
		held := m.bytes()
		shares := []uint64{}
		for share := range held {
			shares = append(shares, share)
		}
		slices.SortFunc(shares, func(a, b uint64) int {
			return cmp.Or(cmp.Compare(held[b], held[a]), cmp.Compare(a, b))
		})
		i := slices.IndexFunc(m.cells, func(c modelCell) bool { return c.share == shares[0] })
		if m.cells[i].key == but {
			m.evictOldest(shares[1])
		} else {
			m.evictOldest(shares[0])
		}
	}
}

func (m *model) setLimits(limits window.Limits) {
	m.limits = limits
	for share := range m.bytes() {
		m.keepShare(share)
	}
	m.keepTable(window.Key{0: 0xff})
}

func (m *model) sweep(before int64) int {
	held := len(m.cells)
	spared := map[uint64]bool{}
	m.cells = slices.DeleteFunc(m.cells, func(c modelCell) bool {
		spared[c.share] = spared[c.share] || c.used >= before
		return !spared[c.share]
	})
	return held - len(m.cells)
}

// content is the cells in the order of Each.
func (m *model) content() (all []string) {
	order := slices.Clone(m.cells)
	slices.SortStableFunc(order, func(a, b modelCell) int { return cmp.Compare(a.share, b.share) })
	for _, c := range order {
		all = append(all, string(c.key[:])+c.text)
	}
	return all
}

func content(t *texts) (all []string) {
	t.Each(func(k window.Key, c *text) bool {
		all = append(all, string(k[:])+string(c.s))
		return true
	})
	return all
}

// someKey is one of few, whose places in a small index are the same, adjacent, or at its end.
var someKey = rapid.Custom(func(t *rapid.T) (k window.Key) {
	binary.LittleEndian.PutUint32(k[:4], rapid.SampledFrom([]uint32{0, 1, 14, 15, 16, 30, 31, 1<<31 + 15}).Draw(t, "tag"))
	k[15] = rapid.ByteRange(0, 3).Draw(t, "rest")
	return k
})

func someLimits(t *rapid.T) window.Limits {
	return window.Limits{
		Bytes:      rapid.IntRange(0, 3000).Draw(t, "bytes"),
		ShareBytes: rapid.IntRange(0, 1500).Draw(t, "share bytes"),
	}
}

// run is the model, tables that lived through the same and tables read back on the way.
type run struct {
	model  *model
	tables []*texts
	// before is what the model had evicted when the table was made.
	before []uint64
	log    [][]byte // what the last table wrote, or was read back from
}

func (r *run) update(t *rapid.T) {
	key, share := someKey.Draw(t, "key"), rapid.Uint64Range(1, 4).Draw(t, "share")
	received := rapid.Int64Range(0, 20).Draw(t, "received")
	s := rapid.SampledFrom([]string{"", "x", "some text", string(make([]byte, 200))}).Draw(t, "text")
	keep := rapid.IntRange(0, 4).Draw(t, "delete") > 0
	was, fresh := r.model.update(key, share, received, s, keep)
	for _, table := range r.tables {
		table.Update(key, share, received, func(c *text, gotFresh bool) bool {
			if string(c.s) != was || gotFresh != fresh {
				t.Fatalf("Update gives %q, %t; want %q, %t", c.s, gotFresh, was, fresh)
			}
			c.s = []byte(s)
			return keep
		})
	}
}

func (r *run) find(t *rapid.T) {
	key := someKey.Draw(t, "key")
	i := r.model.find(key)
	for _, table := range r.tables {
		if cell, ok := table.Find(key); ok != (i >= 0) || ok && string(cell.s) != r.model.cells[i].text {
			t.Fatalf("Find = %v, %t; the model has %d", cell, ok, i)
		}
	}
}

func (r *run) sweep(t *rapid.T) {
	time := rapid.Int64Range(0, 20).Draw(t, "before")
	n := r.model.sweep(time)
	for _, table := range r.tables {
		if got := table.Sweep(time); got != n {
			t.Fatalf("Sweep = %d, want %d", got, n)
		}
	}
}

func (r *run) prune(t *rapid.T) {
	time := rapid.Int64Range(0, 20).Draw(t, "before")
	odd := func(s string) bool { return len(s)%2 == 1 }
	held := len(r.model.cells)
	r.model.cells = slices.DeleteFunc(r.model.cells, func(c modelCell) bool { return c.used < time && !odd(c.text) })
	for _, table := range r.tables {
		if got := table.Prune(time, func(c *text) bool { return odd(string(c.s)) }); got != held-len(r.model.cells) {
			t.Fatalf("Prune = %d, want %d", got, held-len(r.model.cells))
		}
	}
}

func (r *run) setLimits(t *rapid.T) {
	limits := someLimits(t)
	r.model.setLimits(limits)
	for _, table := range r.tables {
		table.SetLimits(limits)
	}
}

func (r *run) checkpoint(t *rapid.T) {
	last := r.tables[len(r.tables)-1]
	keep := func(entry []byte) { r.log = append(r.log, slices.Clone(entry)) }
	if rapid.Bool().Draw(t, "all") {
		r.log = nil
		last.All(keep)
	} else {
		last.Changes(keep)
	}
	restored := window.NewTable[text](r.model.limits)
	for _, entry := range r.log {
		if err := restored.Apply(entry); err != nil {
			t.Fatal(err)
		}
	}
	restored.Restored()
	r.tables, r.before = append(r.tables, restored), append(r.before, r.model.evicted)
	if len(r.tables) > 3 {
		r.tables, r.before = r.tables[1:], r.before[1:]
	}
}

func (r *run) check(t *rapid.T) {
	want := r.model.content()
	for i, table := range r.tables {
		if got := content(table); !slices.Equal(got, want) {
			t.Fatalf("table %d holds %q, want %q", i, got, want)
		}
		if table.Len() != len(r.model.cells) || table.Bytes() != r.model.total() {
			t.Fatalf("Len, Bytes = %d, %d; want %d, %d", table.Len(), table.Bytes(), len(r.model.cells), r.model.total())
		}
		if got := table.Evicted(); got != r.model.evicted-r.before[i] {
			t.Fatalf("Evicted = %d, want %d", got, r.model.evicted-r.before[i])
		}
		if used, _ := table.Shares(); used != len(r.model.bytes()) {
			t.Fatalf("%d shares, want %d", used, len(r.model.bytes()))
		}
	}
}

// TestTableIsWhatItSaysAndSoIsOneReadBack runs random calls on the model and on tables: one that
// lives through it all, and those read back on the way, which go on as the one that was written.
func TestTableIsWhatItSaysAndSoIsOneReadBack(t *testing.T) {
	evicted := uint64(0)
	rapid.Check(t, func(t *rapid.T) {
		limits := someLimits(t)
		table := window.NewTable[text](limits)
		r := run{model: &model{limits: limits, cost: table.CellBytes()}, tables: []*texts{table}, before: []uint64{0}}
		t.Repeat(map[string]func(*rapid.T){
			"update": r.update, "update again": r.update, "find": r.find, "sweep": r.sweep, "prune": r.prune,
			"limits": r.setLimits, "checkpoint": r.checkpoint, "": r.check,
		})
		evicted += r.model.evicted
	})
	if evicted == 0 {
		t.Error("nothing was forgotten: it was not put to the test")
	}
}
