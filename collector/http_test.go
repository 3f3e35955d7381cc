package collector_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/collector"
	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

func TestWithoutAKnownTokenNothingIsTaken(t *testing.T) {
	s := start(t, nil)
	for _, authorization := range []string{
		"", "Bearer", "Bearer ", "Bearer wrong", "Basic " + base64.StdEncoding.EncodeToString([]byte("a:"+token)), token, "Bearer" + token,
		"Bearer " + token + " " + token, "Bearer " + strings.ToUpper(token), "Bearer " + fmt.Sprintf("%x", credential.HashOf(token)),
	} {
		a := s.do(http.MethodPost, "/v1/events", strings.NewReader(called), "Authorization", authorization).want(t, http.StatusUnauthorized)
		if got := a.header.Get("WWW-Authenticate"); got != `Bearer realm="mcpwatch"` {
			t.Errorf("%q: WWW-Authenticate %q", authorization, got)
		}
		if strings.Contains(a.body, token) {
			t.Errorf("the answer repeats the token: %s", a.body)
		}
	}
	for _, scheme := range []string{"Bearer", "bearer", "BEARER"} {
		s.do(http.MethodPost, "/v1/events", strings.NewReader(called), "Authorization", scheme+" "+token).want(t, http.StatusAccepted)
	}
	s.events(3)
}

func TestOtherMethodsPathsAndEncodingsAreRefused(t *testing.T) {
	s := start(t, nil)
	s.do(http.MethodGet, "/v1/events", nil, "Authorization", "Bearer "+token).want(t, http.StatusMethodNotAllowed)
	s.do(http.MethodPost, "/v1/event", nil, "Authorization", "Bearer "+token).want(t, http.StatusNotFound)
	for _, c := range []struct {
		encoding, body string
		code           int
	}{
		{"br", called, http.StatusUnsupportedMediaType},
		{"gzip, gzip", called, http.StatusUnsupportedMediaType},
		{"gzip", called, http.StatusBadRequest},
		{"gzip", "", http.StatusBadRequest},
		{"gzip", string(gzipped([]byte(called))[:50]), http.StatusBadRequest},
		{"zstd", called, http.StatusBadRequest},
		{"zstd", string(zstded(t, []byte(called))[:30]), http.StatusBadRequest},
	} {
		s.ship([]byte(c.body), "Content-Encoding", c.encoding).want(t, c.code)
	}
	s.events(0)
}

func TestABodyOverTheLimitIsRefusedBeforeItIsHeld(t *testing.T) {
	const most = 1 << 20
	s := start(t, func(o *collector.Options) { o.BodyBytes = most })
	zeros := bytes.Repeat([]byte{' '}, 8<<20)
	noise := make([]byte, most+100)
	_, _ = rand.Read(noise)
	var nested bytes.Buffer // many small members, each within the limit
	member := gzipped(zeros[:most/10])
	for range 100 {
		nested.Write(member)
	}
	for _, c := range []struct {
		name, encoding string
		body           []byte
		code           int
	}{
		{"at the limit", "", zeros[:most], http.StatusAccepted},
		{"at the limit", "gzip", gzipped(zeros[:most]), http.StatusAccepted},
		{"at the limit", "zstd", zstded(t, zeros[:most]), http.StatusAccepted},
		{"a byte more", "", zeros[:most+1], http.StatusRequestEntityTooLarge},
		{"a byte more", "gzip", gzipped(zeros[:most+1]), http.StatusRequestEntityTooLarge},
		{"a byte more", "zstd", zstded(t, zeros[:most+1]), http.StatusRequestEntityTooLarge},
		{"a bomb", "gzip", gzipped(zeros), http.StatusRequestEntityTooLarge},
		{"a bomb", "zstd", zstded(t, zeros), http.StatusRequestEntityTooLarge},
		{"a bomb of many members", "gzip", nested.Bytes(), http.StatusRequestEntityTooLarge},
		{"noise, larger when compressed", "gzip", gzipped(noise), http.StatusRequestEntityTooLarge},
		{"noise, larger when compressed", "zstd", zstded(t, noise), http.StatusRequestEntityTooLarge},
	} {
		a := s.ship(c.body, "Content-Encoding", c.encoding)
		if a.code != c.code {
			t.Errorf("%s, %q: %d %s, want %d", c.name, c.encoding, a.code, a.body, c.code)
		}
	}
}

