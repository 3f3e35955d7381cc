package window_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/detector/window"
)

// all is what a table writes in whole.
func all[C any, P window.Cell[C]](table *window.Table[C, P]) (entries [][]byte) {
	table.All(func(entry []byte) { entries = append(entries, slices.Clone(entry)) })
	return entries
}

func restore[C any, P window.Cell[C]](tb testing.TB, limits window.Limits, entries [][]byte) *window.Table[C, P] {
	tb.Helper()
	table := window.NewTable[C, P](limits)
	for _, entry := range entries {
		if err := table.Apply(entry); err != nil {
			tb.Fatal(err)
		}
	}
	table.Restored()
	return table
}

func use(*window.Count, bool) (keep bool) { return true }

func forget(*window.Count, bool) (keep bool) { return false }

// TestACredentialThatFloodsLosesItsOwn holds what the limits are for, whichever of the two limits
// is met and whoever came first.
func TestACredentialThatFloodsLosesItsOwn(t *testing.T) {
	for name, limits := range map[string]window.Limits{
		"the share's": {Bytes: 1 << 30, ShareBytes: 10_000},
		"the table's": {Bytes: 10_000, ShareBytes: 1 << 30},
		"both":        {Bytes: 10_000, ShareBytes: 6000},
	} {
		t.Run(name, func(t *testing.T) {
			const quiet, loud = 1, 2
			keys := digests(10_000)
			table := window.NewTable[window.Count](limits)
			for i, key := range keys[:20] {
				table.Update(key, quiet, int64(i), use)
			}
			for i, key := range keys[20:] {
				table.Update(key, loud, int64(20+i), use)
			}
			for _, key := range keys[:20] {
				if _, ok := table.Find(key); !ok {
					t.Fatal("a key of the quiet credential is gone")
				}
			}
			if _, ok := table.Find(keys[len(keys)-1]); !ok {
				t.Error("the newest key is gone")
			}
			if want := uint64(len(keys) - table.Len()); table.Evicted() != want || table.Len() < 40 {
				t.Errorf("evicted %d of %d cells, want %d", table.Evicted(), table.Len(), want)
			}
		})
	}
}

// TestCredentialsAreForgotten holds that a flood of credentials leaves nothing behind, neither in
// a table that evicts nor in one that is swept.
func TestCredentialsAreForgotten(t *testing.T) {
	table := window.NewTable[window.Count](window.Limits{Bytes: 10_000, ShareBytes: 10_000})
	for i, key := range digests(10_000) {
		table.Update(key, uint64(i), int64(i), use)
	}
	if used, room := table.Shares(); used != table.Len() || room > 100 || table.Dirty() > used || table.Bytes() > 10_000 {
		t.Errorf("%d shares in %d places, %d of them changed, for %d cells of %d bytes", used, room, table.Dirty(), table.Len(), table.Bytes())
	}
	table.Sweep(1 << 60)
	if used, _ := table.Shares(); used != 0 || table.Bytes() != 0 {
		t.Errorf("%d shares and %d bytes in an empty table", used, table.Bytes())
	}
}

// TestTableKeepsWhatWasChanged has a cell that grows until its share holds most: the one that
// holds most of the others loses a cell.
func TestTableKeepsWhatWasChanged(t *testing.T) {
	for name, shares := range map[string]struct {
		others []uint64 // one cell each
		lost   int      // the place of the one that goes
	}{
		"one other":              {others: []uint64{1}, lost: 0},
		"the first holds more":   {others: []uint64{1, 1, 2}, lost: 0},
		"the second holds more":  {others: []uint64{1, 2, 2}, lost: 1},
		"the lower of equals":    {others: []uint64{2, 1}, lost: 1},
		"the third holds more":   {others: []uint64{1, 2, 3, 3}, lost: 2},
		"the later share is low": {others: []uint64{3, 2, 1}, lost: 2},
	} {
		t.Run(name, func(t *testing.T) {
			const limit = 5000
			keys := digests(10)
			table := window.NewTable[text](window.Limits{Bytes: limit, ShareBytes: limit})
			for i, share := range shares.others {
				table.Update(keys[i], share, 0, func(*text, bool) bool { return true })
			}
			free := limit - table.Bytes() - window.ShareBytes - table.CellBytes()
			table.Update(keys[9], 9, 0, func(c *text, _ bool) bool {
				c.s = make([]byte, free+1)
				return true
			})
			if table.Evicted() != 1 || table.Bytes() > limit {
				t.Errorf("evicted %d for %d bytes", table.Evicted(), table.Bytes())
			}
			if _, ok := table.Find(keys[shares.lost]); ok {
				t.Error("the wrong one is gone")
			}
			if _, ok := table.Find(keys[9]); !ok {
				t.Error("what was changed is gone")
			}
		})
	}
}

