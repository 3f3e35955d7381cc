package detector

import (
	"context"
	"fmt"
	"time"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/state"
	"github.com/mcpwatch/mcpwatch/detector/window"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// NewEngineOf returns an engine with a window of its own.
var NewEngineOf = newEngine

// Timers is how many timers there are.
func (g *Engine) Timers() int { return len(g.keeper.timers.heap) }

// Checkpoint returns the chunks of what changed, or of everything.
func (g *Engine) Checkpoint(everything bool) [][]byte { return checkpointOf(g.keeper, everything) }

// Restore reads chunks back.
func (g *Engine) Restore(chunks [][]byte, clock time.Time) error {
	return restoreInto(g.keeper, chunks, clock)
}

// Checkpoint returns the chunks of what changed, or of everything.
func (f *Fleet) Checkpoint(everything bool) [][]byte { return checkpointOf(f.keeper, everything) }

// Restore reads chunks back.
func (f *Fleet) Restore(chunks [][]byte, clock time.Time) error {
	return restoreInto(f.keeper, chunks, clock)
}

func checkpointOf(k *keeper, everything bool) [][]byte {
	var w state.Writer
	k.changes(&w, everything)
	return w.Chunks()
}

func restoreInto(k *keeper, chunks [][]byte, clock time.Time) error {
	for _, c := range chunks {
		if err := state.Read(c, k.apply); err != nil {
			return err
		}
	}
	k.restored(clock.UnixMicro())
	return nil
}

// KeyOf is the key of a cell.
var KeyOf = keyOf

// Offers returns what shows the first rule of a set one hit more of one of so many actors.
func Offers(set *rule.Set, actors int) func(actor int) {
	k := newKeeper(set, false)
	hits := make([]hit, actors)
	for i := range hits {
		hits[i] = hit{key: []string{fmt.Sprint("agent:laptop-", i, "/claude-code")}, steps: 1, tenant: "acme", source: "taps"}
	}
	clock := int64(0)
	var out Outcome
	return func(actor int) {
		clock += 1000
		h := hits[actor]
		h.time, h.received = clock, clock
		k.offer(set.Programs[0], h, &out)
	}
}

// Fill has the first rule of an engine count one event of each of so many actors, of a thousand
// credentials.
func Fill(g *Engine, actors int) {
	t := g.keeper.order[0]
	for i := range actors {
		t.count.Update(keyOf("acme", fmt.Sprint("agent:", i)), uint64(i%1000), int64(i), func(c *window.Count, _ bool) bool {
			c.Add(int64(i), window.NewSpan(t.program.Within))
			return true
		})
	}
}

// OpenAgents opens a partition of mcp.events as Run does.
func (s *Stage) OpenAgents(ctx context.Context, c kafka.Claim) (kafka.Handler, int64, error) {
	return s.open(ctx, Group, c, func(set *rule.Set) work { return newAgents(set) })
}

// OpenFleets opens a partition of mcp.observations as Run does.
func (s *Stage) OpenFleets(ctx context.Context, c kafka.Claim) (kafka.Handler, int64, error) {
	return s.open(ctx, FleetGroup, c, func(set *rule.Set) work { return newFleets(set, s.o.Observations.Partitions()) })
}
