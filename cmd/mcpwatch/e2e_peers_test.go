package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mcpwatch/mcpwatch/alert"
	"github.com/mcpwatch/mcpwatch/finding"
)

// receiver is somebody's webhook.
type receiver struct {
	*httptest.Server
	mu         sync.Mutex
	deliveries []delivery
}

type delivery struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return // the connection broke: the sender counts it as failed too
		}
		r.mu.Lock()
		r.deliveries = append(r.deliveries, delivery{request.Header.Clone(), body})
		r.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(r.Close)
	return r
}

// received counts the deliveries of each finding, all verified, and gives the findings.
func (r *receiver) received(t *testing.T, secret string) (times map[string]int, found map[string]finding.Finding) {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	times, found = map[string]int{}, map[string]finding.Finding{}
	for _, d := range r.deliveries {
		if err := verifier.Verify(d.body, d.header); err != nil {
			t.Fatalf("a webhook does not verify: %v\n%s", err, d.body)
		}
		var message struct {
			Type string          `json:"type"`
			Data finding.Finding `json:"data"`
		}
		if err := json.Unmarshal(d.body, &message); err != nil {
			t.Fatalf("a webhook holds no message: %v\n%s", err, d.body)
		}
		id := d.header.Get(standardwebhooks.HeaderWebhookID)
		if id == "" || id != message.Data.ID || message.Type != alert.MessageType {
			t.Fatalf("webhook-id is %q, the message is %s", id, d.body)
		}
		times[id]++
		found[id] = message.Data
	}
	return times, found
}

// bus is a subscriber to the findings.
type bus struct {
	connection *nats.Conn
	stream     jetstream.Stream
	mu         sync.Mutex
	live       map[string]int // times that a finding was published, by id
}

func subscribe(t *testing.T, address string) *bus {
	t.Helper()
	b := &bus{live: map[string]int{}}
	var err error
	if b.connection, err = nats.Connect(address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.connection.Close)
	js, err := jetstream.New(b.connection)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stream of findings", func() (bool, string) {
		b.stream, err = js.Stream(t.Context(), alert.Stream)
		return err == nil, fmt.Sprint(err)
	})
	_, err = b.connection.Subscribe(alert.Subject+".>", func(m *nats.Msg) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.live[m.Header.Get(nats.MsgIdHdr)]++
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.connection.Flush(); err != nil {
		t.Fatal(err)
	}
	return b
}

// published is how often each finding was published since the subscription.
func (b *bus) published() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.live)
}

// stored reads the stream from its beginning. It holds each finding once, under its subject.
func (b *bus) stored(t *testing.T) map[string]finding.Finding {
	t.Helper()
	info, err := b.stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]finding.Finding{}
	for n := info.State.FirstSeq; info.State.Msgs > 0 && n <= info.State.LastSeq; n++ {
		m, err := b.stream.GetMsg(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		f, err := finding.Decode(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Join([]string{alert.Subject, f.Tenant, string(f.Severity), f.Rule}, "."); m.Subject != want {
			t.Errorf("finding %s is on %s, want %s", f.ID, m.Subject, want)
		}
		if _, twice := found[f.ID]; twice {
			t.Errorf("finding %s is in the stream twice", f.ID)
		}
		found[f.ID] = f
	}
	return found
}

// delivered waits until the stream has nothing left for the webhook.
func (b *bus) delivered(t *testing.T) {
	t.Helper()
	eventually(t, "the delivery of all findings", func() (bool, string) {
		consumer, err := b.stream.Consumer(t.Context(), "webhook-default")
		if err != nil {
			return false, err.Error()
		}
		info, err := consumer.Info(t.Context())
		if err != nil {
			return false, err.Error()
		}
		return info.NumPending == 0 && info.NumAckPending == 0, fmt.Sprintf("%d pending, %d under way", info.NumPending, info.NumAckPending)
	})
}