// TestWhatAloneIsOverALimitIsNotKept holds that a key is bounded, and costs others nothing.
func TestWhatAloneIsOverALimitIsNotKept(t *testing.T) {
	keys := digests(2)
	table := window.NewTable[text](window.Limits{Bytes: 10_000, ShareBytes: 1000})
	for i, size := range []int{10, 1000} {
		table.Update(keys[i], 1, 0, func(c *text, _ bool) bool {
			c.s = make([]byte, size)
			return true
		})
	}
	_, small := table.Find(keys[0])
	_, large := table.Find(keys[1])
	if !small || large || table.Evicted() != 1 {
		t.Errorf("small %t, large %t, evicted %d", small, large, table.Evicted())
	}
}

// changes counts what a table writes as changes.
func changes(table *window.Table[window.Count, *window.Count]) (cells, gone int) {
	table.Changes(func(entry []byte) {
		if len(entry) == 17 {
			gone++
		} else {
			cells++
		}
	})
	return cells, gone
}

// TestTableWritesOnlyWhatChanged holds that a checkpoint costs what happened since the last.
func TestTableWritesOnlyWhatChanged(t *testing.T) {
	table := counts(digests(5000))
	restored := restore[window.Count](t, unlimited, all(table))
	for name, table := range map[string]*window.Table[window.Count, *window.Count]{"written": table, "restored": restored} {
		key, span := digests(5000)[2500], window.NewSpan(time.Minute)
		want := func(when string, wantCells, wantGone int) {
			t.Helper()
			if cells, gone := changes(table); cells != wantCells || gone != wantGone {
				t.Errorf("%s, %s: %d cells and %d gone, want %d and %d", name, when, cells, gone, wantCells, wantGone)
			}
		}
		want("nothing changed", 0, 0)
		table.Update(key, 0, 1, func(c *window.Count, _ bool) bool { c.Add(1, span); return true })
		want("one changed", 1, 0)
		table.Update(key, 0, 1, forget)
		want("one is gone", 0, 1)
		table.Update(key, 0, 1, use)
		table.Update(key, 0, 1, forget)
		want("one came and went", 0, 0)
		table.Update(key, 0, 1, use)
		want("it came back", 1, 0)
		table.Update(key, 0, 1, forget)
		table.Update(key, 0, 1, use)
		want("it went and came back", 1, 1)
	}
}

// TestAllGivesNothingThatIsGone holds that a whole is no longer than what is there, and that what
// was changed before something was read back is written.
func TestAllGivesNothingThatIsGone(t *testing.T) {
	keys := digests(3)
	table := counts(keys[:2])
	changes(table)
	table.Update(keys[0], 0, 0, forget)
	if entries := all(table); len(entries) != 1 || len(entries[0]) == 17 {
		t.Errorf("it gives %x", entries)
	}
	table.Update(keys[0], 3, 0, use)
	other := window.NewTable[window.Count](unlimited)
	other.Update(keys[2], 3, 0, use)
	if err := table.Apply(all(other)[0]); err != nil {
		t.Fatal(err)
	}
	written := false
	table.Changes(func(entry []byte) { written = written || bytes.Equal(entry[1:17], keys[0][:]) })
	if !written {
		t.Error("what had changed is not written")
	}
}

