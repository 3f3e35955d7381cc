package collector_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mcpwatch/mcpwatch/collector"
	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// clock keeps the ticks that reach it, after some that fail.
type clock struct {
	mu    sync.Mutex
	fails int
	ticks []kafka.Tick
}

func (c *clock) Broadcast(_ context.Context, r kafka.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fails > 0 {
		c.fails--
		return errors.New("no broker")
	}
	tick, ok := kafka.ReadTick(r)
	if !ok {
		return errors.New("no tick")
	}
	c.ticks = append(c.ticks, tick)
	return nil
}

func TestTicksComeEachFiveSecondsWhateverFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := collector.DefaultOptions()
		o.Name, o.Registry, o.Credentials = "c1", prometheus.NewRegistry(), credential.Fixed(credential.Single(token, credential.Identity{Tenant: "acme", Source: "laptops"}))
		o.Events, o.DeadLetters, o.Ready = failing{}, failing{}, func(context.Context) error { return nil }
		c, err := collector.New(o)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 4*collector.TickEvery-time.Second)
		defer cancel()
		to := &clock{fails: 1}
		c.Tick(ctx, to)
		if len(to.ticks) != 3 {
			t.Fatalf("%d ticks came, want 3", len(to.ticks))
		}
		for i, tick := range to.ticks {
			want := kafka.Tick{Collector: "c1", Time: began.Add(time.Duration(i+1) * collector.TickEvery).UTC().Round(0)}
			if tick != want {
				t.Errorf("tick %d is %+v, want %+v", i, tick, want)
			}
		}
	})
}
