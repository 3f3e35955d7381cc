package window_test

import (
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/detector/window"
)

// counted is an event that a sliding window was given.
type counted struct {
	at    int64
	value float64
	reset bool // it says what is late, and is not counted
}

// slide is the naive window: which events lie in the part of the newest or the 11
// before, and whether the last one does.
func slide(events []counted, step int64) (in []counted, late bool) {
	part := func(at int64) *big.Int {
		quotient, _ := new(big.Int).DivMod(big.NewInt(at), big.NewInt(step), new(big.Int)) // rounds down
		return quotient
	}
	newest := part(math.MinInt64)
	for _, e := range events {
		if p := part(e.at); p.Cmp(newest) > 0 {
			newest = p
		}
	}
	oldest := new(big.Int).Sub(newest, big.NewInt(11))
	for i, e := range events {
		switch {
		case part(e.at).Cmp(oldest) < 0:
			late = i == len(events)-1
		case !e.reset:
			in = append(in, e)
		}
	}
	return in, late
}

// someSpan is a window in microseconds, with the length of its parts.
func someSpan(t *rapid.T) (within, step int64) {
	within = rapid.SampledFrom([]int64{12_000, 12_011, 24_000, 60e6, 1, 0, -5, math.MaxInt64 / 1000, math.MinInt64 / 1000}).Draw(t, "within")
	return within, max(within/12, 1000)
}

func someMoment(t *rapid.T, step int64) int64 {
	at := someTime.Draw(t, "at")
	if at > -100 && at < 100 {
		return at * min(step/4, 1e15) // a few parts apart, or the same one
	}
	return at
}

func TestCountIsTheNaiveOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		within, step := someSpan(t)
		span := window.NewSpan(time.Duration(within) * time.Microsecond)
		var count window.Count
		var events []counted
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			at := someMoment(t, step)
			events = append(events, counted{at: at})
			in, late := slide(events, step)
			want := len(in)
			if late {
				want, events = 0, events[:len(events)-1]
			}
			if n, gotLate := count.Add(at, span); n != want || gotLate != late {
				t.Fatalf("Add(%d) = %d, %t; want %d, %t", at, n, gotLate, want, late)
			}
			if rapid.IntRange(0, 9).Draw(t, "reset") == 0 {
				count.Reset()
				for i := range events {
					events[i].reset = true
				}
			}
			roundTrip(t, &count)
		}
	})
}

// TestCountIsNeverWiderThanItsSpan holds the bound that its documentation gives, apart from
// how the window is cut.
func TestCountIsNeverWiderThanItsSpan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		within := rapid.Int64Range(12_000, 100_000).Draw(t, "within")
		span := window.NewSpan(time.Duration(within) * time.Microsecond)
		var count window.Count
		var times []int64
		newest := int64(math.MinInt64)
		for range 30 {
			at := rapid.Int64Range(-200_000, 200_000).Draw(t, "at")
			n, late := count.Add(at, span)
			if late {
				continue
			}
			times, newest = append(times, at), max(newest, at)
			wide, narrow := 0, 0
			for _, at := range times {
				if newest-at < within {
					wide++
				}
				if newest-at <= 11*(within/12) {
					narrow++
				}
			}
			if n > wide || n < narrow {
				t.Fatalf("%d events in %d µs, of %d within that and %d within 11/12 of it", n, within, wide, narrow)
			}
		}
	})
}

func TestCountStopsCounting(t *testing.T) {
	var count window.Count
	span := window.NewSpan(12 * time.Millisecond)
	n := 0
	for range math.MaxUint16 + 10 {
		n, _ = count.Add(0, span)
	}
	if n != math.MaxUint16 {
		t.Errorf("%d, want %d", n, math.MaxUint16)
	}
	if n, _ := count.Add(1000, span); n != math.MaxUint16+1 {
		t.Errorf("%d with the next part, want %d", n, math.MaxUint16+1)
	}
}

func TestResetKeepsWhatIsLate(t *testing.T) {
	var count window.Count
	var sum window.Sum
	var distinct window.Distinct
	span := window.NewSpan(12 * time.Millisecond)
	count.Add(1e6, span)
	sum.Add(1e6, span, 2)
	distinct.Add(1e6, 12_000, 1, "one", 10)
	count.Reset()
	sum.Reset()
	distinct.Reset()
	if n, late := count.Add(0, span); n != 0 || !late {
		t.Errorf("Count.Add = %d, %t", n, late)
	}
	if n, late := sum.Add(0, span, 1); n != 0 || !late {
		t.Errorf("Sum.Add = %v, %t", n, late)
	}
	if n, late := distinct.Add(0, 12_000, 2, "two", 10); n != 0 || !late {
		t.Errorf("Distinct.Add = %d, %t", n, late)
	}
	if n, late := count.Add(1e6, span); n != 1 || late {
		t.Errorf("Count.Add = %d, %t at the newest time", n, late)
	}
}

func TestSumIsTheNaiveOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		within, step := someSpan(t)
		span := window.NewSpan(time.Duration(within) * time.Microsecond)
		var sum window.Sum
		var events []counted
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			at := someMoment(t, step)
			value := rapid.SampledFrom([]float64{1, 0, -2.5, 1 << 40, math.NaN(), math.Inf(1), math.Inf(-1)}).Draw(t, "value")
			added := value
			if math.IsNaN(value) || math.IsInf(value, 0) {
				added = 0
			}
			events = append(events, counted{at: at, value: added})
			in, late := slide(events, step)
			want := 0.0
			if late {
				events = events[:len(events)-1]
			} else {
				for _, e := range in {
					want += e.value // exact: halves below 2^53
				}
			}
			if got, gotLate := sum.Add(at, span, value); got != want || gotLate != late {
				t.Fatalf("Add(%d, %v) = %v, %t; want %v, %t", at, value, got, gotLate, want, late)
			}
			roundTrip(t, &sum)
		}
	})
}

func TestSumStaysANumber(t *testing.T) {
	var sum window.Sum
	span := window.NewSpan(12 * time.Millisecond)
	for at := range int64(3) {
		if got, _ := sum.Add(at/2*1000, span, math.MaxFloat64); got != math.MaxFloat64 {
			t.Errorf("sum is %v, want the largest number", got)
		}
	}
	if got, _ := sum.Add(0, span, -math.MaxFloat64); got != math.MaxFloat64 {
		t.Errorf("sum is %v after as much was taken from one of two", got)
	}
	sum.Reset()
	for _, number := range []float64{math.MaxFloat64, math.MaxFloat64, -math.MaxFloat64} {
		sum.Add(1000, span, number)
	}
	if got, _ := sum.Add(1000, span, 1); got != 1 {
		t.Errorf("sum is %v after the largest number was taken away", got)
	}
}
