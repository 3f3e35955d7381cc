package ingest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/mcpwatch/mcpwatch/collector"
	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/collector/ingest"
	"github.com/mcpwatch/mcpwatch/event"
	embedded "github.com/mcpwatch/mcpwatch/internal/embedded/kafka"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a collector before a Kafka of its own.
type site struct {
	kafka *kafka.Client
	url   string
	// fault answers the n-th request in the collector's place, after the collector has taken it
	// where it reports false.
	fault atomic.Pointer[func(w http.ResponseWriter, n int64) (instead bool)]
	posts atomic.Int64
}

func start(t *testing.T) *site {
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
	o := collector.DefaultOptions()
	o.Name, o.Registry = "c1", prometheus.NewRegistry()
	for topic, writer := range map[string]*collector.Writer{kafka.Events: &o.Events, kafka.DeadLetters: &o.DeadLetters} {
		p, err := client.NewProducer(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		*writer = p
	}
	o.Ready = func(ctx context.Context) error { return client.Ready(ctx, kafka.Events) }
	o.Credentials = credential.Fixed(credential.Single("secret", credential.Identity{Tenant: "acme", Source: "files"}))
	o.Quota = credential.Quota{}
	c, err := collector.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{kafka: client}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := s.posts.Add(1)
		fault := s.fault.Load()
		if fault == nil {
			c.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		if (*fault)(w, -n) {
			return
		}
		c.ServeHTTP(answer, r)
		if (*fault)(w, n) {
			return
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// options are those of a run that keeps its positions in a folder.
func (s *site) options(positions string, targets ...string) ingest.Options {
	o := ingest.DefaultOptions()
	o.Targets, o.Positions = targets, positions
	o.Target = func(context.Context) (string, string, error) { return s.url, "secret", nil }
	o.Poll, o.Quiet, o.Linger = time.Millisecond, 20*time.Millisecond, 50*time.Millisecond
	o.RetryMin, o.RetryMax = time.Millisecond, 5*time.Millisecond
	return o
}

// run sends the targets once.
func (s *site) run(t *testing.T, positions string, targets ...string) ingest.Result {
	t.Helper()
	r, err := ingest.Run(t.Context(), s.options(positions, targets...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// end is where the topic of events ends.
func (s *site) end(t testing.TB) int64 {
	t.Helper()
	end, err := s.kafka.End(t.Context(), kafka.Events, 0)
	if err != nil {
		t.Fatal(err)
	}
	return end
}

// messages reads the events from an offset on: their messages by id, as the detector takes them.
func (s *site) messages(t testing.TB, from int64) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := s.kafka.Read(t.Context(), kafka.Events, 0, from, s.end(t), func(r kafka.Record) error {
		e, err := event.Decode(r.Value, event.StoredLimits())
		if err != nil {
			return fmt.Errorf("%w: %s", err, r.Value)
		}
		if other, repeated := found[e.ID]; repeated && other != string(e.Message) {
			t.Errorf("the id %s is that of %s and of %s", e.ID, other, e.Message)
		}
		found[e.ID] = string(e.Message)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// times counts how often each message is there.
func times(messages map[string]string) map[string]int {
	n := map[string]int{}
	for _, m := range messages {
		n[m]++
	}
	return n
}

// call is a line that is a message of its own for each n.
func call(n int) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"t%d"}}`, n, n)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func add(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
