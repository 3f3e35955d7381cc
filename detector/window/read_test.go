package window_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/detector/window"
)

// TestReading holds that looking at cells says what adding to them said.
func TestReading(t *testing.T) {
	span := window.NewSpan(time.Minute)
	var count window.Count
	var sum window.Sum
	for i := range int64(3) {
		n, _ := count.Add(i*1_000_000, span)
		if count.Total() != n {
			t.Errorf("a count of %d reads as %d", n, count.Total())
		}
		added, _ := sum.Add(i*1_000_000, span, 1.5)
		if sum.Total() != added {
			t.Errorf("a sum of %v reads as %v", added, sum.Total())
		}
	}
	count.Reset()
	if count.Total() != 0 {
		t.Errorf("a count that was reset reads as %d", count.Total())
	}

	var first window.FirstSeen
	first.Add(7, 10, 100, 1, 8)
	first.Add(9, 10, 100, 2, 8)
	if values, began := first.Known(); values != 2 || began != 7 {
		t.Errorf("%d values known since %d, want 2 since 7", values, began)
	}

	var sequence window.Sequence
	plan := window.Plan{Steps: 2, Within: 100}
	sequence.Offer(&plan, 1, window.Step{At: 3, Like: 1}, yes)
	var absence window.Absence
	absence.Open(window.Step{At: 5}, 6, 100, 0, nil)
	for _, steps := range sequence.UnderWay(&plan, yes) {
		if len(steps) != 1 || steps[0].At != 3 {
			t.Errorf("%v is under way, want the step at 3", steps)
		}
	}
	for step := range absence.Waiting() {
		if step.At != 5 {
			t.Errorf("what waits is at %d, want 5", step.At)
		}
	}

	var quiet window.Quiet
	if _, _, open := quiet.Holding(); open {
		t.Error("a quiet time is open that never began")
	}
	quiet.Admit(1, 1, 10, nil)
	quiet.Admit(2, 2, 10, nil)
	if until, held, open := quiet.Holding(); until != 11 || held != 1 || !open {
		t.Errorf("held back %d until %d (%v), want 1 until 11", held, until, open)
	}
}

// TestUntilIsWhenTheOldestNoLongerCounts holds it against what another event finds just before and then.
func TestUntilIsWhenTheOldestNoLongerCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := window.NewSpan(time.Duration(rapid.IntRange(0, 1_000_000).Draw(t, "ms")) * time.Millisecond)
		times := rapid.SliceOfN(rapid.Int64Range(-1_000_000_000, 1_000_000_000), 1, 20).Draw(t, "times")
		var c window.Count
		for _, at := range times {
			c.Add(at, span)
		}
		until, ok := c.Until(span)
		if !ok {
			t.Fatal("nothing counts")
		}
		before, then := c, c
		all := c.Total()
		if n, _ := before.Add(until-1, span); n != all+1 {
			t.Fatalf("%d count before %d, %d and one more did", n, until, all)
		}
		if n, _ := then.Add(until, span); n > all {
			t.Fatalf("%d count at %d, %d did", n, until, all)
		}
	})
	if _, ok := new(window.Count).Until(window.NewSpan(time.Minute)); ok {
		t.Error("of nothing something counts")
	}
}
