package collector_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/mcpwatch/mcpwatch/collector"
	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/event"
	embedded "github.com/mcpwatch/mcpwatch/internal/embedded/kafka"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token      = "token-of-laptops"
	otherToken = "token-of-servers"
)

// site is a collector that listens, before a Kafka of its own.
type site struct {
	t      testing.TB
	broker *embedded.Broker
	kafka  *kafka.Client
	url    string
	now    time.Time

	collector *collector.Collector
	// options are the collector's.
	options collector.Options
}

func start(t testing.TB, change func(*collector.Options)) *site {
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
	if err := client.EnsureTopics(t.Context(), kafka.Layout{Partitions: 1, Replication: 1}.Topics()...); err != nil {
		t.Fatal(err)
	}
	producer := func(topic string) *kafka.Producer {
		p, err := client.NewProducer(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		return p
	}
	s := &site{t: t, broker: broker, kafka: client, now: time.Date(2026, 11, 22, 9, 42, 11, 0, time.UTC)}
	o := collector.DefaultOptions()
	o.Name, o.Registry = "c1", prometheus.NewRegistry()
	o.Events, o.DeadLetters = producer(kafka.Events), producer(kafka.DeadLetters)
	o.Ready = func(ctx context.Context) error { return client.Ready(ctx, kafka.Events) }
	o.Credentials = credential.Fixed(parsed(t, `
tokens:
  - {tenant: acme, source: laptops, sha256: "%x"}
  - {tenant: acme, source: servers, sha256: "%x"}
`, credential.HashOf(token), credential.HashOf(otherToken)))
	o.Now = func() time.Time { return s.now }
	if change != nil {
		change(&o)
	}
	s.options = o
	c, err := collector.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.collector = c
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	s.url = server.URL
	return s
}

// parsed reads a credentials file.
func parsed(t testing.TB, file string, args ...any) *credential.Set {
	t.Helper()
	set, err := credential.Parse("credentials.yaml", fmt.Appendf(nil, file, args...), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// answer is what a shipper gets.
type answer struct {
	code    int
	header  http.Header
	body    string
	receipt collector.Receipt
}

func (s *site) do(method, path string, body io.Reader, header ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{code: resp.StatusCode, header: resp.Header, body: string(data)}
	if a.code == http.StatusAccepted {
		if err := json.Unmarshal(data, &a.receipt); err != nil {
			s.t.Fatalf("%v: %s", err, data)
		}
	}
	return a
}

func (s *site) ship(body []byte, header ...string) answer {
	s.t.Helper()
	return s.do(http.MethodPost, "/v1/events", bytes.NewReader(body), append([]string{"Authorization", "Bearer " + token}, header...)...)
}

// accepted ships a body that must be taken.
func (s *site) accepted(body []byte, header ...string) collector.Receipt {
	s.t.Helper()
	a := s.ship(body, header...)
	if a.code != http.StatusAccepted {
		s.t.Fatalf("%d %s", a.code, a.body)
	}
	return a.receipt
}

func (a answer) want(t *testing.T, code int) answer {
	t.Helper()
	if a.code != code {
		t.Errorf("answered %d %s, want %d", a.code, a.body, code)
	}
	return a
}

func (a answer) wantRetryAfter(t *testing.T) {
	t.Helper()
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || seconds < 1 {
		t.Errorf("%d with Retry-After %q", a.code, a.header.Get("Retry-After"))
	}
}

// records reads that many records of a topic, and fails if there are more.
func (s *site) records(topic string, n int) []kafka.Record {
	s.t.Helper()
	last, err := s.kafka.NewProducer(s.t.Context(), topic)
	if err != nil {
		s.t.Fatal(err)
	}
	defer last.Close()
	mark := rand.Text() // says that all was read: the topics have one partition
	if err := last.Produce(s.t.Context(), []kafka.Record{{Value: []byte(mark)}}); err != nil {
		s.t.Fatal(err)
	}
	r := &reader{mark: mark, all: make(chan struct{})}
	ctx, cancel := context.WithCancel(s.t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		err := s.kafka.Consume(ctx, kafka.Group{
			ID: mark, Topic: topic, MaxWait: 50 * time.Millisecond,
			Open:      func(_ context.Context, c kafka.Claim) (kafka.Handler, int64, error) { return r, c.Offset, nil },
			Retrying:  func(kafka.Claim, error) {},
			Truncated: func(_ kafka.Claim, _ int64) {},
			Expired:   func(kafka.Claim, int64) {},
		})
		if err != nil {
			s.t.Error(err)
		}
	})
	select {
	case <-r.all:
	case <-time.After(30 * time.Second):
		s.t.Error("waited 30 s for the records in vain")
	}
	cancel()
	done.Wait()
	if len(r.got) != n {
		s.t.Fatalf("%s holds %d records, want %d", topic, len(r.got), n)
	}
	return r.got
}

type reader struct {
	mu   sync.Mutex
	mark string
	got  []kafka.Record
	all  chan struct{}
}

func (r *reader) Handle(_ context.Context, records []kafka.Record) (kafka.Commit, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rec := range records {
		if string(rec.Value) == r.mark {
			close(r.all)
			continue
		}
		r.got = append(r.got, rec)
	}
	return kafka.All(records), nil
}

// events reads what the detector would, by id.
func (s *site) events(n int) []event.Event {
	s.t.Helper()
	var events []event.Event
	for _, r := range s.records(kafka.Events, n) {
		e, err := event.Decode(r.Value, event.StoredLimits())
		if err != nil {
			s.t.Fatalf("%v: %s", err, r.Value)
		}
		if want := kafka.Key(e.Tenant, e.Actor); !bytes.Equal(r.Key, want) {
			s.t.Errorf("key %q, want %q", r.Key, want)
		}
		events = append(events, e)
	}
	slices.SortStableFunc(events, func(a, b event.Event) int { return bytes.Compare([]byte(a.ID), []byte(b.ID)) })
	return events
}