// TestChangesMakeTheSameTable follows a table of a few shares, whose queues are closed again and
// again, with one that is read back from its changes alone.
func TestChangesMakeTheSameTable(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	keys := digests(60)
	limits := window.Limits{Bytes: 50 * 110, ShareBytes: 30 * 110}
	table, follower := window.NewTable[window.Count](limits), window.NewTable[window.Count](limits)
	span := window.NewSpan(time.Minute)
	order := func(table *window.Table[window.Count, *window.Count]) (all []window.Key) {
		table.Each(func(k window.Key, _ *window.Count) bool { all = append(all, k); return true })
		return all
	}
	for i := range 20_000 {
		n := random.IntN(len(keys))
		table.Update(keys[n], uint64(n%3), int64(i), func(c *window.Count, _ bool) bool {
			c.Add(int64(i), span)
			return random.IntN(30) > 0
		})
		if random.IntN(8) > 0 {
			continue
		}
		table.Changes(func(entry []byte) {
			if err := follower.Apply(entry); err != nil {
				t.Fatal(err)
			}
		})
		if !slices.Equal(order(table), order(follower)) || !sameCells(table, follower) || table.Bytes() != follower.Bytes() {
			t.Fatalf("after %d uses they differ", i)
		}
	}
	if table.Evicted() == 0 {
		t.Error("nothing was forgotten: it was not put to the test")
	}
}

// TestNothingIsKeptForNobodyWhoWrites holds that a table that is never written remembers no keys
// that are gone.
func TestNothingIsKeptForNobodyWhoWrites(t *testing.T) {
	table := window.NewTable[window.Count](window.Limits{Bytes: 10_000, ShareBytes: 10_000})
	for i, key := range digests(10_000) {
		table.Update(key, 1, int64(i), use)
	}
	if cells, gone := changes(table); gone != 0 || cells != table.Len() {
		t.Errorf("%d cells and %d gone are written, of %d", cells, gone, table.Len())
	}
}

func TestLowerLimitsHoldOnceItIsRestored(t *testing.T) {
	limits := window.Limits{Bytes: 50_000, ShareBytes: 250}
	table := restore[window.Count](t, limits, all(counts(digests(5000))))
	if table.Bytes() > 50_000 || table.Len() < 200 {
		t.Errorf("%d cells in %d bytes", table.Len(), table.Bytes())
	}
	if _, gone := changes(table); gone != 5000-table.Len() || table.Evicted() != uint64(gone) {
		t.Errorf("%d are written as gone of %d", gone, table.Evicted())
	}
}

func TestTableStopsEachWhenTold(t *testing.T) {
	n := 0
	counts(digests(10)).Each(func(window.Key, *window.Count) bool { n++; return n < 3 })
	if n != 3 {
		t.Errorf("%d calls, want 3", n)
	}
}

// TestAKnownKeyCostsNoAllocation holds it for a table of which the use goes round.
func TestAKnownKeyCostsNoAllocation(t *testing.T) {
	keys := digests(1000)
	table := counts(keys)
	span := window.NewSpan(time.Minute)
	i := 0
	if n := testing.AllocsPerRun(10*len(keys), func() {
		table.Update(keys[i%len(keys)], 0, int64(i), func(c *window.Count, _ bool) bool {
			c.Add(int64(i)*1000, span)
			return true
		})
		i += 7
	}); n > 0 {
		t.Errorf("%v allocations for an event", n)
	}
}

func TestApplyRefusesWhatNobodyWrote(t *testing.T) {
	entry := all(counts(digests(1)))[0]
	for name, src := range map[string][]byte{
		"nothing": {},
		"kind":    {3},
		"no key":  {1},
		"cut":     entry[:len(entry)-1],
		"more":    append(bytes.Clone(entry), 0xff),
		"no use":  append([]byte{1}, make([]byte, 16+8)...),
		"gone":    make([]byte, 1+16+1),
	} {
		table := counts(digests(1))
		if err := table.Apply(src); err == nil {
			t.Errorf("%s: no error", name)
		}
		if !slices.EqualFunc(all(table), [][]byte{entry}, bytes.Equal) {
			t.Errorf("%s: it changed the table", name)
		}
	}
}

// TestApplyTakesTheLaterCredential is for segments of which the part that deletes a key is lost.
func TestApplyTakesTheLaterCredential(t *testing.T) {
	table := window.NewTable[window.Count](unlimited)
	for _, credential := range []uint64{1, 2} {
		source := window.NewTable[window.Count](unlimited)
		source.Update(window.Key{1}, credential, 0, use)
		if err := table.Apply(all(source)[0]); err != nil {
			t.Fatal(err)
		}
	}
	if want := window.ShareBytes + table.CellBytes(); table.Bytes() != want {
		t.Errorf("%d bytes, want those of one cell in one share, %d", table.Bytes(), want)
	}
	if credential := all(table)[0][17]; credential != 2 {
		t.Errorf("it is of credential %d", credential)
	}
}
