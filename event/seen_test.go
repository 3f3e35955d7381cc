package event_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/event"
)

// TestSeenKnowsTheIDsOfItsWindow compares it with a definition: an id is new where the window
// before it holds none like it.
func TestSeenKnowsTheIDsOfItsWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.Int64Range(1, 6).Draw(t, "window")
		seen := event.NewSeen(window)
		at := map[int64]string{}
		var position int64
		for _, id := range rapid.SliceOf(rapid.SampledFrom([]string{"", "a", "b", "c", "d", "e", "f", "g"})).Draw(t, "ids") {
			position += rapid.Int64Range(1, 3).Draw(t, "distance")
			fresh := true
			for p := position - window; p < position; p++ {
				if before, ok := at[p]; ok && before == id {
					fresh = false
				}
			}
			at[position] = id
			if got := seen.Add(position, []byte(id)); got != fresh {
				t.Fatalf("Add(%d, %q) = %t with %v before", position, id, got, at)
			}
		}
	})
}
