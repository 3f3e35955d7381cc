package tap

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
)

// shipOptions are what a Ship needs.
func shipOptions(t testing.TB, c *collector) Options {
	o := DefaultOptions()
	o.SpoolDir, o.Target = t.TempDir(), c.target
	return o
}

func left(id string) []byte { return []byte(`{"id":"` + id + `","message":{"x":1}}` + "\n") }

// TestWhatIsLeftIsShippedWhoeverIsStillAtIt leaves events and ships them from many sides at once, as
// hooks do: each event arrives, and the last Ship leaves nothing behind.
func TestWhatIsLeftIsShippedWhoeverIsStillAtIt(t *testing.T) {
	c := newCollector(t)
	o := shipOptions(t, c)
	var all sync.WaitGroup
	for n := range 40 {
		all.Go(func() {
			id := fmt.Sprintf("e%d", n)
			if err := Leave(o.SpoolDir, ulid.Make().String(), left(id)); err != nil {
				t.Error(err)
			}
			if Awaited(o.SpoolDir) {
				return
			}
			if err := Ship(t.Context(), o, 0); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	seen := map[string]int{}
	for _, e := range c.events() {
		seen[e.ID]++
	}
	if len(seen) != 40 {
		t.Errorf("%d of 40 events arrived", len(seen))
	}
	rest, err := filepath.Glob(filepath.Join(o.SpoolDir, "*", "*"))
	if err != nil || len(rest) > 0 {
		t.Errorf("left behind: %q, %v", rest, err)
	}
}

func TestShipEndsAtTheFirstFailureAndTheNextGoesOn(t *testing.T) {
	c := newCollector(t)
	c.set(func(post) answer { return answer{status: http.StatusServiceUnavailable} })
	o := shipOptions(t, c)
	for _, id := range []string{"a", "b"} {
		if err := Leave(o.SpoolDir, ulid.Make().String(), left(id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := Ship(t.Context(), o, 0); err != nil {
		t.Fatal(err)
	}
	if len(c.posts) != 1 || len(c.events()) != 0 {
		t.Fatalf("%d attempts, %d events taken; want one attempt", len(c.posts), len(c.events()))
	}
	c.set(nil)
	if err := Ship(t.Context(), o, 0); err != nil {
		t.Fatal(err)
	}
	if got := c.events(); len(got) != 2 {
		t.Errorf("%d events, want 2", len(got))
	}
}

func TestAShipThatFailedTriesOnceMore(t *testing.T) {
	c := newCollector(t)
	c.set(func(p post) answer {
		if p.n == 1 {
			return answer{status: http.StatusServiceUnavailable}
		}
		return answer{}
	})
	o := shipOptions(t, c)
	if err := Leave(o.SpoolDir, ulid.Make().String(), left("a")); err != nil {
		t.Fatal(err)
	}
	if err := Ship(t.Context(), o, time.Millisecond); err != nil || len(c.events()) != 1 {
		t.Errorf("%v, %d events", err, len(c.events()))
	}
}

func TestWhatIsLeftKeepsTheSpoolsBound(t *testing.T) {
	c := newCollector(t)
	o := shipOptions(t, c)
	o.SegmentBytes, o.SpoolBytes = 1000, 3000
	for n := range 10 {
		if err := Leave(o.SpoolDir, ulid.Make().String(), left(fmt.Sprintf("e%d-%s", n, strings.Repeat("x", 400)))); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the first declares what is lost, the second ships the declaration
		if err := Ship(t.Context(), o, 0); err != nil {
			t.Fatal(err)
		}
	}
	kept, declared := 0, 0
	for _, e := range c.events() {
		if e.HasMark(gapMark) {
			declared++
		} else {
			kept++
		}
	}
	if kept == 0 || kept > 6 || declared == 0 {
		t.Errorf("%d events kept of 10, %d gaps declared", kept, declared)
	}
}

func TestLeaveRefusesWhatItCannotKeep(t *testing.T) {
	dir := t.TempDir()
	if err := Leave(dir, "../x", left("a")); err == nil {
		t.Error("a name that leaves the spool is taken")
	}
	if err := Leave(dir, "x", bytes.Repeat([]byte("y"), batchBytes+1)); err == nil {
		t.Error("too many bytes are taken")
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Leave(file, "x", left("a")); err == nil {
		t.Error("a spool that is a file is taken")
	}
	if !Awaited(filepath.Join(dir, "none")) {
		t.Error("there is something to ship where there is no spool")
	}
}

func TestADryRunShowsEventsAndSendsNone(t *testing.T) {
	c := newCollector(t)
	o := options(t, "echo")
	o.Target = c.target
	var shown bytes.Buffer
	o.DryRun = &shown
	r := startRun(t, o)
	const message = `{"jsonrpc":"2.0","id":1,"method":"ping"}` + "\n"
	r.write(message)
	r.expect(message)
	_ = r.in.Close()
	if code := r.wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if got := strings.Count(shown.String(), `"method":"ping"`); got != 2 {
		t.Errorf("%d events shown, want 2:\n%s", got, shown.String())
	}
	if entries, err := os.ReadDir(o.SpoolDir); len(c.posts) != 0 || len(entries) != 0 {
		t.Errorf("%d posts, spool %v, %v", len(c.posts), entries, err)
	}
}
