package tap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

const ping = `{"jsonrpc":"2.0","method":"notifications/ping"}` + "\n"

// TestShipping runs a tap against a collector that fails first, and wants every event
// shipped once in the end.
func TestShipping(t *testing.T) {
	failFirst := func(n int, a answer) func(p post) answer {
		return func(p post) answer {
			if p.n <= n {
				return a
			}
			return answer{}
		}
	}
	for _, test := range []struct {
		name     string
		answer   func(post) answer
		failures uint64
		twice    bool // some events may have been taken twice
	}{
		{name: "all is well"},
		{name: "429", answer: failFirst(3, answer{status: 429}), failures: 3},
		{name: "503 with Retry-After", answer: failFirst(1, answer{status: 503, retryAfter: "0"}), failures: 1},
		{name: "500", answer: failFirst(2, answer{status: 500}), failures: 2},
		{name: "401", answer: failFirst(3, answer{status: 401}), failures: 3},
		{name: "403", answer: failFirst(1, answer{status: 403}), failures: 1},
		{name: "400", answer: failFirst(1, answer{status: 400}), failures: 1},
		{name: "a redirect", answer: failFirst(1, answer{status: 302}), failures: 1},
		{name: "the answer is lost", answer: failFirst(2, answer{hangUp: true}), failures: 2, twice: true},
		{name: "an answer nobody can read", answer: failFirst(1, answer{status: 202, body: "<html>"})},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCollector(t)
			c.answer = test.answer
			o := options(t, "echo")
			o.Target = c.target
			r := startRun(t, o)
			for i := range 20 {
				line := fmt.Sprintf(`{"jsonrpc":"2.0","method":"m%d"}`, i) + "\n"
				r.write(line)
				r.expect(line)
			}
			c.until("40 events and an answer that counts", func() bool {
				return len(c.lines) == 40 && len(c.posts) > int(test.failures)
			})
			r.in.Close()
			r.wait()
			events := c.events()
			if n := checkWhole(t, events, "T1"); n != 40 || !test.twice && len(events) != 40 {
				t.Errorf("%d events to number %d, want 40", len(events), n)
			}
			s := r.counters.Snapshot()
			if s.Shipped != 40 || s.Failures < test.failures || s.Events != 40 {
				t.Errorf("stats %+v", s)
			}
			for _, p := range c.posts {
				if p.header.Get("Authorization") != "Bearer secret" || p.header.Get("Content-Type") != "application/x-ndjson" {
					t.Errorf("headers %v", p.header)
				}
				if len(p.events) > batchEvents || p.bytes > batchBytes+1 {
					t.Errorf("a post of %d events and %d bytes", len(p.events), p.bytes)
				}
			}
			if left := files(t, o.SpoolDir); strings.Join(left, " ") != "adopter.lock" && len(left) > 0 {
				t.Errorf("the spool holds %v", left)
			}
		})
	}
}

func TestBigBacklogIsShippedInBatches(t *testing.T) {
	c := newCollector(t)
	c.answer = func(post) answer { return answer{status: 503} }
	o := options(t, "eof")
	o.Target = c.target
	r := startRun(t, o)
	const lines = 5000
	for range lines / 100 {
		r.write(strings.Repeat(`{"jsonrpc":"2.0","method":"notifications/x","params":{"p":"`+strings.Repeat("p", 300)+`"}}`+"\n", 100))
	}
	c.set(nil)
	r.in.Close()
	r.wait()
	if n := checkWhole(t, c.events(), "T1"); n != lines+1 || len(c.taken) != lines+1 {
		t.Errorf("%d events to number %d, want %d", len(c.taken), n, lines+1)
	}
	zipped := false
	for _, p := range c.posts {
		zipped = zipped || p.header.Get("Content-Encoding") == "gzip"
		if len(p.events) > batchEvents || p.bytes > batchBytes+1 {
			t.Errorf("a post of %d events and %d bytes", len(p.events), p.bytes)
		}
	}
	if !zipped {
		t.Error("nothing was compressed")
	}
}

