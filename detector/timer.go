package detector

import (
	"bytes"
	"container/heap"
	"math"
	"strings"

	"github.com/mcpwatch/mcpwatch/detector/window"
)

// timer says when a key of a rule is to be looked at, by the collectors' clock. The key may have
// changed since: whoever looks asks it.
type timer struct {
	at    int64
	rule  string
	key   window.Key
	quiet bool
}

// timers are kept by time, and where that is equal by rule and key, so that they end in an order
// that hangs on nothing else.
type timers struct {
	heap timerHeap
	most int // how many there may be before they are made anew
}

func (t *timers) push(next timer) {
	if next.at != math.MaxInt64 {
		heap.Push(&t.heap, next)
	}
}

// timerBytes is what a timer takes, and half as much again for room.
const timerBytes = 96

// timersHolding is what the timers take. Of each cell that can wait there are at most two.
func (k *keeper) timersHolding() holding {
	h := holding{"timers", len(k.timers.heap) * timerBytes, leastTimers * timerBytes}
	for _, t := range k.order {
		if t.absence != nil {
			_, cells := t.absence.Most()
			h.most += 2 * cells * timerBytes
		}
		if t.quiet != nil {
			_, cells := t.quiet.Most()
			h.most += 2 * cells * timerBytes
		}
	}
	return h
}

// pop takes the next timer that the clock has passed.
func (t *timers) pop(clock int64) (timer, bool) {
	if len(t.heap) == 0 || t.heap[0].at >= clock {
		return timer{}, false
	}
	return heap.Pop(&t.heap).(timer), true
}

type timerHeap []timer

func (h timerHeap) Len() int      { return len(h) }
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h timerHeap) Less(i, j int) bool {
	a, b := h[i], h[j]
	switch {
	case a.at != b.at:
		return a.at < b.at
	case a.rule != b.rule:
		return strings.Compare(a.rule, b.rule) < 0
	case a.quiet != b.quiet:
		return a.quiet
	}
	return bytes.Compare(a.key[:], b.key[:]) < 0
}

// Push implements heap.Interface.
func (h *timerHeap) Push(x any) { *h = append(*h, x.(timer)) }

// Pop implements heap.Interface.
func (h *timerHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// leastTimers is how many timers there may be before those of what no longer waits are dropped.
const leastTimers = 1024

// wake has a key looked at. An event that waits and is answered leaves its timer behind; when
// there are twice as many as were needed, they are made anew of what still waits. It changes no
// order.
func (k *keeper) wake(next timer) {
	k.timers.push(next)
	if len(k.timers.heap) > k.timers.most {
		k.setTimers()
	}
}

// setTimers makes the timers of all that waits.
func (k *keeper) setTimers() {
	k.timers = timers{}
	for _, t := range k.order {
		if t.absence != nil {
			t.absence.Each(func(key window.Key, a *window.Absence) bool {
				k.timers.push(timer{a.Next(), t.program.Rule.ID, key, false})
				return true
			})
		}
		if t.quiet != nil {
			t.quiet.Each(func(key window.Key, q *window.Quiet) bool {
				k.timers.push(timer{q.Next(), t.program.Rule.ID, key, true})
				return true
			})
		}
	}
	k.timers.most = 2*len(k.timers.heap) + leastTimers
}
