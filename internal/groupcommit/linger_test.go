package groupcommit_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcpwatch/mcpwatch/internal/groupcommit"
)

func TestALingerGathersWhatComesWithinIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var commits [][]int
		c := groupcommit.New(groupcommit.Options[int]{
			Commit: func(_ context.Context, items []int) error {
				commits = append(commits, slices.Clone(items))
				return nil
			},
			Weight: func(int) int { return 1 }, Most: 3, Linger: time.Second,
		})
		do := func(after time.Duration, item int) {
			go func() {
				time.Sleep(after)
				if err := c.Do(context.Background(), []int{item}); err != nil { //nolint:usetesting // it outlives the bubble's test
					t.Error(err)
				}
			}()
		}
		do(0, 1)
		do(900*time.Millisecond, 2)
		do(1100*time.Millisecond, 3) // too late for the first, and full with the next two
		do(1200*time.Millisecond, 4)
		do(1300*time.Millisecond, 5)
		time.Sleep(5 * time.Second)
		c.Close()
		if want := [][]int{{1, 2}, {3, 4, 5}}; !slices.EqualFunc(commits, want, slices.Equal) {
			t.Errorf("commits are %v, want %v", commits, want)
		}
	})
}
