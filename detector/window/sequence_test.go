package window_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/detector/window"
)

// yes admits every event after every other.
func yes(int, []window.Step) bool { return true }

// offer gives a sequence an event that meets the conditions of the steps that the letters
// name, a for the first, and that bears the letters and its time as a name. Each step has to be like
// the first, and those like nothing go with all.
func offer(s *window.Sequence, plan window.Plan, letters string, at int64, like uint64) window.Result {
	var met uint32
	for _, letter := range letters {
		met |= 1 << (letter - 'a')
	}
	step := window.Step{At: at, Like: like, Captured: fmt.Append(nil, letters, at)}
	plan.Since = make([]int, plan.Steps)
	return s.Offer(&plan, met, step, func(n int, chain []window.Step) bool {
		return chain[0].Like == 0 || chain[n].Like == 0 || chain[0].Like == chain[n].Like
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
	late := window.Plan{Steps: 2, Within: 10, Lateness: 5}
	three := window.Plan{Steps: 3, Within: 10, Lateness: 5, Gaps: []int64{0, 0, 3}}
	for name, test := range map[string]struct {
		plan     window.Plan
		events   []event
		complete []string // by all events
		late     int
	}{
		"in order":                    {plan: two, events: []event{{"a", 1, 0}, {"b", 2, 0}}, complete: []string{"a1 b2 "}},
		"others in between":           {plan: two, events: []event{{"a", 1, 0}, {"x", 2, 0}, {"b", 3, 0}}, complete: []string{"a1 b3 "}},
		"at the same time":            {plan: two, events: []event{{"a", 1, 0}, {"b", 1, 0}}, complete: []string{"a1 b1 "}},
		"at the last moment":          {plan: two, events: []event{{"a", 1, 0}, {"b", 11, 0}}, complete: []string{"a1 b11 "}},
		"too late after the first":    {plan: two, events: []event{{"a", 1, 0}, {"b", 12, 0}}},
		"second before the first":     {plan: late, events: []event{{"a", 3, 0}, {"b", 2, 0}}},
		"the first is late":           {plan: late, events: []event{{"b", 3, 0}, {"a", 2, 0}}, complete: []string{"a2 b3 "}},
		"the first is too late":       {plan: late, events: []event{{"b", 3, 0}, {"b", 9, 1}, {"a", 2, 2}}},
		"nothing may be late":         {plan: two, events: []event{{"b", 3, 0}, {"b", 4, 0}, {"a", 2, 0}}, complete: []string{"a2 b4 "}},
		"the middle is late":          {plan: three, events: []event{{"a", 1, 0}, {"c", 5, 0}, {"b", 3, 0}}, complete: []string{"a1 b3 c5 "}},
		"all the wrong way round":     {plan: three, events: []event{{"c", 5, 0}, {"b", 3, 0}, {"a", 1, 0}}, complete: []string{"a1 b3 c5 "}},
		"a decoy hides nothing":       {plan: two, events: []event{{"a", 1, 1}, {"b", 2, 2}, {"b", 3, 1}}, complete: []string{"a1 b3 "}},
		"nor one in the middle":       {plan: three, events: []event{{"a", 0, 1}, {"b", 1, 2}, {"b", 2, 1}, {"b", 2, 3}, {"c", 3, 1}}, complete: []string{"a0 b2 c3 "}},
		"begins before the window":    {plan: two, events: []event{{"b", 30, 0}, {"a", 3, 0}, {"b", 3, 0}}, late: 2},
		"late, and still in time":     {plan: two, events: []event{{"b", 11, 1}, {"a", 3, 2}, {"b", 5, 2}}, complete: []string{"a3 b5 "}},
		"the gap holds":               {plan: three, events: []event{{"a", 0, 0}, {"b", 6, 0}, {"c", 9, 0}}, complete: []string{"a0 b6 c9 "}},
		"the gap is over":             {plan: three, events: []event{{"a", 0, 0}, {"b", 6, 0}, {"c", 10, 0}}},
		"a newer step renews the gap": {plan: three, events: []event{{"a", 0, 0}, {"b", 1, 0}, {"b", 5, 0}, {"c", 8, 0}}, complete: []string{"a0 b5 c8 "}},
		"the whole is over":           {plan: three, events: []event{{"a", 0, 0}, {"b", 9, 0}, {"c", 11, 0}}},
		"a gap wider than the span":   {plan: window.Plan{Steps: 2, Within: 5, Gaps: []int64{0, 99}}, events: []event{{"a", 1, 0}, {"b", 7, 0}}},
		"an event is one step of one": {plan: two, events: []event{{"ab", 1, 0}}},
		"what is found is used up":    {plan: two, events: []event{{"ab", 1, 0}, {"ab", 2, 0}, {"ab", 3, 0}, {"ab", 4, 0}}, complete: []string{"ab1 ab2 ", "ab3 ab4 "}},
		"so is what is like it":       {plan: two, events: []event{{"a", 1, 0}, {"a", 2, 0}, {"b", 3, 0}, {"b", 4, 0}}, complete: []string{"a2 b3 "}},
		"each first event once":       {plan: two, events: []event{{"a", 1, 1}, {"a", 2, 2}, {"b", 3, 0}, {"b", 4, 0}}, complete: []string{"a2 b3 ", "a1 b3 "}},
		"conditions choose":           {plan: two, events: []event{{"a", 1, 1}, {"a", 2, 2}, {"b", 3, 1}}, complete: []string{"a1 b3 "}},
		"the later beginning counts":  {plan: two, events: []event{{"a", 1, 1}, {"a", 5, 1}, {"b", 13, 1}}, complete: []string{"a5 b13 "}},
		"also if it arrived first":    {plan: two, events: []event{{"a", 5, 1}, {"a", 1, 1}, {"b", 13, 1}}, complete: []string{"a5 b13 "}},
		"a flood of one's own":        {plan: late, events: []event{{"a", 0, 1}, {"a", 1, 1}, {"a", 2, 1}, {"a", 3, 1}, {"b", 2, 1}}, complete: []string{"a0 b2 "}},
		"one that moved on stays":     {plan: three, events: []event{{"a", 1, 1}, {"b", 2, 1}, {"a", 3, 1}, {"c", 4, 1}}, complete: []string{"a1 b2 c4 "}},
	} {
		t.Run(name, func(t *testing.T) {
			var s window.Sequence
			var complete []string
			late := 0
			for _, e := range test.events {
				r := offer(&s, test.plan, e.letters, e.at, e.like)
				complete = append(complete, names(r.Complete)...)
				if r.Late {
					late++
				}
			}
			if !slices.Equal(complete, test.complete) || late != test.late {
				t.Errorf("complete %q, late %d; want %q, %d", complete, late, test.complete, test.late)
			}
		})
	}
}

// TestTheOrderOfArrivalChangesNothing holds that a chain is found once whatever the order in which
// its events arrive, with decoys of every step among them.
func TestTheOrderOfArrivalChangesNothing(t *testing.T) {
	plan := window.Plan{Steps: 4, Within: 100, Lateness: 100}
	type event struct {
		letters string
		at      int64
		like    uint64
	}
	events := []event{{"a", 10, 1}, {"b", 20, 1}, {"c", 30, 1}, {"d", 40, 1}}
	for i := range int64(8) {
		letter := string(rune('a' + i%4))
		events = append(events, event{letter, 5 + 6*i, uint64(2 + i)})
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		var s window.Sequence
		var complete []string
		for _, e := range events {
			r := offer(&s, plan, e.letters, e.at, e.like)
			complete = append(complete, names(r.Complete)...)
			if r.Late || r.Evicted > 0 || r.Cut {
				t.Fatalf("%+v", r)
			}
		}
		if !slices.Equal(complete, []string{"a10 b20 c30 d40 "}) {
			t.Fatalf("%q in the order %v", complete, events)
		}
	}
}

// TestSequenceIsBounded holds that a flood drives out its own oldest, not what other steps keep.
func TestSequenceIsBounded(t *testing.T) {
	plan := window.Plan{Steps: 2, Within: 1000, Lateness: 1000}
	for flood, other := range map[string]string{"a": "b", "b": "a"} {
		var s window.Sequence
		evicted := offer(&s, plan, other, 50, 7).Evicted
		for i := range int64(100) {
			evicted += offer(&s, plan, flood, i, uint64(i+1000)).Evicted
		}
		if evicted != 37 {
			t.Errorf("%s: %d evicted, want 37", flood, evicted)
		}
		at := map[string]int64{"a": 49, "b": 51}[flood]
		if got := names(offer(&s, plan, flood, at, 7).Complete); len(got) != 1 {
			t.Errorf("%s: complete: %q", flood, got)
		}
	}
}

// TestASearchIsBounded holds that decoys cost no more than what is said, and that this is told.
func TestASearchIsBounded(t *testing.T) {
	const mostAsked = 128
	plan := window.Plan{Steps: 3, Within: 1000, Since: []int{0, 1, 0}}
	var s window.Sequence
	for i := range int64(40) {
		s.Offer(&plan, 1+uint32(i%2), window.Step{At: i, Like: uint64(i)}, yes)
	}
	asked := 0
	r := s.Offer(&plan, 4, window.Step{At: 40}, func(n int, chain []window.Step) bool {
		asked++
		if n != 2 || len(chain) != 3 {
			t.Fatalf("asked of step %d after %v", n, chain)
		}
		return false
	})
	if asked != mostAsked || !r.Cut || r.Complete != nil {
		t.Errorf("asked %d times, %+v; want %d and a cut", asked, r, mostAsked)
	}
	asked = 0
	r = s.Offer(&plan, 4, window.Step{At: 41}, func(int, []window.Step) bool { asked++; return asked == 100 })
	if len(r.Complete) != 1 || asked != mostAsked {
		t.Errorf("asked %d times, found %+v", asked, r)
	}
	// Without conditions to ask about it ends too: gaps that hold nowhere.
	plan = window.Plan{Steps: 8, Within: 1000, Gaps: []int64{0, 1}}
	s = window.Sequence{}
	s.Offer(&plan, 1, window.Step{At: 0}, yes)
	for i := range int64(60) {
		s.Offer(&plan, 2<<(i/10), window.Step{At: 10 + i, Like: uint64(i)}, yes)
	}
	if r := s.Offer(&plan, 1<<7, window.Step{At: 80}, yes); !r.Cut {
		t.Errorf("%+v", r)
	}
}

// TestUnderWay holds how far sequences are said to have come.
func TestUnderWay(t *testing.T) {
	plan := window.Plan{Steps: 3, Within: 100, Lateness: 10, Since: []int{0, 0, 2}}
	admits := func(n int, chain []window.Step) bool { return chain[n].Like == chain[0].Like }
	var s window.Sequence
	for i, e := range []struct {
		met  uint32
		like uint64
	}{{1, 1}, {1, 1}, {1, 2}, {2, 1}, {2, 3}} {
		at := int64(i)
		s.Offer(&plan, e.met, window.Step{At: at, Like: e.like, Captured: fmt.Append(nil, at)}, admits)
	}
	if got, want := names(s.UnderWay(&plan, admits)), []string{"1 3 ", "2 "}; !slices.Equal(got, want) {
		t.Errorf("under way: %q, want %q", got, want)
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
		r := s.Offer(&window.Plan{Steps: 2, Within: 1000}, 1, step, yes)
		evicted, _ := a.Open(step, 0, 1000, 0, nil)
		answers := a.Answer(window.Step{At: int64(i) - 100, Like: uint64(i), Captured: make([]byte, size)}, math.MaxInt64)
		if want := []int{0, 0, 0, 2, 2}[i]; r.Evicted != want || evicted != want || answers != want {
			t.Errorf("event %d: the sequence lost %d and the absence %d and %d, want %d", i, r.Evicted, evicted, answers, want)
		}
		if want := max(most, size+100); s.Size() > want || a.Size() > 2*want || s.Idle() || a.Idle() {
			t.Errorf("event %d: %d and %d bytes", i, s.Size(), a.Size())
		}
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
