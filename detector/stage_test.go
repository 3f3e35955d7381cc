package detector_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
	embedded "github.com/mcpwatch/mcpwatch/internal/embedded/kafka"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// bench is a Kafka with the topics in it.
type bench struct {
	t      testing.TB
	client *kafka.Client
	events *kafka.Producer
	log    zerolog.Logger
	set    *rule.Set
	inUse  atomic.Pointer[rule.Set] // set, or another since
	now    func() time.Time

	states, observations *kafka.Producer
	broker               string
}

const partitions = 2

func newBench(t testing.TB) *bench {
	t.Helper()
	return newBenchOf(t, partitions)
}

func newBenchOf(t testing.TB, partitions int) *bench {
	t.Helper()
	broker, err := embedded.Start(embedded.Options{Listen: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	client, err := kafka.NewClient([]string{broker.Addr()}, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	layout := kafka.Layout{Partitions: partitions, Replication: 1}
	if err := client.EnsureTopics(t.Context(), layout.Topics()...); err != nil {
		t.Fatal(err)
	}
	events, err := client.NewProducer(t.Context(), kafka.Events)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(events.Close)
	states, err := client.NewProducer(t.Context(), kafka.State)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(states.Close)
	observations, err := client.NewProducer(t.Context(), kafka.Observations)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(observations.Close)
	return &bench{
		t: t, client: client, events: events, log: zerolog.Nop(), set: rules(t), now: time.Now,
		states: states, observations: observations, broker: broker.Addr(),
	}
}

func (b *bench) send(events ...event.Event) {
	b.t.Helper()
	var records []kafka.Record
	for i := range events {
		value, err := event.Encode(nil, &events[i])
		if err != nil {
			b.t.Fatal(err)
		}
		records = append(records, kafka.Record{Key: kafka.Key(events[i].Tenant, events[i].Actor), Value: value})
	}
	if err := b.events.Produce(b.t.Context(), records); err != nil {
		b.t.Fatal(err)
	}
}

// outlet takes findings in place of mcp.findings, and can fail.
type outlet struct {
	mu          sync.Mutex
	failures    int
	found       []finding.Finding
	news        chan struct{}
	annotations notes
}

// notes takes annotations in place of mcp.annotations.
type notes struct {
	mu     sync.Mutex
	events []string
}

func (n *notes) Produce(_ context.Context, records []kafka.Record) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range records {
		e, err := event.Decode(r.Value, event.StoredLimits())
		if err != nil {
			return err
		}
		partition, offset, err := kafka.Annotated(r)
		if err != nil {
			return err
		}
		if e.Request == nil {
			n.events = append(n.events, fmt.Sprintf("%s is marked %v, stands at %d/%d", e.ID, e.Marks, partition, offset))
			continue
		}
		n.events = append(n.events, fmt.Sprintf("%s answers %s, stands at %d/%d", e.ID, e.Request.Event, partition, offset))
	}
	return nil
}

func newOutlet() *outlet { return &outlet{news: make(chan struct{}, 1024)} }

func (o *outlet) Produce(_ context.Context, records []kafka.Record) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failures > 0 {
		o.failures--
		return errors.New("not now")
	}
	for _, r := range records {
		f, err := finding.Decode(r.Value)
		if err != nil {
			return err
		}
		o.found = append(o.found, f)
		o.news <- struct{}{}
	}
	return nil
}

func (o *outlet) rules() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var list []string
	for _, f := range o.found {
		list = append(list, f.Rule)
	}
	return list
}

func (o *outlet) await(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-o.news:
		case <-time.After(30 * time.Second):
			t.Fatalf("waited for %d findings, got %v", n, o.rules())
		}
	}
}

// alwaysDue has a checkpoint made of each batch.
func (b *bench) alwaysDue() {
	var asked atomic.Int64
	b.now = func() time.Time { return time.Unix(3600*asked.Add(1), 0) }
}

// swap puts another rule set in force.
func (b *bench) swap(set *rule.Set) { b.inUse.Store(set) }

