package storage_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
	"github.com/mcpwatch/mcpwatch/internal/embedded/clickhouse"
	embeddedkafka "github.com/mcpwatch/mcpwatch/internal/embedded/kafka"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
	"github.com/mcpwatch/mcpwatch/storage"
)

// The engine's child process is this test binary again.
const engineCommand = "clickhouse-engine"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == engineCommand {
		os.Exit(clickhouse.Child())
	}
	goleak.VerifyTestMain(m)
}

// engine is a ClickHouse that can be stopped and started on the same data.
type engine struct {
	t      *testing.T
	data   string
	server *clickhouse.Server
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	e := &engine{t: t, data: filepath.Join(t.TempDir(), "clickhouse")}
	e.start()
	t.Cleanup(func() { _ = e.server.Close() })
	return e
}

func (e *engine) start() {
	e.t.Helper()
	self, err := os.Executable()
	if err != nil {
		e.t.Fatal(err)
	}
	e.server, err = clickhouse.Start(e.t.Context(), clickhouse.Options{
		Data: e.data, Listen: "127.0.0.1:0", Command: []string{self, engineCommand},
	})
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e *engine) open() *storage.Client {
	e.t.Helper()
	writer, _ := e.server.Credentials()
	client, err := storage.Open(fmt.Sprintf("http://%s:%s@%s", writer.User, writer.Password, e.server.Addr()))
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = client.Close() })
	return client
}

