package window_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/detector/window"
)

type counts = window.Table[window.Count, *window.Count]

// limits hold about ten cells, six of one share.
func limits() window.Limits { return window.Limits{Bytes: 1000, ShareBytes: 600} }

func keyOf(n int) window.Key { return window.Key{byte(n), 7: byte(n % 3), 15: byte(n)} }

// contents are a table's cells, by key.
func contents(t *counts) []string {
	var all []string
	t.Each(func(k window.Key, c *window.Count) bool {
		all = append(all, fmt.Sprintf("%x %x", k, c.Append(nil)))
		return true
	})
	slices.Sort(all)
	return all
}

// TestATableReadBackForgetsTheSame holds that a table restored from what was written, in whole and
// in changes, goes on as the one that wrote it: the same cells, and the same forgotten.
func TestATableReadBackForgetsTheSame(t *testing.T) {
	span := window.NewSpan(time.Minute)
	evicted := uint64(0)
	rapid.Check(t, func(t *rapid.T) {
		table := window.NewTable[window.Count](limits())
		var written [][]byte
		keep := func(entry []byte) { written = append(written, slices.Clone(entry)) }
		act := func(on []*counts) {
			key := keyOf(rapid.IntRange(0, 30).Draw(t, "key"))
			share := uint64(rapid.IntRange(0, 2).Draw(t, "share"))
			at := int64(rapid.IntRange(0, 200).Draw(t, "at")) * 1e6
			stays := rapid.IntRange(0, 6).Draw(t, "delete") > 0
			for _, x := range on {
				x.Update(key, share, at, func(c *window.Count, _ bool) bool {
					c.Add(at, span)
					return stays
				})
			}
		}
		for range rapid.IntRange(0, 60).Draw(t, "before") {
			act([]*counts{table})
			switch rapid.IntRange(0, 6).Draw(t, "write") {
			case 0:
				written = nil
				table.All(keep)
			case 1, 2:
				table.Changes(keep)
			case 3:
				table.Sweep(int64(rapid.IntRange(0, 100).Draw(t, "sweep")) * 1e6)
			}
		}
		table.Changes(keep)
		restored := window.NewTable[window.Count](limits())
		for _, entry := range written {
			if err := restored.Apply(entry); err != nil {
				t.Fatal(err)
			}
		}
		restored.Restored()
		for range rapid.IntRange(0, 40).Draw(t, "after") {
			if got, want := contents(restored), contents(table); !slices.Equal(got, want) {
				t.Fatalf("restored %q, want %q", got, want)
			}
			if restored.Bytes() != table.Bytes() {
				t.Fatalf("restored holds %d bytes, want %d", restored.Bytes(), table.Bytes())
			}
			act([]*counts{table, restored})
		}
		evicted += table.Evicted()
	})
	if evicted == 0 {
		t.Error("nothing was forgotten: it was not put to the test")
	}
}

// TestAShareOverItsLimitForgetsItsOwn holds that who makes many keys pays with them.
func TestAShareOverItsLimitForgetsItsOwn(t *testing.T) {
	table := window.NewTable[window.Count](limits())
	use := func(key int, share uint64) {
		table.Update(keyOf(key), share, 0, func(*window.Count, bool) bool { return true })
	}
	use(100, 1)
	for n := range 50 {
		use(n, 2)
	}
	if _, there := table.Find(keyOf(100)); !there {
		t.Error("another's key was forgotten")
	}
	if table.Bytes() > limits().Bytes || table.Evicted() == 0 {
		t.Errorf("%d bytes, %d forgotten", table.Bytes(), table.Evicted())
	}
}

// TestCountAgreesWithThePlainOne compares with a list of all times.
func TestCountAgreesWithThePlainOne(t *testing.T) {
	const step = int64(5e6)
	rapid.Check(t, func(t *rapid.T) {
		var c window.Count
		var parts []int64
		newest := int64(-1 << 62)
		for range rapid.IntRange(1, 50).Draw(t, "n") {
			at := rapid.Int64Range(-300e6, 300e6).Draw(t, "at")
			part := at / step
			if at%step < 0 {
				part--
			}
			n, late := c.Add(at, window.NewSpan(time.Minute))
			if wantLate := newest-part >= 12; late != wantLate {
				t.Fatalf("late %v, want %v", late, wantLate)
			}
			if late {
				continue
			}
			newest = max(newest, part)
			parts = append(parts, part)
			want := 0
			for _, p := range parts {
				if newest-p < 12 {
					want++
				}
			}
			if n != want {
				t.Fatalf("%d, want %d", n, want)
			}
		}
	})
}

func FuzzApply(f *testing.F) {
	table := window.NewTable[window.Sequence](window.Limits{Bytes: 1 << 20, ShareBytes: 1 << 20})
	table.Update(keyOf(1), 2, 3, func(s *window.Sequence, _ bool) bool {
		s.Offer(window.Plan{Steps: 2, Within: 1e9}, 1, window.Step{At: 5, Captured: []byte("x")}, func(int, []window.Step) bool { return true })
		return true
	})
	table.All(func(entry []byte) { f.Add(slices.Clone(entry)) })
	f.Fuzz(func(_ *testing.T, data []byte) {
		l := window.Limits{Bytes: 1 << 20, ShareBytes: 1 << 20}
		_ = window.NewTable[window.Sequence](l).Apply(data)
		_ = window.NewTable[window.Absence](l).Apply(data)
		_ = window.NewTable[window.Distinct](l).Apply(data)
		_ = window.NewTable[window.FirstSeen](l).Apply(data)
		_ = window.NewTable[window.Quiet](l).Apply(data)
		_ = window.NewTable[window.Sum](l).Apply(data)
	})
}
