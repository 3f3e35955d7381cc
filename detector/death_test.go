package detector_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// asDetector names the variable that makes this test's binary a detector of its broker, which can
// be killed and paused.
const asDetector = "MCPWATCH_TEST_DETECTOR"

// runAsDetector works until it is killed. A checkpoint is always due, so that there are many.
func runAsDetector(broker string) {
	ctx := context.Background()
	client, err := kafka.NewClient([]string{broker}, "detector")
	producer := func(topic string) *kafka.Producer {
		if err != nil {
			return nil
		}
		var p *kafka.Producer
		p, err = client.NewProducer(ctx, topic)
		return p
	}
	o := detector.Options{
		Kafka: client, Findings: producer(kafka.Findings), Annotations: producer(kafka.Annotations),
		Observations: producer(kafka.Observations), States: producer(kafka.State),
		Log: zerolog.New(os.Stderr).Level(zerolog.ErrorLevel), Registry: prometheus.NewRegistry(),
	}
	var set *rule.Set
	if err == nil {
		set, err = loadKinds()
	}
	if err != nil {
		panic(err)
	}
	var asked atomic.Int64
	o.Now = func() time.Time { return time.Unix(3600*asked.Add(1), 0) }
	o.Set = func() *rule.Set { return set }
	panic(detector.NewStage(o).Run(ctx))
}

// startDetector starts one in a process of its own.
func (b *bench) startDetector() *os.Process {
	b.t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), asDetector+"="+b.broker)
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = command.Process.Kill(); _, _ = command.Process.Wait() })
	return command.Process
}

