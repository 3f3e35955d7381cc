package window_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/detector/window"
)

// offer gives a sequence an event that meets the conditions of the steps that the letters
// name, a for the first, and that bears the letters and its time as a name. Like ones go together,
// and those like nothing with all.
func offer(s *window.Sequence, plan window.Plan, letters string, at int64, like uint64) window.Result {
	var met uint32
	for _, letter := range letters {
		met |= 1 << (letter - 'a')
	}
	step := window.Step{At: at, Like: like, Captured: fmt.Append(nil, letters, at)}
	return s.Offer(plan, met, step, func(_ int, earlier []window.Step) bool {
		return like == 0 || len(earlier) == 0 || earlier[0].Like == 0 || earlier[0].Like == like
	})
}

func names(complete [][]window.Step) (all []string) {
	for _, steps := range complete {
		s := ""
		for _, step := range steps {
			s += string(step.Captured) + " "
		}
		all = append(all, s)
	}
	return all
}

func TestSequence(t *testing.T) {
	type event struct {
		letters string
		at      int64
		like    uint64
	}
	two := window.Plan{Steps: 2, Within: 10}
	three := window.Plan{Steps: 3, Within: 10, Gaps: []int64{0, 0, 3}}
	for name, test := range map[string]struct {
		plan     window.Plan
		events   []event
		complete []string // by the last event
		late     int      // of all events
	}{
		"in order":                     {plan: two, events: []event{{"a", 1, 0}, {"b", 2, 0}}, complete: []string{"a1 b2 "}},
		"others in between":            {plan: two, events: []event{{"a", 1, 0}, {"x", 2, 0}, {"b", 3, 0}}, complete: []string{"a1 b3 "}},
		"at the same time":             {plan: two, events: []event{{"a", 1, 0}, {"b", 1, 0}}, complete: []string{"a1 b1 "}},
		"at the last moment":           {plan: two, events: []event{{"a", 1, 0}, {"b", 11, 0}}, complete: []string{"a1 b11 "}},
		"too late after the first":     {plan: two, events: []event{{"a", 1, 0}, {"b", 12, 0}}},
		"second before the first":      {plan: two, events: []event{{"a", 3, 0}, {"b", 2, 0}}, late: 1},
		"what was late may come again": {plan: two, events: []event{{"a", 3, 0}, {"b", 2, 0}, {"b", 4, 0}}, complete: []string{"a3 b4 "}, late: 1},
		"begins before the window":     {plan: two, events: []event{{"x", 30, 0}, {"a", 3, 0}, {"b", 3, 0}}, late: 1},
		"late, and still in time":      {plan: two, events: []event{{"x", 11, 0}, {"a", 3, 0}, {"b", 5, 0}}, complete: []string{"a3 b5 "}},
		"the gap holds":                {plan: three, events: []event{{"a", 0, 0}, {"b", 6, 0}, {"c", 9, 0}}, complete: []string{"a0 b6 c9 "}},
		"the gap is over":              {plan: three, events: []event{{"a", 0, 0}, {"b", 6, 0}, {"c", 10, 0}}},
		"the whole is over":            {plan: three, events: []event{{"a", 0, 0}, {"b", 9, 0}, {"c", 11, 0}}},
		"an event is one step of one":  {plan: two, events: []event{{"ab", 1, 0}}},
		"the next one ends it":         {plan: two, events: []event{{"ab", 1, 0}, {"ab", 2, 0}}, complete: []string{"ab1 ab2 "}},
		"and begins another":           {plan: two, events: []event{{"ab", 1, 0}, {"ab", 2, 0}, {"b", 3, 0}}, complete: []string{"ab2 b3 "}},
		"what moved on waits no more":  {plan: three, events: []event{{"a", 0, 0}, {"b", 1, 0}, {"b", 2, 0}, {"c", 3, 0}}, complete: []string{"a0 b1 c3 "}},
		"it ends each that it fits":    {plan: two, events: []event{{"a", 1, 1}, {"a", 2, 2}, {"b", 3, 0}}, complete: []string{"a1 b3 ", "a2 b3 "}},
		"by arrival":                   {plan: two, events: []event{{"a", 2, 2}, {"a", 1, 1}, {"b", 3, 0}}, complete: []string{"a2 b3 ", "a1 b3 "}},
		"conditions choose":            {plan: two, events: []event{{"a", 1, 1}, {"a", 2, 2}, {"b", 3, 1}}, complete: []string{"a1 b3 "}},
		"the later beginning stays":    {plan: two, events: []event{{"a", 1, 1}, {"a", 5, 1}, {"b", 13, 1}}, complete: []string{"a5 b13 "}},
		"also if it arrived first":     {plan: two, events: []event{{"a", 5, 1}, {"a", 1, 1}, {"b", 13, 1}}, complete: []string{"a5 b13 "}},
		"one that moved on stays":      {plan: three, events: []event{{"a", 1, 1}, {"b", 2, 1}, {"a", 3, 1}, {"c", 4, 1}}, complete: []string{"a1 b2 c4 "}},
		"a gap wider than the span":    {plan: window.Plan{Steps: 2, Within: 5, Gaps: []int64{0, 99}}, events: []event{{"a", 1, 0}, {"b", 7, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			var s window.Sequence
			var result window.Result
			late := 0
			for _, e := range test.events {
				result = offer(&s, test.plan, e.letters, e.at, e.like)
				late += result.Late
			}
			if got := names(result.Complete); !slices.Equal(got, test.complete) || late != test.late {
				t.Errorf("complete %q, late %d; want %q, %d", got, late, test.complete, test.late)
			}
		})
	}
}

func TestSequenceIsBounded(t *testing.T) {
	plan := window.Plan{Steps: 2, Within: 1000}
	var s window.Sequence
	evicted := 0
	for i := range int64(20) {
		evicted += offer(&s, plan, "a", i, uint64(i+1)).Evicted
	}
	if evicted != 4 {
		t.Errorf("%d evicted, want 4", evicted)
	}
	got := names(offer(&s, plan, "b", 20, 0).Complete)
	if len(got) != 16 || got[0] != "a4 b20 " || got[15] != "a19 b20 " {
		t.Errorf("complete: %q", got)
	}
	if s.Size() != 0 {
		t.Errorf("Size = %d when all are complete", s.Size())
	}
}

// TestWhatStepsHoldIsBounded holds that a key whose events are large remembers fewer of them, the
// newest at least.
func TestWhatStepsHoldIsBounded(t *testing.T) {
	const most = 128 << 10
	var s window.Sequence
	var a window.Absence
	for i, size := range []int{10, 60_000, 60_000, 60_000, 200_000} {
		step := window.Step{At: int64(i), Like: uint64(i), Captured: make([]byte, size)}
		r := s.Offer(window.Plan{Steps: 2, Within: 1000}, 1, step, func(int, []window.Step) bool { return true })
		evicted := a.Open(step, 0, 1000)
		if want := []int{0, 0, 0, 2, 2}[i]; r.Evicted != want || evicted != want {
			t.Errorf("event %d: the sequence lost %d and the absence %d, want %d", i, r.Evicted, evicted, want)
		}
		if want := max(most, size+100); s.Size() > want || a.Size() > want || s.Idle() || a.Idle() {
			t.Errorf("event %d: %d and %d bytes", i, s.Size(), a.Size())
		}
	}
}

// naiveSequence is what Offer promises, one thing after the other.
type naiveSequence struct {
	plan   window.Plan
	open   [][]window.Step
	newest int64
}

func (m *naiveSequence) offer(met uint32, step window.Step, admits func(int, []window.Step) bool) (r window.Result) {
	m.newest = max(m.newest, step.At)
	old := m.open
	m.open = nil
	for _, p := range old {
		n := len(p)
		gap := int64(math.MaxInt64)
		if n < len(m.plan.Gaps) && m.plan.Gaps[n] > 0 {
			gap = m.plan.Gaps[n]
		}
		inTime := !longer(p[0].At, step.At, m.plan.Within) && !longer(p[n-1].At, step.At, gap)
		switch {
		case longer(p[0].At, m.newest, m.plan.Within):
			continue
		case met>>n&1 == 1 && step.At < p[n-1].At:
			r.Late++
		case met>>n&1 == 1 && inTime && admits(n, p):
			p = append(slices.Clone(p), step)
		}
		if len(p) == m.plan.Steps {
			r.Complete = append(r.Complete, p)
		} else {
			m.open = append(m.open, p)
		}
	}
	if met&1 == 1 && longer(step.At, m.newest, m.plan.Within) {
		r.Late++
	} else if met&1 == 1 {
		m.begin(step)
	}
	if len(m.open) > 16 {
		m.open = m.open[1:]
		r.Evicted = 1
	}
	return r
}

func (m *naiveSequence) begin(step window.Step) {
	for i, p := range m.open {
		if len(p) == 1 && p[0].Like == step.Like {
			if p[0].At <= step.At {
				m.open[i] = []window.Step{step}
			}
			return
		}
	}
	m.open = append(m.open, []window.Step{step})
}

func TestSequenceIsTheNaiveOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := window.Plan{
			Steps:  rapid.IntRange(2, 4).Draw(t, "steps"),
			Within: someLength.Draw(t, "within"),
			Gaps:   rapid.SliceOfN(rapid.OneOf(rapid.Just(int64(0)), someLength), 0, 5).Draw(t, "gaps"),
		}
		if rapid.Bool().Draw(t, "wide") {
			plan.Within, plan.Gaps = 200, nil // so that the bound of 16 comes into play
		}
		values := rapid.Uint64Range(1, 60).Draw(t, "values")
		model := naiveSequence{plan: plan, newest: math.MinInt64}
		var s window.Sequence
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			like := rapid.Uint64Range(1, values).Draw(t, "value")
			step := window.Step{At: someTime.Draw(t, "at"), Like: like, Captured: strconv.AppendUint(nil, like, 10)}
			met := rapid.SampledFrom([]uint32{0, 1, 1, 1, 1, 2, 3, 4, 8, 15, 1 << 31}).Draw(t, "met")
			admits := func(n int, earlier []window.Step) bool {
				return n == 0 || (uint64(n)+step.Like+earlier[n-1].Like)%3 != 0
			}
			want := model.offer(met, step, admits)
			got := s.Offer(plan, met, step, admits)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("Offer(%b, %v) = %v, want %v", met, step, got, want)
			}
			if s.Idle() != (len(model.open) == 0) {
				t.Fatalf("Idle = %t with %d under way", s.Idle(), len(model.open))
			}
			roundTrip(t, &s)
		}
	})
}

// TestABeginningIsAskedFor holds that the first step's condition on itself counts.
func TestABeginningIsAskedFor(t *testing.T) {
	var s window.Sequence
	s.Offer(window.Plan{Steps: 2, Within: 10}, 1, window.Step{}, func(n int, earlier []window.Step) bool { return n > 0 || earlier != nil })
	if !s.Idle() {
		t.Error("it began all the same")
	}
}

// roundTrip writes a cell and reads it, and fails unless it is the same.
func roundTrip[C any, P window.Cell[C]](t *rapid.T, cell P) {
	state := cell.Append([]byte("before"))[len("before"):]
	read := P(new(C))
	rest, err := read.Decode(append(slices.Clone(state), "after"...))
	if err != nil || string(rest) != "after" {
		t.Fatalf("Decode left %q: %v", rest, err)
	}
	if got := read.Append(nil); string(got) != string(state) || read.Size() != cell.Size() {
		t.Fatalf("%x was read as %x", state, got)
	}
	if n := len(state); n > 0 {
		if _, err := P(new(C)).Decode(state[:n-1]); err == nil {
			t.Fatalf("no error for %x without its end", state)
		}
	}
}
