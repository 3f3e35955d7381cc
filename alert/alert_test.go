package alert_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"github.com/mcpwatch/mcpwatch/alert"
	"github.com/mcpwatch/mcpwatch/finding"
	embeddedkafka "github.com/mcpwatch/mcpwatch/internal/embedded/kafka"
	embeddednats "github.com/mcpwatch/mcpwatch/internal/embedded/nats"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// receiver is a webhook's other end. It refuses the first attempts.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	refusals int
	got      []string // webhook-id of each accepted delivery
	problems []string
	news     chan struct{}
}

func newReceiver(t *testing.T, refusals int) *receiver {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{refusals: refusals, news: make(chan struct{}, 1024)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.refusals > 0 {
			r.refusals--
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		var message struct {
			Type string          `json:"type"`
			Data finding.Finding `json:"data"`
		}
		id := request.Header.Get("webhook-id")
		switch {
		case err != nil:
			r.problems = append(r.problems, err.Error())
		case verifier.Verify(body, request.Header) != nil:
			r.problems = append(r.problems, "the signature does not verify")
		case json.Unmarshal(body, &message) != nil || message.Type != alert.MessageType || message.Data.ID != id:
			r.problems = append(r.problems, "the body is not the finding that the header names")
		}
		r.got = append(r.got, id)
		r.news <- struct{}{}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) await(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-r.news:
		case <-time.After(30 * time.Second):
			r.mu.Lock()
			defer r.mu.Unlock()
			t.Fatalf("waited for %d deliveries, got %v, problems %v", n, r.got, r.problems)
		}
	}
}

func (r *receiver) check(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	got := slices.Sorted(slices.Values(r.got))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
	if len(r.problems) > 0 {
		t.Errorf("the receiver found: %v", r.problems)
	}
}

type site struct {
	t        *testing.T
	kafka    *kafka.Client
	findings *kafka.Producer
	natsData string
	natsAddr string
	nats     *embeddednats.Server
}

