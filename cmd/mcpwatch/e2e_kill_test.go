package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The load of an agent that works on while `up` is killed: a call each callEvery, so many
// while each `up` lives or is away.
const (
	callEvery = 10 * time.Millisecond
	callsEach = 150
)

// smallRules are flags that leave the shipped rules out, where a test is not about them:
// they take a while to compile under the race detector.
func smallRules(t *testing.T) []string {
	t.Helper()
	dir, err := filepath.Abs("testdata/script/rules")
	if err != nil {
		t.Fatal(err)
	}
	return []string{"--no-builtin", "--rules", dir}
}

// TestKillNineLosesNothing kills `up` twice in the middle of a session under load: what
// the agent does goes on, and in the end every message of it is there once.
func TestKillNineLosesNothing(t *testing.T) {
	_, everything := realServers(t)
	hook := newReceiver(t)
	data := t.TempDir()
	flags := append(smallRules(t), "--webhook", hook.URL)
	u := startUp(t, data, flags...)
	s := startSession(t, data, "everything", "node", everything)
	load := keepCalling(t, s)

	for range 2 {
		before, err := value[uint64](t, u.store, "SELECT count() FROM events")
		if err != nil {
			t.Fatal(err)
		}
		from := load.calls.Load()
		load.allow(callsEach)
		eventually(t, "further events", func() (bool, string) {
			n, err := value[uint64](t, u.store, "SELECT count() FROM events")
			return n >= before+20, fmt.Sprintf("%d (%v)", n, err)
		})
		u.kill(t)
		load.reaches(t, from+callsEach) // though the collector is away
		load.allow(callsEach)
		u = startUp(t, data, flags...)
		load.reaches(t, from+2*callsEach)
	}
	load.stop()

	s.landed(t, u.store)
	s.end(t)
	shipped(t, data)
	s.verify(t, u.store)
	unique(t, u.store, "events", "event_id")
	want := uint64(load.alarming.Load())
	reaches(t, u.store, want, "SELECT count() FROM findings WHERE rule = 'key-read'")
	all := unique(t, u.store, "findings", "finding_id")
	// After a failure a finding may be sent again, under the same id; none is left out.
	b := subscribe(t, u.Addresses["nats"])
	eventually(t, "the webhooks", func() (bool, string) {
		times, _ := hook.received(t, u.WebhookSecret)
		return uint64(len(times)) >= want, fmt.Sprintf("%d of %d", len(times), want)
	})
	b.delivered(t)
	times, _ := hook.received(t, u.WebhookSecret)
	same(t, "findings at the webhook", slices.Sorted(maps.Keys(times)), slices.Sorted(maps.Keys(b.stored(t))))
	t.Logf("%d calls, %d of them alarming; %d findings", load.calls.Load(), want, all)
	u.stop(t)
}

// load is an agent at work.
type load struct {
	calls, alarming atomic.Int64
	permits         chan struct{}
	stop            func()
}

// keepCalling calls a tool again and again, as often as it is allowed to. A call that
// fails fails the test: nothing that happens to mcpwatch may reach the agent.
func keepCalling(t *testing.T, s *session) *load {
	t.Helper()
	l := &load{permits: make(chan struct{}, 100*callsEach)}
	done := make(chan struct{})
	l.stop = sync.OnceFunc(func() { close(l.permits); <-done })
	t.Cleanup(l.stop)
	go func() {
		defer close(done)
		tick := time.NewTicker(callEvery)
		defer tick.Stop()
		for range l.permits {
			n := l.calls.Load() + 1
			text := fmt.Sprintf("call %d", n)
			if n%20 == 0 {
				text = fmt.Sprintf("cat /home/alice/.ssh/id_rsa # %d", n) // the rule key-read finds it
				l.alarming.Add(1)
			}
			if got, failed := s.call(t, "echo", map[string]any{"message": text}); failed || got != "Echo: "+text {
				t.Errorf("the tap failed the agent: echo gave %q for %q", got, text)
				return
			}
			l.calls.Store(n)
			<-tick.C
		}
	}()
	return l
}

func (l *load) allow(calls int) {
	for range calls {
		l.permits <- struct{}{}
	}
}

// reaches waits until so many calls were made.
func (l *load) reaches(t *testing.T, calls int64) {
	t.Helper()
	eventually(t, "further calls", func() (bool, string) { return l.calls.Load() >= calls, fmt.Sprint(l.calls.Load()) })
}
