package window_test

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/mcpwatch/mcpwatch/detector/window"
)

// FuzzApply holds for each kind of cell that an entry is refused or means what it says: what is
// written again is read as the same, holds no more than a multiple of the source, and a cell that
// was read is fit for use.
func FuzzApply(f *testing.F) {
	for kind := range byte(8) {
		f.Add(kind, []byte{})
		f.Add(kind, make([]byte, 17))
	}
	for kind, entry := range someEntries() {
		f.Add(byte(kind), entry)
	}
	f.Fuzz(func(t *testing.T, kind byte, src []byte) {
		span := window.NewSpan(1)
		step := window.Step{At: 1}
		switch kind % 8 {
		case 0:
			reapply(t, src, func(c *window.Count) { c.Add(1, span); c.Add(math.MaxInt64, span) })
		case 1:
			reapply(t, src, func(c *window.Sum) { c.Add(1, span, 1); c.Add(math.MaxInt64, span, 1) })
		case 2:
			reapply(t, src, func(c *window.Distinct) { c.Values(); c.Add(1, 1, 1, "text", 3) })
		case 3:
			reapply(t, src, func(c *window.FirstSeen) { c.Add(1, 1, 1, 1, 3) })
		case 4:
			reapply(t, src, func(c *window.Sequence) {
				plan := window.Plan{Steps: 3, Within: math.MaxInt64, Lateness: 1, Since: []int{0, 0, 1}}
				c.Offer(&plan, 7, step, yes)
				c.UnderWay(&plan, yes)
			})
		case 5:
			reapply(t, src, func(c *window.Absence) {
				c.Next()
				c.Close(1, func(window.Step) bool { return true })
				c.Due(1, math.MinInt64)
				c.Open(step, 1, 1, 1, func(window.Step) bool { return true })
				c.Answer(step, 1)
			})
		case 7:
			reapply(t, src, func(c *window.Profile) { c.Write(append(c.Written(), 1)) })
		case 6:
			reapply(t, src, func(c *window.Quiet) {
				c.Next()
				c.Admit(1, 1, 1, []byte("finding"))
				c.Due(1)
			})
		}
	})
}

func reapply[C any, P window.Cell[C]](t *testing.T, src []byte, use func(P)) {
	t.Helper()
	table := window.NewTable[C, P](unlimited)
	if table.Apply(src) != nil {
		return
	}
	if most := window.ShareBytes + table.CellBytes() + 50*len(src); table.Bytes() > most {
		t.Errorf("%d bytes for a source of %d", table.Bytes(), len(src))
	}
	again := restore[C, P](t, unlimited, all(table))
	if again.Bytes() != table.Bytes() || !slices.EqualFunc(all(again), all(table), bytes.Equal) || !sameCells(table, again) {
		t.Fatalf("%x was read as %x", all(table), all(again))
	}
	var keys []window.Key
	table.Each(func(k window.Key, _ P) bool { keys = append(keys, k); return true })
	for _, k := range keys {
		table.Update(k, 0, 0, func(cell P, _ bool) bool { use(cell); return true })
	}
}

func sameCells[C any, P window.Cell[C]](a, b *window.Table[C, P]) (same bool) {
	same = a.Len() == b.Len()
	a.Each(func(k window.Key, c P) bool {
		other, there := b.Find(k)
		same = same && there && reflect.DeepEqual(*c, *other)
		return same
	})
	return same
}

// someEntries has a cell of each kind in use.
func someEntries() [][]byte {
	step := window.Step{At: 5, Like: 6, Captured: []byte("c")}
	span := window.NewSpan(1)
	return [][]byte{
		entryOf(func(c *window.Count) { c.Add(5, span) }),
		entryOf(func(c *window.Sum) { c.Add(5, span, 1.5) }),
		entryOf(func(c *window.Distinct) { c.Add(5, 10, 7, "seven", 3); c.Add(6, 10, 8, "eight", 3) }),
		entryOf(func(c *window.FirstSeen) { c.Add(5, 10, 10, 7, 3); c.Add(6, 10, 10, 8, 3) }),
		entryOf(func(c *window.Sequence) {
			c.Offer(&window.Plan{Steps: 3, Within: 10}, 1, step, yes)
			c.Offer(&window.Plan{Steps: 3, Within: 10}, 2, step, yes)
		}),
		entryOf(func(c *window.Absence) { c.Open(step, 6, 10, 2, nil); c.Answer(step, 2) }),
		entryOf(func(c *window.Quiet) { c.Admit(5, 6, 10, []byte("first")); c.Admit(6, 7, 10, nil) }),
	}
}

func entryOf[C any, P window.Cell[C]](use func(P)) []byte {
	table := window.NewTable[C, P](unlimited)
	table.Update(window.Key{1}, 3, 4, func(cell P, _ bool) bool { use(cell); return true })
	return all(table)[0]
}
