package collector

import (
	"context"
	"time"

	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// TickEvery is how often a collector says in every partition what time it is.
const TickEvery = 5 * time.Second

// Ticks writes a record to every partition of mcp.events. *kafka.Producer is the one there is.
type Ticks interface {
	Broadcast(ctx context.Context, r kafka.Record) error
}

// Tick writes a tick at once and each TickEvery until ctx ends. One that cannot be written
// is counted and not tried again: the next says more.
func (c *Collector) Tick(ctx context.Context, to Ticks) {
	ticker := time.NewTicker(TickEvery)
	defer ticker.Stop()
	for {
		tick := kafka.Tick{Collector: c.o.Name, Time: c.o.Now()}
		if err := to.Broadcast(ctx, tick.Record()); err != nil && ctx.Err() == nil {
			c.metrics.lostTicks.Inc()
			c.o.Log.Warn().Err(err).Msg("a tick was not written")
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