func TestTooLargeBatchesAreHalved(t *testing.T) {
	c := newCollector(t)
	gate := make(chan struct{})
	c.answer = func(p post) answer {
		for _, e := range p.events {
			if strings.Contains(string(e.Message), "HUGE") || len(p.events) > 3 {
				return answer{status: http.StatusRequestEntityTooLarge}
			}
		}
		return answer{}
	}
	o := options(t, "eof")
	o.Target = func(ctx context.Context) (string, string, error) {
		<-gate // until there is a batch of many
		return c.target(ctx)
	}
	r := startRun(t, o)
	for i := range 50 {
		method := "small"
		if i == 20 {
			method = "HUGE"
		}
		r.write(`{"jsonrpc":"2.0","method":"` + method + `"}` + "\n")
	}
	r.in.Close()
	close(gate)
	r.wait()
	events := c.events()
	// What shipping finds at the very end is declared in the spool, for the next tap.
	events = append(events, spooled(t, filepath.Join(o.SpoolDir, "T1"))...)
	checkWhole(t, events, "T1")
	var lost []gapJSON
	for _, e := range events {
		if g := gapIn(t, e); g.Reason != "" {
			lost = append(lost, g)
		}
	}
	if len(lost) != 1 || lost[0].Reason != GapTooLarge || lost[0].First != 21 || lost[0].Last != 21 || lost[0].Events != 1 {
		t.Errorf("gaps %+v", lost)
	}
	if s := r.counters.Snapshot(); s.TooLarge != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestRefusedEventsAreCountedAndNotRetried(t *testing.T) {
	c := newCollector(t)
	c.answer = func(post) answer {
		return answer{status: 202, body: `{"accepted":0,"refused":[{"index":0,"field":"message","reason":"no good"}]}`}
	}
	o := options(t, "echo")
	o.Target = c.target
	r := startRun(t, o)
	r.write(ping)
	r.expect(ping)
	r.in.Close()
	r.wait()
	s := r.counters.Snapshot()
	if s.Shipped != 2 || s.Refused != s.Batches || len(c.taken) != 2 {
		t.Errorf("stats %+v, %d taken", s, len(c.taken))
	}
}

func TestTargetIsAskedAgain(t *testing.T) {
	c := newCollector(t)
	var asked atomic.Int32
	o := options(t, "echo")
	o.Target = func(context.Context) (string, string, error) {
		switch asked.Add(1) {
		case 1:
			return "", "", errors.New("not up yet")
		case 2:
			return "http://127.0.0.1:1", "old", nil
		case 3:
			return "::no url::", "old", nil
		}
		return c.server.URL + "/", "secret", nil
	}
	r := startRun(t, o)
	r.write(ping)
	r.expect(ping)
	c.until("two events", func() bool { return len(c.taken) == 2 })
	r.in.Close()
	r.wait()
	if s := r.counters.Snapshot(); s.Failures < 3 {
		t.Errorf("stats %+v", s)
	}
}

// A collector that is away does not hold up the end of the tap for the whole linger time,
// and what was not shipped is shipped by the next tap, before nothing is lost.
func TestNextTapShipsTheRest(t *testing.T) {
	o := options(t, "echo") // no collector
	o.Linger = time.Hour
	r := startRun(t, o)
	for range 10 {
		r.write(ping)
		r.expect(ping)
	}
	r.in.Close()
	r.wait()
	if s := r.counters.Snapshot(); s.Shipped != 0 || s.Events != 20 {
		t.Errorf("stats %+v", s)
	}

	c := newCollector(t)
	o2 := options(t, "echo")
	o2.SpoolDir, o2.Target = o.SpoolDir, c.target
	o2.NewInstance = func() string { return "T2" }
	r2 := startRun(t, o2)
	c.until("the events of the tap before", func() bool { return len(c.taken) == 20 })
	r2.in.Close()
	r2.wait()
	if n := checkWhole(t, c.events(), "T1"); n != 20 {
		t.Errorf("events up to %d", n)
	}
}

func TestSpoolsOfTheDeadAreShippedOldestFirstByOneTap(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	const dead, each = 8, 5
	for i := range dead {
		s := testStore(dir, fmt.Sprintf("D%d", i), 1000, 1<<20)
		fill(t, s, 1, each, 100)
		abandon(s)
	}
	c := newCollector(t)
	var runs []*run
	for _, name := range []string{"T1", "T2"} {
		o := options(t, "echo")
		o.SpoolDir, o.Target = dir, c.target
		o.NewInstance = func() string { return name }
		o.AdoptEvery = time.Millisecond
		runs = append(runs, startRun(t, o))
	}
	c.until("all events", func() bool { return len(c.taken) == dead*each })
	for _, r := range runs {
		r.in.Close()
		r.wait()
	}
	events := c.events()
	if len(events) != dead*each {
		t.Errorf("%d events, want %d, each once", len(events), dead*each)
	}
	for i, e := range events {
		if want := fmt.Sprintf("D%d.%d", i/each, i%each+1); e.ID != want {
			t.Errorf("event %d is %s, want %s", i, e.ID, want)
		}
	}
	// A spool that was shipped to its end as both taps ended is left to be removed by the next.
	s := testStore(dir, "T3", 1000, 1<<20)
	if spools, err := s.adopt(); err != nil || len(spools) > 0 && len(take(t, s, spools[0], batchBytes)) > 0 {
		t.Errorf("unshipped: %v (%v)", spools, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 2 {
		t.Errorf("left behind: %v (%v)", entries, err)
	}
}

func TestSpoolBoundIsDeclaredToTheCollector(t *testing.T) {
	c := newCollector(t)
	c.answer = func(post) answer { return answer{status: 503} }
	o := options(t, "echo")
	o.Target = c.target
	o.SegmentBytes, o.SpoolBytes = 4<<10, 12<<10
	var dropped <-chan struct{}
	o.Logger, dropped = logged("events lost from the spool")
	r := startRun(t, o)
	for range 200 {
		r.write(ping)
		r.expect(ping)
	}
	<-dropped
	c.set(nil)
	c.until("the last event or later", func() bool {
		return len(c.taken) > 0 && c.taken[len(c.taken)-1].Source.Sequence >= 400
	})
	r.in.Close()
	r.wait()
	if n := checkWhole(t, c.events(), "T1"); n < 400 {
		t.Errorf("events up to %d", n)
	}
	if s := r.counters.Snapshot(); s.SpoolLost == 0 || s.Gaps == 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestRetryAfter(t *testing.T) {
	const date = "Sun, 22 Nov 2026 09:42:11 GMT"
	for value, want := range map[string]time.Duration{
		"":                              0,
		"3":                             3 * time.Second,
		"999999":                        maxRetryAfter,
		"-1":                            0,
		"Sun, 22 Nov 2026 09:42:16 GMT": 5 * time.Second,
		"Sun, 22 Nov 2026 09:42:01 GMT": 0,
		"Mon, 23 Nov 2026 09:42:01 GMT": maxRetryAfter,
	} {
		if got := retryAfter(value, date); got != want {
			t.Errorf("%q gives %v, want %v", value, got, want)
		}
	}
}

func TestBackoff(t *testing.T) {
	s := shipper{retryMin: 100 * time.Millisecond, retryMax: 10 * time.Second, retrySlow: 30 * time.Second, counters: new(Counters)}
	bad := errors.New("bad")
	for _, ms := range []int{100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000} {
		most := time.Duration(ms) * time.Millisecond
		if got := s.failure(outcome{verdict: later, err: bad}); got < most/2 || got > most {
			t.Errorf("attempt %d waits %v, want %v to %v", s.failed, got, most/2, most)
		}
	}
	if got := s.failure(outcome{verdict: later, err: bad, after: time.Minute}); got != time.Minute {
		t.Errorf("with Retry-After: %v", got)
	}
	if got := s.failure(outcome{verdict: unfit, status: 401, err: bad}); got < 15*time.Second || got > 30*time.Second {
		t.Errorf("a 401 waits %v", got)
	}
	s.success(batch{}, outcome{})
	if got := s.failure(outcome{verdict: later, err: bad}); got > 100*time.Millisecond {
		t.Errorf("after a success: %v", got)
	}
}

func TestFailuresAreLoggedOnChangeOnly(t *testing.T) {
	var log []string
	s := shipper{retryMin: 1, retryMax: 1, retrySlow: 1, counters: new(Counters)}
	s.log = zerolog.New(writerFunc(func(p []byte) { log = append(log, string(p)) }))
	bad := errors.New(strings.Repeat("bad", 1000))
	for range 5 {
		s.failure(outcome{verdict: later, err: bad})
	}
	for range 5 {
		s.failure(outcome{verdict: unfit, status: 401, err: bad})
	}
	s.success(batch{}, outcome{})
	s.success(batch{}, outcome{})
	if len(log) != 3 || !strings.Contains(log[2], "takes events again") {
		t.Errorf("logged %d lines: %q", len(log), log)
	}
	for _, line := range log {
		if len(line) > 400 {
			t.Errorf("a log line of %d bytes", len(line))
		}
	}
}

func TestHalf(t *testing.T) {
	b := batch{data: []byte("1\n22\n333\n"), events: 3}
	if h := b.half(); string(h.data) != "1\n" || h.events != 1 {
		t.Errorf("half is %q, %d events", h.data, h.events)
	}
	b = batch{data: []byte("1\n22\n333\n4\n"), events: 4}
	if h := b.half(); string(h.data) != "1\n22\n" || h.events != 2 {
		t.Errorf("half is %q, %d events", h.data, h.events)
	}
}
