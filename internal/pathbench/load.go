package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
)

// fireEvery is how many events there are to one that fires a rule.
const fireEvery = 200

// loadLimit bounds the whole load. look is how often its progress is read, and still how
// long nothing moves before the views are asked whether it has ended.
const (
	loadLimit = 10 * time.Minute
	look      = 250 * time.Millisecond
	still     = 3 * time.Second
)

// load measures how many events a second the whole path takes: from the first request
// until the analyst's view holds all of them and all of their findings.
func (b *bench) load(ctx context.Context) error {
	r, err := newReceiver(ctx)
	if err != nil {
		return err
	}
	defer r.close()
	p, err := b.startUp(ctx, b.newData(), r.url)
	if err != nil {
		return err
	}
	return stopped(p, b.sustained(ctx, p, r))
}

func (b *bench) sustained(ctx context.Context, p *product, r *receiver) error {
	before, err := processesOf(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	own, err := usageOf(os.Getpid())
	if err != nil {
		return err
	}
	began := time.Now()
	s := sender{bench: b, product: p}
	if err := s.run(ctx); err != nil {
		return err
	}
	accepted := time.Since(began)
	ownAfter, err := usageOf(os.Getpid())
	if err != nil {
		return err
	}
	behind, err := p.counters(ctx)
	if err != nil {
		return err
	}
	done, err := b.stored(ctx, p, s.events, s.fires, began.Add(loadLimit))
	if err != nil {
		return err
	}
	after, err := processesOf(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	took := done.Sub(began)
	rate := float64(s.events) / took.Seconds()
	b.r.bound("sustained", grouped(int(rate))+" events/s", grouped(aimRate)+" events/s", rate >= aimRate)
	b.r.note("%s events of %d bytes on average, %s, %d in a request, %d requests at once, %s; %s findings", grouped(s.events), s.bytes/s.events,
		s.how(), b.o.batch, b.o.senders, pairing(b.o.paired), grouped(s.fires))
	b.r.note("accepted in %s (%s events/s, %d times told to wait), stored and decided in %s", seconds(accepted),
		grouped(int(float64(s.events)/accepted.Seconds())), s.waits, seconds(took))
	b.r.note("behind when the last was accepted: detector %s events, sink %s rows", grouped(s.events-decided(behind)), grouped(rowsDue(s.events, behind)-rows(behind)))
	c := costs{
		up: after.up.cpu - before.up.cpu, clickhouse: after.clickhouse.cpu - before.clickhouse.cpu,
		generator: ownAfter.cpu - own.cpu,
	}
	b.r.note("CPU per event: up %.1f µs, ClickHouse %.1f µs, generator %.1f µs", perEvent(c.up, s.events), perEvent(c.clickhouse, s.events), perEvent(c.generator, s.events))
	b.r.note("limit: %s", c.limit(took))
	if err := b.work(ctx, p); err != nil {
		return err
	}
	b.memory("resident at the end of the load", after)
	if err := r.await(ctx, s.fires, time.Minute); err != nil {
		return err
	}
	r.check(b.r, s.fires)
	return nil
}

// work prints what the product says of its own work: how large its inserts were, and what
// was done again.
func (b *bench) work(ctx context.Context, p *product) error {
	c, err := p.counters(ctx)
	if err != nil {
		return err
	}
	inserts := c[`mcpwatch_sink_insert_seconds_count{table="events"}`]
	b.r.note("the sink wrote %s event rows in %s inserts, %s rows each", grouped(rows(c)), grouped(inserts), grouped(rows(c)/max(inserts, 1)))
	failures := c["mcpwatch_detector_failures_total"] + c["mcpwatch_sink_failures_total"] + c["mcpwatch_alert_failures_total"]
	if repeats := c["mcpwatch_detector_repeated_events_total"]; failures+repeats > 0 {
		b.r.note("done again: %s attempts after a failure, %s events seen twice by one detector", grouped(failures), grouped(repeats))
	}
	return nil
}

// costs are the CPU times of a load.
type costs struct {
	up, clickhouse, generator time.Duration
}

// limit says what kept the path from being faster.
func (c costs) limit(took time.Duration) string {
	all := c.up + c.clickhouse + c.generator
	busy := 100 * all.Seconds() / took.Seconds() / float64(runtime.NumCPU())
	share := fmt.Sprintf("%.0f %% of %d CPUs used by the path (up %.0f %%, ClickHouse %.0f %%, generator %.0f %% of that)", busy, runtime.NumCPU(),
		100*c.up.Seconds()/all.Seconds(), 100*c.clickhouse.Seconds()/all.Seconds(), 100*c.generator.Seconds()/all.Seconds())
	if busy > 85 {
		return "CPU, " + share
	}
	return "waiting (disk, other processes or a stage with one goroutine), " + share
}

func perEvent(cpu time.Duration, events int) float64 {
	return float64(cpu.Microseconds()) / float64(events)
}

func pairing(paired bool) string {
	if paired {
		return "answers shipped with their request"
	}
	return "answers paired by the detector"
}

// The product's counters, and how many rows the sink owes: an event that the detector
// restates is written again.
func decided(c map[string]int) int { return c["mcpwatch_detector_events_total"] }
func rows(c map[string]int) int    { return c[`mcpwatch_sink_rows_total{table="events"}`] }

func rowsDue(events int, c map[string]int) int {
	return events + c["mcpwatch_detector_annotations_total"]
}

// stored waits until all events are in the view events, each once, and all that fire have
// their findings, and says since when that is so. The views are asked only when the
// product's counters say that they are worth asking, as asking costs: that all is done, or
// that nothing moves any more, since work that was done twice is counted twice.
func (b *bench) stored(ctx context.Context, p *product, events, fires int, deadline time.Time) (since time.Time, err error) {
	seen, moved := -1, time.Now()
	for {
		counters, err := p.counters(ctx)
		if err != nil {
			return since, err
		}
		if n := decided(counters) + rows(counters); n != seen {
			seen, moved = n, time.Now()
		}
		late := time.Now().After(deadline)
		if late || time.Since(moved) > still || decided(counters) >= events && rows(counters) >= rowsDue(events, counters) {
			since = time.Now()
			stored, err := p.query(ctx, "SELECT count(), uniqExact(event_id) FROM mcpwatch.events")
			if err != nil {
				return since, err
			}
			found, err := p.query(ctx, "SELECT count(), uniqExact(finding_id), uniqExact(events[1]), countIf(NOT endsWith(events[1], '"+firing+"')) FROM mcpwatch.findings")
			if err != nil {
				return since, err
			}
			if late || stored[0] >= events && found[2] >= fires {
				b.r.exact("events stored", stored[0], events)
				b.r.exact("distinct event ids", stored[1], events)
				b.r.exact("events with findings", found[2], fires)
				if found[0] != found[1] || found[3] > 0 {
					b.r.fail("of %d findings stored %d are distinct, and %d are on events that fire nothing", found[0], found[1], found[3])
				}
				return since, nil
			}
		}
		select {
		case <-ctx.Done():
			return since, ctx.Err()
		case <-time.After(look):
		}
	}
}

// sender sends the load.
type sender struct {
	bench   *bench
	product *product

	mu                          sync.Mutex
	events, fires, bytes, waits int
}

func (s *sender) how() string {
	if s.bench.o.plain {
		return "NDJSON uncompressed"
	}
	return "NDJSON with zstd"
}

// run sends all events. Each sender has actors of its own, so what one actor does stays
// in order.
func (s *sender) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for i := range s.bench.o.senders {
		group.Go(func() error {
			t := newTraffic(uint64(i), fmt.Sprint("load", i), s.bench.o.paired)
			return s.send(ctx, t, s.bench.o.events/s.bench.o.senders)
		})
	}
	return group.Wait()
}

// send sends at least n events in batches of one request each.
func (s *sender) send(ctx context.Context, t *traffic, n int) error {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	defer encoder.Close()
	var batch, packed []byte
	bytes, waits := 0, 0
	for t.next < n {
		batch = batch[:0]
		for end := t.next + s.bench.o.batch; t.next < end; {
			if t.next/fireEvery >= t.fires {
				batch = t.fire(batch, time.Now())
			} else {
				batch = t.benign(batch, time.Now())
			}
		}
		bytes += len(batch)
		body, encoding := batch, ""
		if !s.bench.o.plain {
			packed = encoder.EncodeAll(batch, packed[:0])
			body, encoding = packed, "zstd"
		}
		waited, err := deliverCounting(ctx, s.product, body, encoding)
		if err != nil {
			return err
		}
		waits += waited
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events, s.fires, s.bytes, s.waits = s.events+t.next, s.fires+t.fires, s.bytes+bytes, s.waits+waits
	return nil
}

// deliver sends a body until the collector has taken it, waiting as it asks.
func deliver(ctx context.Context, p *product, body []byte, encoding string) error {
	_, err := deliverCounting(ctx, p, body, encoding)
	return err
}

// attempts bounds how often one body is sent.
const attempts = 60

func deliverCounting(ctx context.Context, p *product, body []byte, encoding string) (waits int, err error) {
	for range attempts {
		wait, err := p.send(ctx, body, encoding)
		if err != nil || wait == 0 {
			return waits, err
		}
		waits++
		select {
		case <-ctx.Done():
			return waits, ctx.Err()
		case <-time.After(wait):
		}
	}
	return waits, fmt.Errorf("the collector told us to wait %d times in a row", attempts)
}