// query gives a statement's rows as text, values joined by spaces.
func query(t *testing.T, c *storage.Client, sql string) []string {
	t.Helper()
	var rows []string
	err := c.Query(t.Context(), sql, func([]string) error { return nil }, func(values []any) error {
		rows = append(rows, strings.TrimSuffix(fmt.Sprintln(values...), "\n"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// site is a Kafka, a ClickHouse and a sink between them.
type site struct {
	t        *testing.T
	engine   *engine
	store    *storage.Client
	kafka    *kafka.Client
	events   *kafka.Producer
	findings *kafka.Producer
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, engine: newEngine(t)}
	s.store = s.engine.open()
	if err := s.store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	broker, err := embeddedkafka.Start(embeddedkafka.Options{Listen: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	if s.kafka, err = kafka.NewClient([]string{broker.Addr()}, "test"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kafka.Close)
	if err := s.kafka.EnsureTopics(t.Context(), kafka.Layout{Partitions: 3, Replication: 1}.Topics()...); err != nil {
		t.Fatal(err)
	}
	s.events, s.findings = s.producer(kafka.Events), s.producer(kafka.Findings)
	return s
}

func (s *site) producer(topic string) *kafka.Producer {
	s.t.Helper()
	p, err := s.kafka.NewProducer(s.t.Context(), topic)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(p.Close)
	return p
}

// runSink starts a sink; the returned function stops it in order.
func (s *site) runSink() (stop func()) { return s.runSinkWith(prometheus.NewRegistry()) }

func (s *site) runSinkWith(registry *prometheus.Registry) (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	sink := storage.NewSink(s.store, s.kafka, zerolog.Nop(), registry)
	var done sync.WaitGroup
	done.Go(func() {
		if err := sink.Run(ctx); err != nil {
			s.t.Errorf("sink: %v", err)
		}
	})
	return func() { cancel(); done.Wait() }
}

func (s *site) send(events ...event.Event) {
	s.t.Helper()
	var records []kafka.Record
	for i := range events {
		value, err := event.Encode(nil, &events[i])
		if err != nil {
			s.t.Fatal(err)
		}
		records = append(records, kafka.Record{Key: kafka.Key(events[i].Tenant, events[i].Actor), Value: value})
	}
	if err := s.events.Produce(s.t.Context(), records); err != nil {
		s.t.Fatal(err)
	}
}

// await asks until the answer is the wanted one.
func (s *site) await(sql string, want ...string) {
	s.t.Helper()
	var got []string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if got = query(s.t, s.store, sql); slices.Equal(got, want) {
			return
		}
	}
	s.t.Fatalf("%s gives %q, want %q", sql, got, want)
}

var noon = time.Date(2026, 11, 25, 12, 0, 0, 123456000, time.UTC)

func call(id string) event.Event {
	return event.Event{
		ID: id, Tenant: "acme", Actor: "agent:laptop/a", Time: noon, Received: noon.Add(time.Second),
		Agent: event.Agent{ID: "laptop/a"}, Server: event.Server{ID: "files"}, Direction: event.ToServer,
		Message: []byte(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"read_file","arguments":{"path":"/etc/hosts"}}}`),
	}
}

func found(id string) finding.Finding {
	f := finding.Finding{
		Time: noon, Received: noon, Tenant: "acme", Rule: "a-rule", Title: "A rule", Severity: finding.High, Mode: finding.Alert,
		Actor: "agent:laptop/a", Events: []string{id},
	}
	f.DeriveID()
	return f
}

// TestTicksAreNoRows holds that a tick neither lands nor counts as a record that nobody can read.
func TestTicksAreNoRows(t *testing.T) {
	s := newSite(t)
	registry := prometheus.NewRegistry()
	stop := s.runSinkWith(registry)
	defer stop()
	tick := kafka.Tick{Collector: "c1", Time: noon}.Record()
	s.broadcast(tick)
	s.send(call("e1"))
	s.broadcast(tick)
	for lag := int64(-1); lag != 0; time.Sleep(20 * time.Millisecond) {
		var err error
		if lag, err = s.kafka.Lag(t.Context(), storage.Group(kafka.Events), kafka.Events); err != nil {
			t.Fatal(err)
		}
	}
	s.await("SELECT count() FROM mcpwatch.events_raw", "1")
	if n := counter(t, registry, "mcpwatch_sink_undecodable_records_total"); n != 0 {
		t.Errorf("%v records were left out", n)
	}
}

func (s *site) broadcast(r kafka.Record) {
	s.t.Helper()
	if err := s.events.Broadcast(s.t.Context(), r); err != nil {
		s.t.Fatal(err)
	}
}

func counter(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}

func TestWhatIsWrittenTwiceIsThereOnce(t *testing.T) {
	s := newSite(t)
	stop := s.runSink()
	defer stop()
	s.send(call("e1"), call("e2"), call("e1"))
	s.send(call("e1"), call("e2"))
	f := found("e1")
	value, err := finding.Encode(&f)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.findings.Produce(t.Context(), []kafka.Record{{Value: value}}); err != nil {
			t.Fatal(err)
		}
	}
	s.send(call("last"))
	s.await("SELECT event_id, count() FROM mcpwatch.events GROUP BY 1 ORDER BY 1", "e1 1", "e2 1", "last 1")
	s.await("SELECT finding_id, count() FROM mcpwatch.findings GROUP BY 1", f.ID+" 1")
	s.await("SELECT count() FROM mcpwatch.events", "3")
}

// TestARestatedEventTakesTheEventsPlace holds that what the detector learns of an event is
// in the event's row, whichever of the two lands first.
func TestARestatedEventTakesTheEventsPlace(t *testing.T) {
	s := newSite(t)
	stop := s.runSink()
	defer stop()
	answer := call("e2")
	answer.Direction, answer.Message = event.ToClient, []byte(`{"jsonrpc":"2.0","id":3,"result":{}}`)
	restated := answer
	restated.Request = &event.Request{Event: "e1", Method: "tools/call", Name: "read_file"}
	value, err := event.Encode(nil, &restated)
	if err != nil {
		t.Fatal(err)
	}
	annotation := kafka.Annotation(kafka.Record{Key: kafka.Key("acme", answer.Actor), Partition: 1, Offset: 77}, value)
	if err := s.producer(kafka.Annotations).Produce(t.Context(), []kafka.Record{annotation}); err != nil {
		t.Fatal(err)
	}
	s.await("SELECT count() FROM mcpwatch.events", "1")
	s.send(answer)
	s.await("SELECT count() FROM mcpwatch.events_raw", "2")
	s.await("SELECT event_id, tool, request_event, kafka_partition, kafka_offset FROM mcpwatch.events", "e2 read_file e1 1 77")
}

// TestAResentEventWithoutATimeIsOne holds that the identity of a row does not depend on
// when a collector received it, even where the event's time does.
func TestAResentEventWithoutATimeIsOne(t *testing.T) {
	s := newSite(t)
	stop := s.runSink()
	defer stop()
	first, again := call("e1"), call("e1")
	for i, e := range []*event.Event{&first, &again} {
		e.Time = time.Time{}
		e.Accept(event.Origin{Tenant: "acme", Source: "laptops"}, noon.Add(time.Duration(i)*25*time.Hour), nil, 0)
	}
	ahead, aheadAgain := call("e2"), call("e2")
	for i, e := range []*event.Event{&ahead, &aheadAgain} {
		e.Time = noon.Add(1000 * time.Hour)
		e.Accept(event.Origin{Tenant: "acme", Source: "laptops"}, noon.Add(time.Duration(i)*time.Hour), nil, 0)
	}
	s.send(again, first, aheadAgain, ahead)
	s.await("SELECT event_id, received = time, count(), min(received) FROM mcpwatch.events GROUP BY 1, 2 ORDER BY 1",
		"e1 1 1 2026-11-25 12:00:00.123456 +0000 UTC", "e2 1 1 2026-11-25 12:00:00.123456 +0000 UTC")
}

// TestNothingIsLostOrTwiceWhenClickHouseDies kills the engine while a sink writes.
func TestNothingIsLostOrTwiceWhenClickHouseDies(t *testing.T) {
	s := newSite(t)
	stop := s.runSink()
	const batches, each = 40, 100
	for b := range batches {
		var events []event.Event
		for i := range each {
			e := call(fmt.Sprintf("e%d-%d", b, i))
			e.Actor = fmt.Sprintf("agent:%d", i%7)
			e.Received = e.Received.Add(time.Duration(b) * time.Hour) // several days, so several parts
			events = append(events, e)
		}
		s.send(events...)
		if b%10 == 5 {
			stop()
			s.engine.kill()
			s.engine.start()
			s.store = s.engine.open()
			stop = s.runSink()
		}
	}
	defer func() { stop() }()
	s.await("SELECT count(), uniqExact(event_id) FROM mcpwatch.events", fmt.Sprintf("%d %d", batches*each, batches*each))
}

func (e *engine) kill() {
	e.t.Helper()
	if err := syscall.Kill(e.server.PID(), syscall.SIGKILL); err != nil {
		e.t.Fatal(err)
	}
	<-e.server.Done()
}

func TestMigrationsRunOnce(t *testing.T) {
	e := newEngine(t)
	store := e.open()
	for range 2 {
		if err := store.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := query(t, store, "SELECT version, name FROM mcpwatch.schema_migrations ORDER BY version"); !slices.Equal(got, []string{"1 events_and_findings", "2 outcomes"}) {
		t.Errorf("steps taken: %q", got)
	}
	if got := query(t, store, "SELECT name FROM system.columns WHERE database = 'mcpwatch' AND comment = '' AND table IN ('events_raw', 'findings_raw')"); len(got) != 0 {
		t.Errorf("columns that explain nothing: %q", got)
	}
	query(t, store, "INSERT INTO mcpwatch.schema_migrations (version, name) SELECT 999, 'from the future'")
	if err := store.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "use a newer mcpwatch") {
		t.Errorf("a newer schema gives %v", err)
	}
}

func TestFindingsQuery(t *testing.T) {
	s := newSite(t)
	stop := s.runSink()
	defer stop()
	low := found("e1")
	low.Severity, low.Received = finding.Low, noon.Add(2*time.Minute)
	late := found("e2")
	late.Time = noon.Add(time.Hour)
	for _, f := range []finding.Finding{late, low} {
		value, err := finding.Encode(&f)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.findings.Produce(t.Context(), []kafka.Record{{Value: value}}); err != nil {
			t.Fatal(err)
		}
	}
	s.await("SELECT count() FROM mcpwatch.findings", "2")
	for name, test := range map[string]struct {
		query storage.FindingsQuery
		want  []string
	}{
		"all, oldest first": {storage.FindingsQuery{Limit: 10}, []string{low.ID, late.ID}},
		"the newest":        {storage.FindingsQuery{Limit: 1}, []string{late.ID}},
		"by when received":  {storage.FindingsQuery{Limit: 10, Since: noon.Add(time.Minute)}, []string{low.ID}},
		"by severity":       {storage.FindingsQuery{Limit: 10, Minimum: finding.High}, []string{late.ID}},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := s.store.Findings(t.Context(), test.query)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range list {
				got = append(got, f.ID)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	for _, address := range []string{"", "localhost:8123", "ftp://localhost", "http://", "http://user:secret@[::1"} {
		_, err := storage.Open(address)
		if err == nil {
			t.Errorf("%q was taken", address)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}
