package tap

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/event"
)

// collector stands in for the real one: it speaks the same HTTP and fails on demand. It
// keeps what it took, and tells of every request it saw.
type collector struct {
	t      testing.TB
	server *httptest.Server
	mu     sync.Mutex
	cond   *sync.Cond
	// answer decides about a request before it is taken; nil takes all. It runs with mu held.
	answer func(p post) answer
	posts  []post // all that were made
	taken  []event.Event
	lines  map[string][]string // what was taken under an id
}

type post struct {
	n      int // from 1
	events []event.Event
	bytes  int
	header http.Header
}

type answer struct {
	status     int
	retryAfter string
	body       string
	hangUp     bool // take the events, but cut the connection in place of an answer
}

func newCollector(t testing.TB) *collector {
	c := &collector{t: t, lines: map[string][]string{}}
	c.cond = sync.NewCond(&c.mu)
	c.server = httptest.NewServer(c)
	t.Cleanup(c.server.Close)
	return c
}

func (c *collector) target(context.Context) (string, string, error) {
	return c.server.URL, "secret", nil
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			c.t.Errorf("gzip: %v", err)
			return
		}
		body = z
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return // the tap was killed while it sent
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.cond.Broadcast()
	p := post{n: len(c.posts) + 1, bytes: len(data), header: r.Header.Clone()}
	var lines [][]byte
	for line := range bytes.Lines(data) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		e, err := event.Decode(line, event.DefaultLimits())
		if err != nil {
			c.t.Errorf("the collector would refuse %.200q: %v", line, err)
			continue
		}
		p.events = append(p.events, e)
		lines = append(lines, line)
	}
	c.posts = append(c.posts, p)
	a := answer{}
	if c.answer != nil {
		a = c.answer(p)
	}
	if a.status == 0 || a.status == http.StatusAccepted {
		c.taken = append(c.taken, p.events...)
		for i, e := range p.events {
			c.lines[e.ID] = append(c.lines[e.ID], string(lines[i]))
		}
	}
	if a.hangUp {
		panic(http.ErrAbortHandler)
	}
	if a.status == 0 {
		a.status, a.body = http.StatusAccepted, fmt.Sprintf(`{"accepted":%d,"refused":[]}`, len(p.events))
	}
	if a.retryAfter != "" {
		w.Header().Set("Retry-After", a.retryAfter)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

// until waits for a condition on what the collector has seen; mu is held while it is asked.
func (c *collector) until(what string, ok func() bool) {
	c.t.Helper()
	gaveUp := false
	timer := time.AfterFunc(time.Minute, func() {
		c.mu.Lock()
		gaveUp = true
		c.mu.Unlock()
		c.cond.Broadcast()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !ok() {
		if gaveUp {
			c.t.Fatalf("the collector never saw %s: %d posts, %d events taken", what, len(c.posts), len(c.taken))
		}
		c.cond.Wait()
	}
}

func (c *collector) set(f func(p post) answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = f
}

// events returns what was taken, and fails if an id was taken with two different contents.
func (c *collector) events() []event.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, lines := range c.lines {
		for _, line := range lines[1:] {
			if line != lines[0] {
				c.t.Errorf("event %s was sent with two contents", id)
			}
		}
	}
	return append([]event.Event(nil), c.taken...)
}

// checkWhole fails unless the events of an instance are numbered 1 to some n without
// holes, where the numbers that gaps declare count as there. It returns n.
func checkWhole(t testing.TB, events []event.Event, instance string) uint64 {
	t.Helper()
	seen := map[uint64]bool{}
	top := uint64(0)
	for _, e := range events {
		if e.Source.Instance == instance {
			if want := fmt.Sprintf("%s.%d", instance, e.Source.Sequence); e.ID != want {
				t.Errorf("id %s, want %s", e.ID, want)
			}
			seen[e.Source.Sequence] = true
			top = max(top, e.Source.Sequence)
		}
		if g := gapIn(t, e); g.Instance == instance {
			for n := g.First; n <= g.Last; n++ {
				seen[n] = true
				top = max(top, n)
			}
		}
	}
	for n := uint64(1); n <= top; n++ {
		if !seen[n] {
			t.Errorf("event %s.%d is neither there nor declared lost", instance, n)
		}
	}
	return top
}
