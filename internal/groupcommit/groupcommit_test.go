package groupcommit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/internal/groupcommit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// item is the n-th of a caller's round-th call.
type item struct{ caller, round, n int }

// log is a store to commit to; gate, where there is one, holds each commit until it is let go.
type log struct {
	mu      sync.Mutex
	commits [][]item
	fail    func(commit int) error
	gate    chan struct{}
}

func (l *log) commit(ctx context.Context, items []item) error {
	if l.gate != nil {
		select {
		case <-l.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commits = append(l.commits, slices.Clone(items))
	if l.fail != nil {
		return l.fail(len(l.commits) - 1)
	}
	return nil
}

func committer(l *log, most, queue int) *groupcommit.Committer[item] {
	return groupcommit.New(groupcommit.Options[item]{
		Commit: l.commit, Weight: func(item) int { return 1 }, Most: most, Queue: queue,
	})
}

func call(caller, round, n int) []item {
	items := make([]item, n)
	for i := range items {
		items[i] = item{caller, round, i}
	}
	return items
}

var errRefused = errors.New("refused")

// TestEachCallIsCommittedOnceTogetherAndInOrder lets callers loose on a store that refuses
// some commits, and then checks each call against the log.
func TestEachCallIsCommittedOnceTogetherAndInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, 4), 1, 6), 1, 8).Draw(t, "sizes")
		refused := rapid.SliceOfN(rapid.Bool(), 64, 64).Draw(t, "refused")
		most := rapid.IntRange(1, 10).Draw(t, "most")
		l := &log{fail: func(commit int) error {
			if refused[commit%len(refused)] {
				return fmt.Errorf("%w: %d", errRefused, commit)
			}
			return nil
		}}
		c := committer(l, most, rapid.IntRange(0, 3).Draw(t, "queue"))
		outcome := make([][]error, len(sizes))
		var callers sync.WaitGroup
		for caller, rounds := range sizes {
			callers.Go(func() {
				for round, n := range rounds {
					outcome[caller] = append(outcome[caller], c.Do(t.Context(), call(caller, round, n)))
				}
			})
		}
		callers.Wait()
		c.Close()

		next := map[int]item{} // what a caller's next item must be at the least
		for number, commit := range l.commits {
			weight := 0
			for i := 0; i < len(commit); {
				first := commit[i]
				whole := call(first.caller, first.round, sizes[first.caller][first.round])
				if first.n != 0 || len(commit) < i+len(whole) || !slices.Equal(commit[i:i+len(whole)], whole) {
					t.Fatalf("commit %d breaks up a call: %v", number, commit)
				}
				if before := next[first.caller]; first.round < before.round {
					t.Fatalf("caller %d: round %d is committed again or late", first.caller, first.round)
				}
				next[first.caller] = item{first.caller, first.round + 1, 0}
				if weight >= most {
					t.Fatalf("commit %d takes a caller at a weight of %d, most is %d", number, weight, most)
				}
				weight += len(whole)
				i += len(whole)
				got := outcome[first.caller][first.round]
				if want := l.fail(number); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Fatalf("caller %d, round %d in commit %d: %v, want %v", first.caller, first.round, number, got, want)
				}
			}
		}
		for caller, rounds := range sizes {
			committed := 0
			for _, commit := range l.commits {
				for _, i := range commit {
					if i.caller == caller {
						committed++
					}
				}
			}
			want := 0
			for _, n := range rounds {
				want += n
			}
			if committed != want {
				t.Fatalf("caller %d: %d items committed, want %d", caller, committed, want)
			}
		}
	})
}

// start lets a caller loose inside a synctest bubble and returns where its outcome comes.
func start(ctx context.Context, c *groupcommit.Committer[item], items []item) <-chan error {
	outcome := make(chan error, 1)
	go func() { outcome <- c.Do(ctx, items) }()
	synctest.Wait()
	return outcome
}

