package window_test

import (
	"cmp"
	"math/big"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/detector/window"
)

// TestDistinctIsTheNaiveOne keeps each value that was not late with its newest time and the
// arrival that brought it, and sorts.
func TestDistinctIsTheNaiveOne(t *testing.T) {
	type value struct {
		hash    uint64
		at      int64
		arrived int
	}
	rapid.Check(t, func(t *rapid.T) {
		within := someLength.Draw(t, "within")
		most := rapid.IntRange(-1, 6).Draw(t, "most")
		var distinct window.Distinct
		var values []value
		newest := int64(-1 << 63)
		for i := range rapid.IntRange(1, 40).Draw(t, "events") {
			at, hash := someTime.Draw(t, "at"), rapid.Uint64Range(0, 8).Draw(t, "hash")
			newest = max(newest, at)
			late := longer(at, newest, within)
			known := slices.IndexFunc(values, func(v value) bool { return v.hash == hash })
			switch {
			case late:
			case known < 0:
				values = append(values, value{hash, at, i})
			case values[known].at <= at:
				values[known] = value{hash, at, i}
			}
			values = slices.DeleteFunc(values, func(v value) bool { return longer(v.at, newest, within) })
			slices.SortFunc(values, func(a, b value) int {
				return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.arrived, b.arrived))
			})
			values = values[max(len(values)-max(most, 0), 0):]

			n, gotLate := distinct.Add(at, within, hash, string('a'+rune(hash)), most)
			if n != len(values) || gotLate != late {
				t.Fatalf("Add(%d, %d) = %d, %t; want %d, %t", at, hash, n, gotLate, len(values), late)
			}
			var want []string
			for _, v := range values {
				want = append(want, string('a'+rune(v.hash)))
			}
			if rapid.IntRange(0, 9).Draw(t, "reset") == 0 {
				distinct.Reset()
				values, want = nil, nil
			}
			if got := distinct.Values(); !slices.Equal(got, want) {
				t.Fatalf("Values = %q, want %q", got, want)
			}
			if distinct.Size() != 33*len(values) {
				t.Fatalf("Size = %d for %d values", distinct.Size(), len(values))
			}
			roundTrip(t, &distinct)
		}
	})
}

func TestDistinctIsBounded(t *testing.T) {
	var distinct window.Distinct
	n := 0
	for hash := range uint64(2 * window.MaxDistinct) {
		n, _ = distinct.Add(int64(hash), 1<<40, hash, "", 1<<40)
	}
	if n != window.MaxDistinct {
		t.Errorf("%d values, want %d", n, window.MaxDistinct)
	}
}

func TestDistinctCutsTexts(t *testing.T) {
	for _, text := range []string{strings.Repeat("a", 100), strings.Repeat("ä", 100), "x" + strings.Repeat("😀", 100)} {
		var distinct window.Distinct
		distinct.Add(0, 1, 1, text, 1)
		got := distinct.Values()[0]
		if len(got) > 64 || len(got) < 61 || !strings.HasPrefix(text, got) || !utf8.ValidString(got) {
			t.Errorf("%q was cut to %q", text, got)
		}
	}
	var distinct window.Distinct
	distinct.Add(0, 1, 1, strings.Repeat("\x80", 100), 1)
	if got := distinct.Values()[0]; got != "" || distinct.Size() != 32+64 {
		t.Errorf("of no UTF-8, %q is shown and %d bytes are held", got, distinct.Size())
	}
}

func TestFirstSeenIsTheNaiveOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		learn, memory := someLength.Draw(t, "learn"), someLength.Draw(t, "memory")
		most := rapid.IntRange(-1, 6).Draw(t, "most")
		var cell window.FirstSeen
		last := map[uint64]int64{}
		var began int64
		for i := range rapid.IntRange(1, 40).Draw(t, "events") {
			at, hash := someTime.Draw(t, "at"), rapid.Uint64Range(0, 8).Draw(t, "hash")
			if i == 0 {
				began = at
			}
			want, evict := window.New, false
			if minus(at, began).Cmp(big.NewInt(max(learn, 0))) < 0 {
				want = window.Learning
			}
			before, known := last[hash]
			if known && !longer(before, at, memory) {
				want = window.Known
			}
			if !known || at > before {
				last[hash] = at
			}
			for len(last) > max(most, 1) {
				oldest, first := uint64(0), true
				for h, l := range last {
					if first || l < last[oldest] || l == last[oldest] && h < oldest {
						oldest, first = h, false
					}
				}
				evict = evict || !longer(last[oldest], at, memory)
				delete(last, oldest)
			}
			got, evicted := cell.Add(at, learn, memory, hash, most)
			if got != want || evicted != evict {
				t.Fatalf("Add(%d, %d) = %d, %t; want %d, %t", at, hash, got, evicted, want, evict)
			}
			if cell.Size() != 16*len(last) {
				t.Fatalf("Size = %d for %d values", cell.Size(), len(last))
			}
			roundTrip(t, &cell)
		}
	})
}