func signal(t testing.TB, p *os.Process, s syscall.Signal) {
	t.Helper()
	if err := p.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// traffic writes what a few agents do, in a time of its own.
type traffic struct {
	*bench
	random *rand.Rand
	now    time.Time
	sent   int
}

// some writes a few calls, and a tick where one is due.
func (w *traffic) some() {
	w.t.Helper()
	var events []event.Event
	for range w.random.IntN(20) {
		w.now = w.now.Add(time.Duration(w.random.IntN(1500)) * time.Millisecond)
		tool := []string{"read", "read", "send", "ask", "done", "new"}[w.random.IntN(6)]
		path := fmt.Sprint("p", w.random.IntN(40))
		w.sent++
		e := message(fmt.Sprint("e", w.sent), event.ToServer, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":{"path":%q}}}`, w.sent, tool, path))
		e.Actor = fmt.Sprint("agent:", w.random.IntN(12))
		e.Server.ID = []string{"files", "web", "mail"}[w.random.IntN(3)]
		e.Time, e.Received = w.now.Add(-time.Duration(w.random.IntN(3))*time.Second), w.now
		if w.random.IntN(20) == 0 {
			e.Received = w.now.Add(-20 * time.Second) // a collector whose clock is behind, or whose write came late
		}
		events = append(events, e)
		switch w.random.IntN(10) {
		case 0:
			events = append(events, e) // shipped twice
		case 1, 2:
			answer := message(fmt.Sprint("a", w.sent), event.ToClient, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"a key"}]}}`, w.sent))
			answer.Actor, answer.Server, answer.Time, answer.Received = e.Actor, e.Server, w.now, w.now
			events = append(events, answer)
		}
	}
	w.send(events...)
	w.tick()
}

func (w *traffic) tick() {
	w.t.Helper()
	if err := w.events.Broadcast(w.t.Context(), kafka.Tick{Collector: "c", Time: w.now}.Record()); err != nil {
		w.t.Fatal(err)
	}
}

// read reads a topic whole, by partition.
func (b *bench) read(topic string) [][]kafka.Record {
	b.t.Helper()
	logs := make([][]kafka.Record, partitions)
	for p := range logs {
		logs[p] = b.since(topic, p, 0)
	}
	return logs
}

// since reads a partition from an offset on.
func (b *bench) since(topic string, partition int, from int64) (records []kafka.Record) {
	b.t.Helper()
	end, err := b.client.End(b.t.Context(), topic, partition)
	if err == nil {
		err = b.client.Read(b.t.Context(), topic, partition, from, end, func(r kafka.Record) error {
			records = append(records, r)
			return nil
		})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return records
}

// plain is what the engine and the fleet find in a log, without Kafka, checkpoints or shards.
func plain(t testing.TB, set *rule.Set, logs [][]kafka.Record) map[string]string {
	t.Helper()
	r := newReference(set, len(logs))
	r.take(t, logs)
	return r.findings()
}

// reference does what detectors do in the plainest way: an engine for each log, one fleet, and no Kafka,
// checkpoints or shards.
type reference struct {
	engines []*detector.Engine
	fleet   *detector.Fleet
	waiting []observed
	found   []finding.Finding
}

// observed is an observation, and where it comes from.
type observed struct {
	detector.Observation
	partition, ordinal int
	offset             int64
}

func newReference(set *rule.Set, partitions int) *reference {
	r := &reference{fleet: detector.NewFleet(set)}
	for range partitions {
		r.engines = append(r.engines, detector.NewEngine(set))
	}
	return r
}

// swap puts another set in force.
func (r *reference) swap(set *rule.Set) {
	for _, engine := range r.engines {
		engine.Swap(set)
	}
	r.fleet.Swap(set)
}

// take goes on with what was added to the logs.
func (r *reference) take(t testing.TB, logs [][]kafka.Record) {
	t.Helper()
	var closed []int64
	for p, records := range logs {
		r.read(t, p, records)
		closed = append(closed, r.engines[p].Watermark())
	}
	slices.SortFunc(r.waiting, func(a, b observed) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Sighting.Event, b.Sighting.Event),
			cmp.Compare(a.partition, b.partition), cmp.Compare(a.offset, b.offset), cmp.Compare(a.ordinal, b.ordinal))
	})
	clock := slices.Min(closed)
	for len(r.waiting) > 0 && r.waiting[0].At <= clock {
		o := &r.waiting[0].Observation
		r.found = append(r.found, r.fleet.Tick(time.UnixMicro(o.At)).Findings...)
		r.found = append(r.found, r.fleet.Observe(o).Findings...)
		r.waiting = r.waiting[1:]
	}
	r.found = append(r.found, r.fleet.Tick(time.UnixMicro(clock)).Findings...)
}

// read gives the records of a log to its engine.
func (r *reference) read(t testing.TB, partition int, records []kafka.Record) {
	t.Helper()
	engine := r.engines[partition]
	for _, record := range records {
		if tick, is := kafka.ReadTick(record); is {
			r.found = append(r.found, engine.Tick(tick.Time).Findings...)
			continue
		}
		e, err := event.Decode(record.Value, event.StoredLimits())
		if err != nil {
			t.Fatal(err)
		}
		out := engine.Process(record.Offset, &e)
		r.found = append(r.found, out.Findings...)
		for i, o := range out.Observations {
			r.waiting = append(r.waiting, observed{o, partition, i, record.Offset})
		}
	}
}

// findings are those so far by id, each as it was found first.
func (r *reference) findings() map[string]string {
	byID := map[string]string{}
	for i, text := range describeFindings(r.found) {
		if _, repeated := byID[r.found[i].ID]; !repeated {
			byID[r.found[i].ID] = text
		}
	}
	return byID
}

// written is what detectors wrote; what was written twice has to be the same.
func (b *bench) written() map[string]string {
	b.t.Helper()
	byID := map[string]string{}
	for _, records := range b.read(kafka.Findings) {
		for _, r := range records {
			f, err := finding.Decode(r.Value)
			if err != nil {
				b.t.Fatal(err)
			}
			if before, twice := byID[f.ID]; twice && before != string(r.Value) {
				b.t.Errorf("finding %s was written as\n%s\nand as\n%s", f.ID, before, r.Value)
			}
			byID[f.ID] = string(r.Value)
		}
	}
	return byID
}

// settle ticks until detectors have written all that the plain engine finds, and holds that they
// wrote nothing else.
func (w *traffic) settle(set *rule.Set) {
	w.t.Helper()
	// The embedded broker waits for ever for a member that died between joining and its assignment.
	// One more that joins has it counted out; Apache Kafka does so by itself.
	w.startDetector()
	missing := []string{"everything"}
	for deadline := time.Now().Add(90 * time.Second); len(missing) > 0 && time.Now().Before(deadline); {
		w.tick()
		time.Sleep(time.Second)
		want, got := plain(w.t, set, w.read(kafka.Events)), w.written()
		missing = missing[:0]
		for _, id := range slices.Sorted(maps.Keys(want)) {
			if got[id] != want[id] {
				missing = append(missing, "want "+want[id]+"\ngot  "+got[id])
			}
		}
	}
	if len(missing) > 0 {
		w.t.Fatalf("%d findings are not as the plain engine has them:\n%s", len(missing), strings.Join(missing[:min(len(missing), 5)], "\n"))
	}
	want, got := plain(w.t, set, w.read(kafka.Events)), w.written()
	byRule := map[string]int{}
	for _, id := range slices.Sorted(maps.Keys(got)) {
		if want[id] == "" {
			w.t.Errorf("the plain engine does not find %s", got[id])
		}
	}
	for _, text := range want {
		f, err := finding.Decode([]byte(text))
		if err != nil {
			w.t.Fatal(err)
		}
		byRule[f.Rule]++
	}
	for _, p := range set.Programs {
		if byRule[p.Rule.ID] == 0 {
			w.t.Errorf("rule %s found nothing: it was not put to the test", p.Rule.ID)
		}
	}
	w.t.Logf("%d events, findings by rule: %v", w.sent, byRule)
}

// TestDetectorsDieAndFreeze holds that three detectors, killed and paused at random, find what one
// engine finds that reads mcp.events as it lies in Kafka.
func TestDetectorsDieAndFreeze(t *testing.T) {
	b := newBench(t)
	w := &traffic{bench: b, random: rand.New(rand.NewPCG(4, 2)), now: noon}
	detectors := []*os.Process{b.startDetector(), b.startDetector(), b.startDetector()}
	for range 6 {
		for range 15 {
			w.some()
			time.Sleep(100 * time.Millisecond)
		}
		victim := w.random.IntN(len(detectors))
		if w.random.IntN(2) == 0 {
			signal(t, detectors[victim], syscall.SIGKILL)
			detectors[victim] = b.startDetector()
			continue
		}
		// Longer than the group waits for a member: others take its partitions meanwhile.
		signal(t, detectors[victim], syscall.SIGSTOP)
		for range 45 {
			w.some()
			time.Sleep(200 * time.Millisecond)
		}
		signal(t, detectors[victim], syscall.SIGCONT)
	}
	w.settle(kinds(t))
}

// TestAFormerOwnerComesBack holds that a detector that was paused while another took its
// partitions over, and wrote its memory anew, takes nothing back when it goes on.
func TestAFormerOwnerComesBack(t *testing.T) {
	b := newBench(t)
	w := &traffic{bench: b, random: rand.New(rand.NewPCG(2, 4)), now: noon}
	work := func(rounds int) {
		for range rounds {
			w.some()
			time.Sleep(20 * time.Millisecond)
		}
	}
	first := b.startDetector()
	work(200)
	signal(t, first, syscall.SIGSTOP)
	second := b.startDetector()
	work(50)
	b.awaitCommits()
	work(400) // many checkpoints, so that what the first one wrote is deleted
	signal(t, first, syscall.SIGCONT)
	work(50)
	signal(t, second, syscall.SIGKILL)
	work(50)
	signal(t, first, syscall.SIGKILL)
	b.startDetector()
	w.settle(kinds(t))
}

// awaitCommits waits until the detectors are near the end of mcp.events.
func (b *bench) awaitCommits() {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		lag, err := b.client.Lag(b.t.Context(), detector.Group, kafka.Events)
		switch {
		case err != nil:
			b.t.Fatal(err)
		case lag < 10:
			return
		case time.Now().After(deadline):
			b.t.Fatalf("detectors are %d records behind", lag)
		}
	}
}