func TestWhoWaitsIsCommittedTogetherUpToTheWeight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{gate: make(chan struct{})}
		c := committer(l, 3, 0)
		defer c.Close()
		var outcomes []<-chan error
		for caller := range 6 {
			outcomes = append(outcomes, start(t.Context(), c, call(caller, 0, 1)))
		}
		for range 3 {
			l.gate <- struct{}{}
		}
		for _, outcome := range outcomes {
			if err := <-outcome; err != nil {
				t.Error(err)
			}
		}
		if got := fmt.Sprint(l.commits); got != "[[{0 0 0}] [{1 0 0} {2 0 0} {3 0 0}] [{4 0 0} {5 0 0}]]" {
			t.Errorf("commits %s", got)
		}
	})
}

func TestALoneCallerMayExceedTheWeight(t *testing.T) {
	l := &log{}
	c := committer(l, 2, 0)
	defer c.Close()
	if err := c.Do(t.Context(), call(0, 0, 5)); err != nil || len(l.commits) != 1 || len(l.commits[0]) != 5 {
		t.Errorf("%v, commits %v", err, l.commits)
	}
}

func TestAnErrorGoesToTheCallersOfItsCommitOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{gate: make(chan struct{}), fail: func(commit int) error {
			if commit == 1 {
				return errRefused
			}
			return nil
		}}
		c := committer(l, 2, 0)
		defer c.Close()
		var got []string
		var outcomes []<-chan error
		for caller := range 5 { // commits: 0 | 1 2 | 3 4
			outcomes = append(outcomes, start(t.Context(), c, call(caller, 0, 1)))
		}
		for range 3 {
			l.gate <- struct{}{}
		}
		for _, outcome := range outcomes {
			got = append(got, fmt.Sprint(<-outcome))
		}
		if fmt.Sprint(got) != "[<nil> refused refused <nil> <nil>]" {
			t.Errorf("outcomes %v", got)
		}
	})
}

func TestACallerWhoGivesUpHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{gate: make(chan struct{})}
		c := committer(l, 10, 1)
		defer c.Close()
		ctx, cancel := context.WithCancel(t.Context())
		committing := start(ctx, c, call(0, 0, 1))
		queued := start(ctx, c, call(1, 0, 1))
		waiting := start(ctx, c, call(2, 0, 1)) // the queue is full: Do itself waits
		cancel()
		for _, outcome := range []<-chan error{committing, queued, waiting} {
			if err := <-outcome; !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want %v", err, context.Canceled)
			}
		}
		last := start(t.Context(), c, call(3, 0, 1))
		if l.gate <- struct{}{}; len(last) == 0 {
			l.gate <- struct{}{}
		}
		if err := <-last; err != nil {
			t.Errorf("after others gave up: %v", err)
		}
	})
}

func TestCloseFailsWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{gate: make(chan struct{})}
		c := committer(l, 10, 1)
		var outcomes []<-chan error
		for caller := range 4 { // one is being committed, one is queued, two wait for the queue
			outcomes = append(outcomes, start(t.Context(), c, call(caller, 0, 1)))
		}
		c.Close()
		c.Close()
		for i, outcome := range outcomes {
			if err := <-outcome; !errors.Is(err, groupcommit.ErrClosed) && !errors.Is(err, context.Canceled) {
				t.Errorf("caller %d: %v", i, err)
			}
		}
		if len(l.commits) != 0 {
			t.Errorf("commits %v after Close", l.commits)
		}
		if err := c.Do(t.Context(), call(9, 0, 1)); !errors.Is(err, groupcommit.ErrClosed) {
			t.Errorf("Do after Close: %v", err)
		}
	})
}

// TestNobodyIsLeftWaitingWhenDoMeetsClose races the two: in a bubble a caller that nobody
// answers is a deadlock.
func TestNobodyIsLeftWaitingWhenDoMeetsClose(t *testing.T) {
	for range 5000 {
		synctest.Test(t, func(t *testing.T) {
			c := committer(&log{}, 10, 2)
			var callers sync.WaitGroup
			for caller := range 4 {
				callers.Go(func() {
					for round := 0; ; round++ {
						if c.Do(t.Context(), call(caller, round, 1)) != nil {
							return
						}
					}
				})
			}
			c.Close()
			callers.Wait()
		})
	}
}