// awaitSettled waits until all that was sent is committed.
func (b *bench) awaitSettled() {
	b.t.Helper()
	for lag := int64(1); lag != 0; time.Sleep(10 * time.Millisecond) {
		var err error
		if lag, err = b.client.Lag(b.t.Context(), detector.Group, kafka.Events); err != nil {
			b.t.Fatalf("asking how far the detector is: %v", err)
		}
	}
}

// run starts a stage; the returned function stops it once all that was sent is committed.
func (b *bench) run(o *outlet) (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	b.swap(b.set)
	stage := detector.NewStage(detector.Options{
		Kafka: b.client, Findings: o, Annotations: &o.annotations, Observations: b.observations, States: b.states, Set: b.inUse.Load, Now: b.now, Log: b.log, Registry: prometheus.NewRegistry(),
	})
	var done sync.WaitGroup
	done.Go(func() {
		if err := stage.Run(ctx); err != nil {
			b.t.Errorf("stage: %v", err)
		}
	})
	return func() {
		b.awaitSettled()
		cancel()
		done.Wait()
	}
}

func TestStageWritesEachFindingOnce(t *testing.T) {
	b := newBench(t)
	b.send(keyRead("e1", 3), keyReturned("e2", 3), definition("e3"), definition("e4"), keyRead("e1", 3))
	o := newOutlet()
	o.failures = 2
	stop := b.run(o)
	o.await(t, 3)
	b.send(keyRead("e5", 4))
	o.await(t, 1)
	stop()
	if got, want := o.rules(), []string{"key-read", "key-returned", "secrecy", "key-read"}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
}

// TestARestartRemembers holds that a stage that takes over knows the requests, events and
// findings before its commit, and writes nothing a second time.
func TestARestartRemembers(t *testing.T) {
	b := newBench(t)
	first := newOutlet()
	stop := b.run(first)
	b.send(keyRead("e1", 3), definition("e2"))
	first.await(t, 2)
	stop()

	second := newOutlet()
	stop = b.run(second)
	b.send(keyRead("e1", 3), definition("e3"), keyReturned("e4", 3))
	second.await(t, 1)
	stop()
	if got, want := second.rules(), []string{"key-returned"}; !slices.Equal(got, want) {
		t.Errorf("after the restart: %v, want %v", got, want)
	}
	if got, want := second.annotations.events, []string{"e4 answers e1, stands at 0/4"}; !slices.Equal(got, want) {
		t.Errorf("annotations are %v, want %v", got, want)
	}
}

// TestTicksAreNoEvents holds that a tick is passed over and counts as nothing.
func TestTicksAreNoEvents(t *testing.T) {
	b := newBench(t)
	tick := kafka.Tick{Collector: "c1", Time: time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)}
	var log strings.Builder
	b.log = zerolog.New(zerolog.SyncWriter(&log))
	for _, e := range []event.Event{keyRead("e1", 3), keyRead("e2", 4)} {
		if err := b.events.Broadcast(t.Context(), tick.Record()); err != nil {
			t.Fatal(err)
		}
		b.send(e)
	}
	o := newOutlet()
	stop := b.run(o)
	o.await(t, 2)
	stop()
	if strings.Contains(log.String(), "left out") {
		t.Error(log.String())
	}
}

// TestAnUnreadableRecordHoldsUpNobody holds that a stranger's record is left out and counted.
func TestAnUnreadableRecordHoldsUpNobody(t *testing.T) {
	b := newBench(t)
	e := keyRead("e1", 3)
	if err := b.events.Produce(t.Context(), []kafka.Record{{Key: kafka.Key(e.Tenant, e.Actor), Value: []byte("{")}}); err != nil {
		t.Fatal(err)
	}
	b.send(e)
	o := newOutlet()
	stop := b.run(o)
	o.await(t, 1)
	stop()
	if got := fmt.Sprint(o.rules()); got != "[key-read]" {
		t.Errorf("found %s", got)
	}
}

