package window_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/detector/window"
)

func TestAbsenceIsTheNaiveOne(t *testing.T) {
	type waiting struct {
		step             window.Step
		received, within int64
	}
	rapid.Check(t, func(t *rapid.T) {
		var cell window.Absence
		var open []waiting
		for i := range rapid.SampledFrom([]int{30, 150}).Draw(t, "calls") {
			switch rapid.IntRange(0, 5).Draw(t, "call") {
			default:
				w := waiting{
					step:     window.Step{At: someTime.Draw(t, "at"), Like: uint64(i), Captured: []byte{byte(i % 2)}},
					received: someTime.Draw(t, "received"), within: someLength.Draw(t, "within"),
				}
				open = append(open, w)
				overflow := max(len(open)-64, 0)
				open = open[max(len(open)-64, 0):]
				if got := cell.Open(w.step, w.received, w.within); got != overflow {
					t.Fatalf("Open = %d, want %d", got, overflow)
				}
			case 0:
				at := someTime.Draw(t, "at")
				admits := func(s window.Step) bool { return s.Captured[0] == 1 }
				before := len(open)
				open = slices.DeleteFunc(open, func(w waiting) bool {
					return w.step.At <= at && !longer(w.step.At, at, w.within) && admits(w.step)
				})
				if got := cell.Close(at, admits); got != before-len(open) {
					t.Fatalf("Close(%d) = %d, want %d", at, got, before-len(open))
				}
			case 1:
				at, tick := someTime.Draw(t, "at"), someTime.Draw(t, "tick")
				if rapid.Bool().Draw(t, "one clock") {
					at = math.MinInt64
				}
				var want []window.Step
				open = slices.DeleteFunc(open, func(w waiting) bool {
					due := longer(w.step.At, at, w.within) || longer(w.received, tick, w.within)
					if due {
						want = append(want, w.step)
					}
					return due
				})
				if got := cell.Due(at, tick); !reflect.DeepEqual(got, want) {
					t.Fatalf("Due(%d, %d) = %v, want %v", at, tick, got, want)
				}
			}
			next := int64(math.MaxInt64)
			for _, w := range open {
				next = min(next, plus(w.received, w.within))
			}
			if got := cell.Next(); got != next || cell.Idle() != (len(open) == 0) {
				t.Fatalf("Next = %d, want %d with %d open", got, next, len(open))
			}
			roundTrip(t, &cell)
		}
	})
}

func TestQuietIsTheNaiveOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var cell window.Quiet
		var open bool
		var opened, received, length int64
		var held uint32
		var opener string
		for i := range rapid.IntRange(1, 40).Draw(t, "calls") {
			if rapid.IntRange(0, 3).Draw(t, "call") == 0 {
				clock := someTime.Draw(t, "clock")
				over := open && longer(received, clock, length)
				wantOpener, wantHeld := "", uint32(0)
				if over {
					wantOpener, wantHeld, open, held = opener, held, false, 0
				}
				if gotOpener, gotHeld, ok := cell.Due(clock); string(gotOpener) != wantOpener || gotHeld != wantHeld || ok != over {
					t.Fatalf("Due(%d) = %q, %d, %t; want %q, %d, %t", clock, gotOpener, gotHeld, ok, wantOpener, wantHeld, over)
				}
			} else {
				at, id := someTime.Draw(t, "at"), fmt.Sprint(i)
				clock, span := someTime.Draw(t, "received"), someLength.Draw(t, "length")
				passes := !open || at >= plus(opened, length)
				told := uint32(0)
				if !passes {
					held++
				} else {
					told, held, open, opened, received, length, opener = held, 0, true, at, clock, span, id
				}
				if ok, got := cell.Admit(at, clock, span, []byte(id)); ok != passes || got != told {
					t.Fatalf("Admit(%d) = %t, %v; want %t, %v", at, ok, got, passes, told)
				}
			}
			next := int64(math.MaxInt64)
			if open {
				next = plus(received, length)
			}
			if cell.Next() != next {
				t.Fatalf("Next = %d, want %d", cell.Next(), next)
			}
			roundTrip(t, &cell)
		}
	})
}

// TestQuietTellsOnce is the story of a suppression as a rule's author knows it.
func TestQuietTellsOnce(t *testing.T) {
	var q window.Quiet
	q.Admit(100, 1000, 60, []byte("first"))
	for at := int64(101); at < 160; at++ {
		if ok, _ := q.Admit(at, 1000, 60, nil); ok {
			t.Fatalf("a finding of %d passed", at)
		}
	}
	if _, _, over := q.Due(1060); over {
		t.Error("over while the last microsecond of it runs")
	}
	if opener, held, over := q.Due(1061); string(opener) != "first" || held != 59 || !over {
		t.Errorf("Due = %q, %d, %t", opener, held, over)
	}
	if ok, told := q.Admit(150, 1062, 60, nil); !ok || told != 0 {
		t.Errorf("Admit = %t, %d; what was told is told again", ok, told)
	}
}

func TestQuietCountsNoFurtherThanItCan(t *testing.T) {
	var q window.Quiet
	if _, err := q.Decode(cell(flag(1), varint(100), varint(100), uvarint(math.MaxUint32-1), uvarint(0))); err != nil {
		t.Fatal(err)
	}
	q.Admit(1, 1, 1, nil)
	q.Admit(1, 1, 1, nil)
	if _, held, _ := q.Due(101); held != math.MaxUint32 {
		t.Errorf("%d held back", held)
	}
}

// TestAWaitEndsAtItsOwnTime holds that the clock which ends one wait of a key leaves the others.
func TestAWaitEndsAtItsOwnTime(t *testing.T) {
	const now = 1764072000_000_000
	var a window.Absence
	a.Open(window.Step{At: now, Like: 1}, now, 10)
	a.Open(window.Step{At: now + 5, Like: 2}, now+5, 10)
	if due := a.Due(math.MinInt64, now+11); len(due) != 1 || due[0].Like != 1 {
		t.Errorf("%v are due", due)
	}
	if due := a.Due(now+16, math.MinInt64); len(due) != 1 || due[0].Like != 2 {
		t.Errorf("%v are due", due)
	}
}
