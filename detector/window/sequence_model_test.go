package window_test

import (
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/detector/window"
)

// naiveSequence is what Offer promises, one thing after the other: it makes all chains there are,
// and takes the one that comes first.
type naiveSequence struct {
	plan   window.Plan
	hits   []naiveHit
	newest int64
}

type naiveHit struct {
	met  uint32
	step window.Step
	own  bool // it is the event that is offered
}

func (m *naiveSequence) offer(met uint32, step window.Step, admits func(int, []window.Step) bool) (complete [][]window.Step, own int, late bool) {
	met &= 1<<m.plan.Steps - 1
	if met == 0 {
		return nil, 0, false
	}
	m.newest = max(m.newest, step.At)
	m.hits = append(m.hits, naiveHit{met, step, true})
	slices.SortStableFunc(m.hits, func(a, b naiveHit) int { return minus(a.step.At, b.step.At).Sign() })
	var used []int
	for n := m.plan.Steps - 1; n >= 0 && len(complete) == 0; n-- {
		if met>>n&1 == 0 {
			continue
		}
		own = n
		for {
			chains := m.chains(n, admits)
			if len(chains) == 0 {
				break
			}
			best := slices.MinFunc(chains, func(a, b []int) int { return prefer(n, a, b) })
			complete = append(complete, m.steps(best))
			used = append(used, best[1:]...)
			first := m.hits[best[0]]
			for i := range best[0] + 1 {
				if m.hits[i].met == first.met && m.hits[i].step.Like == first.step.Like {
					m.hits[i].met = 0
				}
			}
		}
	}
	for _, i := range used {
		m.hits[i].met = 0
	}
	return complete, own, m.forget()
}

func (m *naiveSequence) steps(chain []int) (steps []window.Step) {
	for _, i := range chain {
		steps = append(steps, m.hits[i].step)
	}
	return steps
}

// chains are all ways to choose an event for each step that meet every condition, the one that is
// offered as that step.
func (m *naiveSequence) chains(own int, admits func(int, []window.Step) bool) (all [][]int) {
	var choose func(chain []int)
	choose = func(chain []int) {
		n := len(chain)
		if n == m.plan.Steps {
			if m.holds(chain, own, admits) {
				all = append(all, slices.Clone(chain))
			}
			return
		}
		from := 0
		if n > 0 {
			from = chain[n-1] + 1
		}
		for i := from; i < len(m.hits); i++ {
			if m.hits[i].met>>n&1 == 1 {
				choose(append(chain, i))
			}
		}
	}
	choose(nil)
	return all
}

func (m *naiveSequence) holds(chain []int, own int, admits func(int, []window.Step) bool) bool {
	steps := m.steps(chain)
	if !m.hits[chain[own]].own || longer(steps[0].At, steps[len(steps)-1].At, m.plan.Within) {
		return false
	}
	for n := 1; n < len(steps); n++ {
		if n < len(m.plan.Gaps) && m.plan.Gaps[n] > 0 && longer(steps[n-1].At, steps[n].At, m.plan.Gaps[n]) {
			return false
		}
		if m.plan.Since[n] < n && !admits(n, steps[:n+1]) {
			return false
		}
	}
	return true
}

// prefer says which of two chains comes first: the newest events before a step, nearest first, then
// the earliest behind it.
func prefer(own int, a, b []int) int {
	for n := own - 1; n >= 0; n-- {
		if a[n] != b[n] {
			return b[n] - a[n]
		}
	}
	return slices.Compare(a[own:], b[own:])
}

// forget forgets what is used up or too old, and what is in the midst of its likes.
func (m *naiveSequence) forget() (late bool) {
	old := slices.DeleteFunc(m.hits, func(h naiveHit) bool { return h.met == 0 })
	m.hits = nil
	for i, h := range old {
		if m.needs(old[:i], h) {
			m.hits = append(m.hits, h)
		} else {
			late = late || h.own
		}
	}
	for i := range m.hits {
		m.hits[i].own = false
	}
	for i := 1; i+1 < len(m.hits); {
		a, b, c := m.hits[i-1], m.hits[i], m.hits[i+1]
		if a.met == b.met && b.met == c.met && a.step.Like == b.step.Like && b.step.Like == c.step.Like {
			m.hits = slices.Delete(m.hits, i, i+1)
		} else {
			i++
		}
	}
	return late
}

func (m *naiveSequence) needs(before []naiveHit, h naiveHit) bool {
	age := minus(m.newest, h.step.At)
	lateness, within := big.NewInt(max(m.plan.Lateness, 0)), big.NewInt(max(m.plan.Within, 0))
	both := new(big.Int).Add(lateness, within)
	switch {
	case h.met&1 == 1:
		return age.Cmp(both) <= 0
	case age.Cmp(lateness) <= 0:
		return true
	case h.met == 1<<(m.plan.Steps-1): // nothing can follow it
		return false
	}
	return slices.ContainsFunc(before, func(f naiveHit) bool {
		return f.met&1 == 1 && minus(m.newest, f.step.At).Cmp(both) <= 0 && minus(h.step.At, f.step.At).Cmp(within) <= 0
	})
}

func TestSequenceIsTheNaiveOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := window.Plan{
			Steps:    rapid.IntRange(2, 4).Draw(t, "steps"),
			Within:   someLength.Draw(t, "within"),
			Lateness: someLength.Draw(t, "lateness"),
			Gaps:     rapid.SliceOfN(rapid.OneOf(rapid.Just(int64(0)), someLength), 0, 5).Draw(t, "gaps"),
			Since:    []int{0},
		}
		for n := 1; n < plan.Steps; n++ {
			plan.Since = append(plan.Since, rapid.IntRange(0, n).Draw(t, "since"))
		}
		values := rapid.Uint64Range(1, 10).Draw(t, "values")
		model := naiveSequence{plan: plan, newest: math.MinInt64}
		var s window.Sequence
		for range rapid.IntRange(1, 24).Draw(t, "events") {
			like := rapid.Uint64Range(1, values).Draw(t, "value")
			step := window.Step{At: someTime.Draw(t, "at"), Like: like, Captured: strconv.AppendUint(nil, like, 10)}
			met := rapid.SampledFrom([]uint32{0, 1, 1, 2, 2, 4, 4, 8, 8, 3, 6, 15, 1 << 31}).Draw(t, "met")
			admits := func(n int, chain []window.Step) bool {
				return (uint64(n)+chain[n].Like+chain[plan.Since[n]].Like+chain[n-1].Like)%3 != 0
			}
			got := s.Offer(&plan, met, step, admits)
			if got.Cut {
				return // the model has no bounds
			}
			complete, own, late := model.offer(met, step, admits)
			if !reflect.DeepEqual(got.Complete, complete) || got.Late != late || len(complete) > 0 && got.Own != own || got.Evicted > 0 {
				t.Fatalf("Offer(%b, %v) = %+v, want %v as %d, %t", met, step, got, complete, own, late)
			}
			if s.Idle() != (len(model.hits) == 0) || s.Begun() != slices.ContainsFunc(model.hits, func(h naiveHit) bool { return h.met&1 == 1 }) {
				t.Fatalf("Idle = %t, Begun = %t with %v", s.Idle(), s.Begun(), model.hits)
			}
			roundTrip(t, &s)
			if rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
				s = *reread(t, &s)
			}
		}
	})
}

// reread is a cell that was written and read back.
func reread[C any, P window.Cell[C]](t *rapid.T, cell P) P {
	read := P(new(C))
	if _, err := read.Decode(cell.Append(nil)); err != nil {
		t.Fatal(err)
	}
	return read
}