// TestARestartReadsBackFarEnough holds that a request whose repeat is within the window of its
// answer stays as unknown after a restart as it was before: the repeat is known for one.
func TestARestartReadsBackFarEnough(t *testing.T) {
	b := newBench(t)
	n := 0
	pad := func(count int) {
		var events []event.Event
		for range count {
			n++
			events = append(events, notification(fmt.Sprint("n", n)))
		}
		for chunk := range slices.Chunk(events, 1000) {
			b.send(chunk...)
		}
	}
	b.send(keyRead("e1", 3))
	pad(detector.Window - 1000)
	b.send(keyRead("e1", 3))
	pad(5000)
	b.send(definition("e2"))
	first := newOutlet()
	stop := b.run(first)
	first.await(t, 2)
	stop()

	second := newOutlet()
	stop = b.run(second)
	b.send(keyReturned("e3", 3), keyRead("e4", 5))
	second.await(t, 1)
	stop()
	if got, want := second.rules(), []string{"key-read"}; !slices.Equal(got, want) {
		t.Errorf("after the restart: %v, want %v", got, want)
	}
}

// TestAnEventThatIsNotJudgedWholeIsRestated holds that its mark is written.
func TestAnEventThatIsNotJudgedWholeIsRestated(t *testing.T) {
	b := newBench(t)
	b.send(message("e1", event.ToClient, `{"jsonrpc":"2.0","id":9,"result":{"tools":[`+strings.Repeat(`{},`, 2048)+`{}]}}`), keyRead("e2", 3))
	o := newOutlet()
	stop := b.run(o)
	o.await(t, 1)
	stop()
	if got, want := o.annotations.events, []string{"e1 is marked [unpaired:no_request definitions_not_judged], stands at 0/0"}; !slices.Equal(got, want) {
		t.Errorf("annotations are %v, want %v", got, want)
	}
}

// TestRulesAreExchangedAtWork holds that a running detector takes another rule set, and that what it
// remembers for a rule that is the same in both stays.
func TestRulesAreExchangedAtWork(t *testing.T) {
	b := newBench(t)
	b.set = countsReads(t)
	before := b.set.Hash
	b.alwaysDue()
	o := newOutlet()
	stop := b.run(o)
	b.send(keyRead("e1", 1), keyRead("e2", 2))
	b.awaitSettled()
	set, err := rule.Load(countsFolder(), rule.Folder{Name: "more", Files: fstest.MapFS{"key.yaml": {Data: []byte(`
id: key
title: A key is read
severity: high
match: call.args_text.contains("id_rsa")
`)}}})
	if err != nil {
		t.Fatal(err)
	}
	b.swap(set)
	b.send(notification("e3")) // the boundary
	b.awaitSettled()
	b.send(keyRead("e4", 4))
	o.await(t, 2)
	stop()
	slices.SortFunc(o.found, func(a, b finding.Finding) int { return strings.Compare(a.Rule, b.Rule) })
	if got, want := o.rules(), []string{"counts", "key"}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	for _, f := range o.found {
		if f.Control != set.Hash || f.Control == before {
			t.Errorf("the finding of %s was made under %s, want %s", f.Rule, f.Control, set.Hash)
		}
	}
}

// TestACountGoesOnAfterARestart holds that what a rule remembers comes back from Kafka: a count
// that was begun by one detector is completed by the next, and what began it is not read again.
func TestACountGoesOnAfterARestart(t *testing.T) {
	b := newBench(t)
	b.set = countsReads(t)
	b.alwaysDue()
	first := newOutlet()
	stop := b.run(first)
	b.send(keyRead("e1", 1), keyRead("e2", 2))
	stop()
	if got := first.rules(); len(got) != 0 {
		t.Fatalf("two reads are found: %v", got)
	}
	second := newOutlet()
	stop = b.run(second)
	b.send(keyRead("e3", 3))
	second.await(t, 1)
	stop()
	if got := second.rules(); !slices.Equal(got, []string{"counts"}) {
		t.Errorf("after the restart: %v", got)
	}
}