func newSite(t *testing.T) *site {
	t.Helper()
	broker, err := embeddedkafka.Start(embeddedkafka.Options{Listen: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	s := &site{t: t, natsData: t.TempDir(), natsAddr: freePort(t)}
	s.startNATS()
	t.Cleanup(func() { s.nats.Close() })
	if s.kafka, err = kafka.NewClient([]string{broker.Addr()}, "test"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kafka.Close)
	if err := s.kafka.EnsureTopics(t.Context(), kafka.Layout{Partitions: 2, Replication: 1}.Topics()...); err != nil {
		t.Fatal(err)
	}
	if s.findings, err = s.kafka.NewProducer(t.Context(), kafka.Findings); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.findings.Close)
	return s
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *site) startNATS() {
	s.t.Helper()
	var err error
	if s.nats, err = embeddednats.Start(embeddednats.Options{Listen: s.natsAddr, Data: s.natsData, Token: "tok"}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) url() string { return "nats://tok@" + s.natsAddr }

// run starts an alerter; the returned function stops it in order.
func (s *site) run(webhooks ...alert.Webhook) (stop func()) {
	s.t.Helper()
	a, err := alert.New(alert.Options{
		Kafka: s.kafka, NATS: s.url(), Webhooks: webhooks, Log: zerolog.Nop(), Registry: prometheus.NewRegistry(),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := a.Run(ctx); err != nil {
			s.t.Errorf("alert: %v", err)
		}
	})
	return func() { cancel(); done.Wait() }
}

// send writes a finding to Kafka and returns its id.
func (s *site) send(event string, mode finding.Mode) string {
	s.t.Helper()
	f := finding.Finding{
		Time: time.Now(), Received: time.Now(), Tenant: "acme", Rule: "a-rule", Title: "A rule",
		Severity: finding.High, Mode: mode, Actor: "agent:laptop/a", Events: []string{event},
	}
	f.DeriveID()
	value, err := finding.Encode(&f)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.findings.Produce(s.t.Context(), []kafka.Record{{Key: kafka.Key(f.Tenant, f.Actor), Value: value}}); err != nil {
		s.t.Fatal(err)
	}
	return f.ID
}

// published reads what the stream holds: subject and message id of each finding.
func (s *site) published(want int) []string {
	s.t.Helper()
	connection, err := nats.Connect(s.url())
	if err != nil {
		s.t.Fatal(err)
	}
	defer connection.Close()
	js, err := jetstream.New(connection)
	if err != nil {
		s.t.Fatal(err)
	}
	consumer, err := js.OrderedConsumer(s.t.Context(), alert.Stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		s.t.Fatal(err)
	}
	var got []string
	for len(got) < want {
		m, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
		if err != nil {
			s.t.Fatalf("after %v: %v", got, err)
		}
		got = append(got, m.Subject()+" "+m.Headers().Get(nats.MsgIdHdr))
	}
	if info := consumer.CachedInfo(); info.NumPending > uint64(want) {
		s.t.Errorf("the stream holds more than %d findings", want)
	}
	return got
}

func TestAFindingReachesSubscribersAndWebhooks(t *testing.T) {
	s := newSite(t)
	r := newReceiver(t, 0)
	stop := s.run(alert.Webhook{Name: "soc", URL: r.URL, Secret: secret})
	defer stop()
	id := s.send("e1", finding.Alert)
	s.send("e2", finding.Shadow)
	last := s.send("e3", finding.Alert)
	r.await(t, 2)
	r.check(t, id, last)
	const subject = "mcpwatch.findings.acme.high.a-rule "
	if got, want := s.published(2), []string{subject + id, subject + last}; !slices.Equal(got, want) {
		t.Errorf("published %v, want %v", got, want)
	}
}

func TestARepeatedFindingIsSentOnce(t *testing.T) {
	s := newSite(t)
	r := newReceiver(t, 0)
	webhook := alert.Webhook{Name: "soc", URL: r.URL, Secret: secret}
	stop := s.run(webhook)
	id := s.send("e1", finding.Alert)
	s.send("e1", finding.Alert)
	r.await(t, 1)
	stop()
	stop = s.run(webhook) // a new process has no memory of its own
	defer stop()
	s.send("e1", finding.Alert)
	last := s.send("e2", finding.Alert)
	r.await(t, 1)
	r.check(t, id, last)
	s.published(2)
}

func TestARefusedDeliveryIsTriedAgain(t *testing.T) {
	s := newSite(t)
	r := newReceiver(t, 1)
	stop := s.run(alert.Webhook{Name: "soc", URL: r.URL, Secret: secret})
	defer stop()
	id := s.send("e1", finding.Alert)
	r.await(t, 1)
	r.check(t, id)
}

// TestFindingsWaitForNATS holds that findings made while NATS is away are sent when it is back.
func TestFindingsWaitForNATS(t *testing.T) {
	s := newSite(t)
	r := newReceiver(t, 0)
	stop := s.run(alert.Webhook{Name: "soc", URL: r.URL, Secret: secret})
	defer stop()
	first := s.send("e1", finding.Alert)
	r.await(t, 1)
	s.nats.Close()
	second := s.send("e2", finding.Alert)
	s.startNATS()
	r.await(t, 1)
	r.check(t, first, second)
}

func TestWebhooksThatCannotWorkAreRefused(t *testing.T) {
	for _, w := range []alert.Webhook{
		{Name: "a b", URL: "https://example.test", Secret: secret},
		{Name: "soc", URL: "ftp://example.test", Secret: secret},
		{Name: "soc", URL: "https://example.test"},
		{Name: "soc", URL: "https://example.test", Secret: "whsec_!"},
	} {
		_, err := alert.New(alert.Options{Webhooks: []alert.Webhook{w}, Registry: prometheus.NewRegistry()})
		if err == nil {
			t.Errorf("%s was taken", fmt.Sprintf("%+v", w))
		}
	}
}