func TestASourceOverItsRateWaits(t *testing.T) {
	s := start(t, func(o *collector.Options) { o.Quota = credential.Quota{Events: 2} })
	body := []byte(strings.Repeat(called+"\n", 4))
	s.ship(body).want(t, http.StatusAccepted)
	a := s.ship(body).want(t, http.StatusTooManyRequests)
	if got := a.header.Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After %q, want 2: four events at two a second", got)
	}
	a = s.ship([]byte(called)).want(t, http.StatusTooManyRequests)
	if got := a.header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After %q, want 1: half a second, rounded up", got)
	}
	// Another source has its own rate.
	s.do(http.MethodPost, "/v1/events", strings.NewReader(called), "Authorization", "Bearer "+otherToken).want(t, http.StatusAccepted)
	// What was refused is not charged, and a batch over the burst could never pass.
	s.now = s.now.Add(2 * time.Second)
	s.ship([]byte(strings.Repeat(called+"\n", 5))).want(t, http.StatusRequestEntityTooLarge)
	s.ship(body).want(t, http.StatusAccepted)
	s.events(9)
}

func TestASourceOverItsBytesWaits(t *testing.T) {
	most := int64(len(called))
	s := start(t, func(o *collector.Options) {
		o.BodyBytes = 2 * most
		o.Quota = credential.Quota{Events: 1000, Bytes: float64(most)}
		o.Credentials = credential.Fixed(parsed(t, `
tokens:
  - {tenant: acme, source: laptops, sha256: "%x"}
  - {tenant: acme, source: servers, sha256: "%x"}
quotas:
  - {tenant: acme, source: servers, day_bytes: %d}
`, credential.HashOf(token), credential.HashOf(otherToken), 2*most))
	})
	s.ship([]byte(called)).want(t, http.StatusAccepted)
	s.ship([]byte(called)).want(t, http.StatusAccepted)
	if a := s.ship([]byte(called)).want(t, http.StatusTooManyRequests); a.header.Get("Retry-After") != "1" || !strings.Contains(a.body, "bytes a second") {
		t.Errorf("Retry-After %q, %s", a.header.Get("Retry-After"), a.body)
	}
	other := func() answer {
		return s.do(http.MethodPost, "/v1/events", strings.NewReader(called), "Authorization", "Bearer "+otherToken)
	}
	other().want(t, http.StatusAccepted)
	other().want(t, http.StatusAccepted)
	// The day ends at midnight UTC, in 14 h 17 min 49 s.
	if a := other().want(t, http.StatusTooManyRequests); a.header.Get("Retry-After") != "51469" {
		t.Errorf("Retry-After %q, %s", a.header.Get("Retry-After"), a.body)
	}
	s.now = s.now.Add(51469 * time.Second)
	other().want(t, http.StatusAccepted)
	s.events(5)
}

func TestAnAgentsCredentialSpeaksForNoOther(t *testing.T) {
	s := start(t, func(o *collector.Options) {
		o.Credentials = credential.Fixed(parsed(t, "tokens:\n  - {tenant: acme, source: laptops, agent: laptop-17, sha256: \"%x\"}\n", credential.HashOf(token)))
	})
	s.ship([]byte(`{"agent":{"id":"laptop-9"},"principal":{"subject":"root"},"message":{"jsonrpc":"2.0","method":"ping","id":1}}`)).want(t, http.StatusAccepted)
	if e := s.events(1)[0]; e.Actor != "agent:laptop-17" || e.Agent.ID != "laptop-17" || !e.HasMark("agent_replaced") || !e.HasMark("principal_claimed") {
		t.Errorf("actor %q, agent %q, marks %v", e.Actor, e.Agent.ID, e.Marks)
	}
}

func TestARequestOfTooManyLinesIsNotTaken(t *testing.T) {
	s := start(t, func(o *collector.Options) { o.Lines = 3 })
	s.ship([]byte("x\nx\nx\nx")).want(t, http.StatusRequestEntityTooLarge)
	s.ship([]byte("[1,2,3,4]")).want(t, http.StatusRequestEntityTooLarge)
	if a := s.ship([]byte("x\n"+called+"\nx")).want(t, http.StatusAccepted); a.receipt.Accepted != 1 || len(a.receipt.Refused) != 2 {
		t.Errorf("the receipt is %+v", a.receipt)
	}
	s.events(1)
}

func TestOneSourceLeavesRoomForOthers(t *testing.T) {
	held := held{begun: make(chan struct{}, 2), release: make(chan struct{})}
	s := start(t, func(o *collector.Options) { o.Requests, held.Writer, o.Events = 2, o.Events, &held })
	first := make(chan answer)
	go func() { first <- s.ship([]byte(called)) }()
	<-held.begun
	s.ship(nil).want(t, http.StatusServiceUnavailable)
	s.do(http.MethodPost, "/v1/events", nil, "Authorization", "Bearer "+otherToken).want(t, http.StatusAccepted)
	close(held.release)
	(<-first).want(t, http.StatusAccepted)
}

