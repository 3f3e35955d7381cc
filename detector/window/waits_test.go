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
		step                       window.Step
		received, within, lateness int64
	}
	type answer struct {
		step     window.Step
		lateness int64
	}
	rapid.Check(t, func(t *rapid.T) {
		var cell window.Absence
		var open []waiting
		var answers []answer
		for i := range rapid.SampledFrom([]int{30, 150}).Draw(t, "calls") {
			switch rapid.IntRange(0, 6).Draw(t, "call") {
			default:
				w := waiting{
					step:     window.Step{At: someTime.Draw(t, "at"), Like: uint64(i), Captured: []byte{byte(i % 2)}},
					received: someTime.Draw(t, "received"), within: someLength.Draw(t, "within"), lateness: someLength.Draw(t, "lateness"),
				}
				parity := w.step.Like % 2
				admits := func(b window.Step) bool { return b.Like%2 == parity }
				overflow, late := 0, false
				over := func(at int64) bool { return at > plus(plus(w.step.At, w.within), w.lateness) }
				switch {
				case slices.ContainsFunc(answers, func(b answer) bool {
					return b.step.At >= w.step.At && !longer(w.step.At, b.step.At, w.within) && admits(b.step)
				}):
				case slices.ContainsFunc(answers, func(b answer) bool { return over(b.step.At) }),
					slices.ContainsFunc(open, func(b waiting) bool { return over(b.step.At) }):
					late = true
				default:
					open = append(open, w)
					overflow = max(len(open)-64, 0)
					open = open[overflow:]
				}
				if got, is := cell.Open(w.step, w.received, w.within, w.lateness, admits); got != overflow || is != late {
					t.Fatalf("Open = %d, %t, want %d, %t", got, is, overflow, late)
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
					due := at > plus(plus(w.step.At, w.within), w.lateness) || tick > plus(plus(w.received, w.within), w.lateness)
					if due {
						want = append(want, w.step)
					}
					return due
				})
				answers = slices.DeleteFunc(answers, func(b answer) bool { return longer(b.step.At, at, b.lateness) })
				if got := cell.Due(at, tick); !reflect.DeepEqual(got, want) {
					t.Fatalf("Due(%d, %d) = %v, want %v", at, tick, got, want)
				}
			case 2:
				b := answer{window.Step{At: someTime.Draw(t, "at"), Like: rapid.Uint64Range(0, 99).Draw(t, "like")}, someLength.Draw(t, "lateness")}
				newer := func(a answer) bool { return a.step.Like == b.step.Like && a.step.At > b.step.At }
				overflow := 0
				if !slices.ContainsFunc(answers, newer) {
					answers = slices.DeleteFunc(answers, func(a answer) bool { return a.step.Like == b.step.Like })
					answers = append(answers, b)
					overflow = max(len(answers)-64, 0)
					answers = answers[overflow:]
				}
				if got := cell.Answer(b.step, b.lateness); got != overflow {
					t.Fatalf("Answer = %d, want %d", got, overflow)
				}
			}
			next := int64(math.MaxInt64)
			for _, w := range open {
				next = min(next, plus(plus(w.received, w.within), w.lateness))
			}
			if got := cell.Next(); got != next || cell.Begun() != (len(open) > 0) || cell.Idle() != (len(open)+len(answers) == 0) {
				t.Fatalf("Next = %d, want %d with %d open and %d answers", got, next, len(open), len(answers))
			}
			roundTrip(t, &cell)
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				cell = *reread(t, &cell)
			}
		}
	})
}

// TestAbsence is the story of a wait as a rule's author knows it: 10 within, and 5 of lateness.
func TestAbsence(t *testing.T) {
	ask := func(a *window.Absence, at int64) {
		a.Open(window.Step{At: at}, 1000+at, 10, 5, func(window.Step) bool { return true })
	}
	done := func(a *window.Absence, at int64) {
		a.Close(at, func(window.Step) bool { return true })
		a.Answer(window.Step{At: at}, 5)
	}
	none := int64(math.MinInt64)
	for name, test := range map[string]struct {
		do        func(*window.Absence)
		at, clock int64
		due       int
	}{
		"in vain":                         {func(a *window.Absence) { ask(a, 0) }, 16, none, 1},
		"it may be late still":            {func(a *window.Absence) { ask(a, 0) }, 15, none, 0},
		"in vain by the clock":            {func(a *window.Absence) { ask(a, 0) }, none, 1016, 1},
		"and not before":                  {func(a *window.Absence) { ask(a, 0) }, none, 1015, 0},
		"answered":                        {func(a *window.Absence) { ask(a, 0); done(a, 10) }, 99, none, 0},
		"answered after its time":         {func(a *window.Absence) { ask(a, 0); done(a, 11) }, 99, none, 1},
		"answered before":                 {func(a *window.Absence) { ask(a, 5); done(a, 4) }, 99, none, 1},
		"the answer arrived first":        {func(a *window.Absence) { done(a, 7); ask(a, 5) }, 99, none, 0},
		"the answer was before":           {func(a *window.Absence) { done(a, 4); ask(a, 5) }, 99, none, 1},
		"the answer is kept for so long":  {func(a *window.Absence) { done(a, 7); a.Due(12, none); ask(a, 5) }, 99, none, 0},
		"and no longer":                   {func(a *window.Absence) { done(a, 7); a.Due(13, none); ask(a, 5) }, 99, none, 1},
		"another event is far later":      {func(a *window.Absence) { done(a, 5); a.Due(99, none); done(a, 99); ask(a, 0) }, 99, none, 0},
		"another wait is far later":       {func(a *window.Absence) { ask(a, 98); ask(a, 0) }, 99, none, 0},
		"another event is later":          {func(a *window.Absence) { done(a, 15); ask(a, 0) }, 99, none, 1},
		"the newest answer is remembered": {func(a *window.Absence) { done(a, 7); done(a, 6); ask(a, 7) }, 99, none, 0},
	} {
		var a window.Absence
		test.do(&a)
		if due := a.Due(test.at, test.clock); len(due) != test.due {
			t.Errorf("%s: %v are due, want %d", name, due, test.due)
		}
	}
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
	a.Open(window.Step{At: now, Like: 1}, now, 10, 0, nil)
	a.Open(window.Step{At: now + 5, Like: 2}, now+5, 10, 0, nil)
	if due := a.Due(math.MinInt64, now+11); len(due) != 1 || due[0].Like != 1 {
		t.Errorf("%v are due", due)
	}
	if due := a.Due(now+16, math.MinInt64); len(due) != 1 || due[0].Like != 2 {
		t.Errorf("%v are due", due)
	}
}
