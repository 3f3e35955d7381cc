package event_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/event"
)

// TestSeenKnowsTheLastIDs compares it with a list that is obviously right.
func TestSeenKnowsTheLastIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 6).Draw(t, "most")
		seen := event.NewSeen(most)
		var model []string
		for _, id := range rapid.SliceOf(rapid.SampledFrom([]string{"", "a", "b", "c", "d", "e", "f", "g"})).Draw(t, "ids") {
			fresh := !slices.Contains(model, id)
			if got := seen.Add(id); got != fresh {
				t.Fatalf("Add(%q) = %t with %q known", id, got, model)
			}
			if fresh {
				if model = append(model, id); len(model) > most {
					model = model[1:]
				}
			}
		}
	})
}