func TestTooManyRequestsAtOnceAreSentAway(t *testing.T) {
	held := held{begun: make(chan struct{}, 1), release: make(chan struct{})}
	s := start(t, func(o *collector.Options) { o.Requests, held.Writer, o.Events = 1, o.Events, &held })
	first := make(chan answer)
	go func() { first <- s.ship([]byte(called)) }()
	<-held.begun
	s.ship(nil).want(t, http.StatusServiceUnavailable).wantRetryAfter(t)
	s.do(http.MethodGet, "/healthz", nil).want(t, http.StatusOK)
	close(held.release)
	if a := <-first; a.code != http.StatusAccepted || a.receipt.Accepted != 1 {
		t.Errorf("the first: %d %s", a.code, a.body)
	}
	s.ship(nil).want(t, http.StatusAccepted)
	s.events(1)
}

// held keeps a write waiting until it is released.
type held struct {
	collector.Writer
	begun   chan struct{}
	release chan struct{}
}

func (w *held) Produce(ctx context.Context, records []kafka.Record) error {
	w.begun <- struct{}{}
	<-w.release
	return w.Writer.Produce(ctx, records)
}

func TestHealthReadinessAndMetrics(t *testing.T) {
	s := start(t, nil)
	if a := s.do(http.MethodGet, "/healthz", nil).want(t, http.StatusOK); a.body != "{\"status\":\"ok\"}\n" {
		t.Errorf("healthz says %q", a.body)
	}
	if a := s.do(http.MethodGet, "/readyz", nil).want(t, http.StatusOK); a.body != "{\"status\":\"ready\"}\n" {
		t.Errorf("readyz says %q", a.body)
	}
	s.accepted([]byte(called + "\nbad\n" + `{"message":[{"id":1,"method":"ping"}]}`))
	s.do(http.MethodPost, "/v1/events", nil)
	a := s.do(http.MethodGet, "/metrics", nil).want(t, http.StatusOK)
	for _, line := range []string{
		`mcpwatch_collector_events_total{result="accepted"} 2`,
		`mcpwatch_collector_events_total{result="lifted"} 1`,
		`mcpwatch_collector_events_total{result="refused"} 1`,
		`mcpwatch_collector_requests_total{code="202"} 1`,
		`mcpwatch_collector_requests_total{code="401"} 1`,
		`mcpwatch_collector_dead_letters_total 1`,
	} {
		if !strings.Contains(a.body, "\n"+line+"\n") {
			t.Errorf("metrics lack %s", line)
		}
	}
	if a.header.Get("Content-Type") == "" || strings.Contains(a.body, token) {
		t.Error("metrics have no type or hold a token")
	}
}

func TestOptionsAreCheckedAtOnce(t *testing.T) {
	_, err := collector.New(collector.Options{})
	for _, part := range []string{"registry", "credentials", "above 0"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v lacks %q", err, part)
		}
	}
}

func TestIngestTakesAFileOfAnotherFormat(t *testing.T) {
	s := start(t, nil)
	post := func(form, body string) answer {
		return s.do(http.MethodPost, "/v1/ingest/"+form, strings.NewReader(body), "Authorization", "Bearer "+token)
	}
	const body = `{"server":"files","session":"s","message":{"jsonrpc":"2.0","id":1,"method":"ping"}}
nonsense
{"jsonrpc":"2.0","id":2,"method":"ping"}
{"jsonrpc":"2.0","id":2,"method":"ping"}
`
	a := post("jsonrpc", body).want(t, http.StatusAccepted)
	if a.receipt.Accepted != 3 || len(a.receipt.Refused) != 1 || a.receipt.Refused[0].Index != 1 {
		t.Errorf("%+v", a.receipt)
	}
	post("jsonrpc", body).want(t, http.StatusAccepted)
	times := map[string]int{}
	for _, e := range s.events(6) {
		times[e.ID]++
		if e.Tenant != "acme" || e.Source.Name != "laptops" || e.Source.Format != "jsonrpc" {
			t.Errorf("%+v", e.Source)
		}
	}
	for id, n := range times {
		if n != 2 || len(times) != 3 {
			t.Errorf("%s came %d times of %d: equal records are events of their own, and the same when sent again", id, n, len(times))
		}
	}
	if a := post("nonsense", body).want(t, http.StatusNotFound); !strings.Contains(a.body, "jsonrpc") {
		t.Errorf("%s: does not say what there is", a.body)
	}
	s.do(http.MethodPost, "/v1/ingest/jsonrpc", strings.NewReader(body)).want(t, http.StatusUnauthorized)
}
