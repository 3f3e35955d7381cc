package main

import (
	"context"
	"os"
	"slices"
	"time"
)

// start measures start and stop of `up`, on an empty data directory and again on the same
// one, and then its memory at rest.
func (b *bench) start(ctx context.Context) error {
	var first, again, stops []time.Duration
	cycle := func(data string, ready *[]time.Duration) error {
		p, err := b.startUp(ctx, data, "")
		if err != nil {
			return err
		}
		*ready = append(*ready, p.ready)
		took, err := p.stop()
		stops = append(stops, took)
		return err
	}
	for range b.o.starts {
		data := b.newData()
		if err := cycle(data, &first); err != nil {
			return err
		}
		if err := cycle(data, &again); err != nil {
			return err
		}
		_ = os.RemoveAll(data) // all of it goes at the end
	}
	b.r.bound("ready, empty directory", seconds(median(first)), "< "+seconds(aimReady), slices.Max(first) < aimReady)
	b.r.bound("ready, same directory", seconds(median(again)), "< "+seconds(aimReady), slices.Max(again) < aimReady)
	b.r.bound("stop", seconds(median(stops)), "< "+seconds(aimStop), slices.Max(stops) < aimStop)
	b.r.note("medians of %d starts each; at worst %s, %s and %s", b.o.starts,
		seconds(slices.Max(first)), seconds(slices.Max(again)), seconds(slices.Max(stops)))
	return b.rest(ctx)
}

// rest measures memory some time after the start.
func (b *bench) rest(ctx context.Context) error {
	p, err := b.startUp(ctx, b.newData(), "")
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-time.After(b.o.idle):
	}
	used, err := processesOf(p.cmd.Process.Pid)
	if err == nil {
		b.r.bound("memory at rest", megabytes(used.resident()), "< "+megabytes(aimMemory), used.resident() < aimMemory)
		b.memory("resident after "+b.o.idle.String(), used)
		b.r.note("CPU in those %s: up %s, ClickHouse %s", b.o.idle, seconds(used.up.cpu), seconds(used.clickhouse.cpu))
	}
	return stopped(p, err)
}

// memory prints where it is.
func (b *bench) memory(what string, used processes) {
	b.r.note("%s: up %s, ClickHouse %s; proportional (PSS) %s and %s", what,
		megabytes(used.up.resident), megabytes(used.clickhouse.resident), megabytes(used.up.share), megabytes(used.clickhouse.share))
}
