package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// receiver is a webhook's other end: it notes when each finding came.
type receiver struct {
	server *http.Server
	url    string

	mu struct {
		sync.Mutex
		came     map[string]time.Time // by the event that the finding is on: the first delivery
		ids      map[string]int       // deliveries by webhook-id
		problems int
	}
}

func newReceiver(ctx context.Context) (*receiver, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the receiver: %w", err)
	}
	r := &receiver{url: "http://" + listener.Addr().String() + "/findings"}
	r.mu.came, r.mu.ids = map[string]time.Time{}, map[string]int{}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = r.server.Serve(listener) }() // ends with close
	return r, nil
}

func (r *receiver) close() { _ = r.server.Close() }

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	now := time.Now()
	var message struct {
		Data struct {
			Events []string `json:"events"`
		} `json:"data"`
	}
	if err == nil {
		err = json.Unmarshal(body, &message)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || len(message.Data.Events) != 1 {
		r.mu.problems++
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	event := message.Data.Events[0]
	if _, known := r.mu.came[event]; !known {
		r.mu.came[event] = now
	}
	r.mu.ids[request.Header.Get("webhook-id")]++
}

// alerts is what came so far.
type alerts struct {
	events, unexpected, repeats, problems int
}

// alerts counts deliveries. unexpected are those on events that should fire nothing.
func (r *receiver) alerts() alerts {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := alerts{events: len(r.mu.came), problems: r.mu.problems}
	for event := range r.mu.came {
		if !strings.HasSuffix(event, firing) {
			a.unexpected++
		}
	}
	for _, n := range r.mu.ids {
		a.repeats += n - 1
	}
	return a
}

// await waits until findings on so many events came.
func (r *receiver) await(ctx context.Context, events int, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for r.alerts().events < events {
		if time.Now().After(deadline) {
			return nil // the count is reported
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// check reports whether each event that fires was told of, once, and no other.
func (r *receiver) check(rep *report, events int) {
	a := r.alerts()
	rep.exact("events told of by the webhook", a.events, events)
	if a.unexpected+a.repeats+a.problems > 0 {
		rep.fail("the webhook told of %d events that fire nothing, %d findings twice, and sent %d bodies that are none", a.unexpected, a.repeats, a.problems)
	}
}

// latency measures the time from when an event is to be sent until the webhook's receiver
// has its finding. Events are sent at times fixed beforehand, each in a request of its own
// and whether or not those before were answered: what waits for anything, counts.
func (b *bench) latency(ctx context.Context) error {
	r, err := newReceiver(ctx)
	if err != nil {
		return err
	}
	defer r.close()
	p, err := b.startUp(ctx, b.newData(), r.url)
	if err != nil {
		return err
	}
	return stopped(p, b.alertLatency(ctx, p, r))
}

func (b *bench) alertLatency(ctx context.Context, p *product, r *receiver) error {
	t := newTraffic(1, "latency", false)
	began := time.Now()
	if err := deliver(ctx, p, t.fire(nil, began), ""); err != nil {
		return err
	}
	if err := r.await(ctx, 1, time.Minute); err != nil {
		return err
	}
	b.r.note("first alert %s after the first event, which was sent as soon as up was ready", seconds(time.Since(began)))

	before, err := processesOf(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	due, late, err := b.sendOnTime(ctx, p, t)
	if err != nil {
		return err
	}
	if err := r.await(ctx, t.fires, 30*time.Second); err != nil {
		return err
	}
	after, err := processesOf(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	var took []time.Duration
	r.mu.Lock()
	for event, at := range due {
		if came, known := r.mu.came[event]; known {
			took = append(took, came.Sub(at))
		}
	}
	r.mu.Unlock()
	if len(took) == 0 {
		return fmt.Errorf("no finding came to the webhook")
	}
	slices.Sort(took)
	p99 := quantile(took, 0.99)
	b.r.bound("alert p99", milliseconds(p99), "< "+seconds(aimAlert), p99 < aimAlert && len(took) == len(due))
	b.r.note("event sent → webhook received at %d events/s for %s, open loop: p50 %s, p99 %s, max %s of %d alerts; the generator was at most %s late",
		b.o.rate, b.o.duration, milliseconds(quantile(took, 0.5)), milliseconds(p99), milliseconds(quantile(took, 1)), len(took), milliseconds(late))
	b.r.note("CPU meanwhile: up %.0f %%, ClickHouse %.0f %% of one core", 100*(after.up.cpu-before.up.cpu).Seconds()/b.o.duration.Seconds(),
		100*(after.clickhouse.cpu-before.clickhouse.cpu).Seconds()/b.o.duration.Seconds())
	r.check(b.r, t.fires)
	_, err = b.stored(ctx, p, t.next, t.fires, time.Now().Add(time.Minute))
	return err
}

// sendOnTime sends an event when each is due. It returns when those that fire were due,
// and how late the generator itself was at most.
func (b *bench) sendOnTime(ctx context.Context, p *product, t *traffic) (due map[string]time.Time, late time.Duration, err error) {
	due = make(map[string]time.Time)
	var lines [][]byte
	n := int(float64(b.o.rate) * b.o.duration.Seconds())
	gap := time.Second / time.Duration(b.o.rate)
	began := time.Now().Add(100 * time.Millisecond)
	for len(lines) < n {
		at := began.Add(time.Duration(len(lines)) * gap)
		made := []byte(nil)
		if len(lines)%10 < 2 {
			due[t.id(firing)] = at
			made = t.fire(nil, at)
		} else {
			made = t.benign(nil, at)
		}
		for line := range strings.Lines(string(made)) {
			lines = append(lines, []byte(line))
		}
	}
	var senders sync.WaitGroup
	defer senders.Wait()
	failed := make(chan error, len(lines))
	for i, line := range lines {
		at := began.Add(time.Duration(i) * gap)
		select {
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		case err := <-failed:
			return nil, 0, err
		case <-time.After(time.Until(at)):
		}
		late = max(late, time.Since(at))
		senders.Go(func() {
			if err := deliver(ctx, p, line, ""); err != nil {
				failed <- err
			}
		})
	}
	senders.Wait()
	close(failed)
	return due, late, <-failed
}
