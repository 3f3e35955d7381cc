package collector_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/mcpwatch/mcpwatch/collector"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

const (
	called    = `{"id":"e1","time":"2026-11-22T09:00:00Z","agent":{"id":"a"},"session":"s","direction":"to_server","message":{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}}`
	responded = `{"id":"e2","time":"2026-11-22T09:00:01Z","agent":{"id":"a"},"session":"s","direction":"to_client","message":{"jsonrpc":"2.0","id":1,"result":{"content":[]}}}`
)

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(data)
	_ = z.Close()
	return b.Bytes()
}

func zstded(t *testing.T, data []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	return z.EncodeAll(data, nil)
}

func TestLinesArraysAndCompressionsGiveTheSameEvents(t *testing.T) {
	s := start(t, nil)
	lines := []byte(called + "\n\n  \r\n" + responded)
	array := []byte(" [" + called + " ,\n" + responded + "]\n")
	bodies := []struct {
		body   []byte
		header []string
	}{
		{lines, nil},
		{array, nil},
		{gzipped(lines), []string{"Content-Encoding", "gzip"}},
		{append(gzipped([]byte(called+"\n")), gzipped([]byte(responded))...), []string{"Content-Encoding", "gzip"}},
		{zstded(t, array), []string{"Content-Encoding", "zstd"}},
		{lines, []string{"Content-Encoding", "identity"}},
	}
	for _, b := range bodies {
		if got := s.accepted(b.body, b.header...); got.Accepted != 2 || len(got.Refused) != 0 {
			t.Errorf("%v: %+v", b.header, got)
		}
	}
	events := s.events(2 * len(bodies))
	for i, e := range events {
		if want := events[i/len(bodies)*len(bodies)]; string(e.Message) != string(want.Message) || e.ID != want.ID || e.Actor != "agent:a" {
			t.Errorf("event %d: %s of %s: %s", i, e.ID, e.Actor, e.Message)
		}
	}
}

func TestAMixedBatchIsTakenAndTheRefusedLinesAreListedAndKept(t *testing.T) {
	s := start(t, nil)
	bad := []string{`{"agent":{"id":5}}`, "not json \x00\xff", `{"direction":"up","id":"x"}`, `{"id":"cut`}
	receipt := s.accepted([]byte(bad[0] + "\n" + called + "\n\n" + bad[1] + "\n" + responded + "\n" + bad[2] + "\n" + bad[3]))
	want := []collector.Refusal{
		{Index: 0, Field: "agent.id", Reason: "is a JSON number"},
		{Index: 2, Field: "", Reason: "is not JSON at byte 1"},
		{Index: 4, Field: "direction", Reason: `is "up", must be to_server or to_client`},
		{Index: 5, Field: "id", Reason: "is not JSON at byte"},
	}
	if receipt.Accepted != 2 || len(receipt.Refused) != len(want) {
		t.Fatalf("receipt %+v", receipt)
	}
	for i, r := range receipt.Refused {
		if r.Index != want[i].Index || r.Field != want[i].Field || !strings.HasPrefix(r.Reason, want[i].Reason) {
			t.Errorf("refused %+v, want %+v", r, want[i])
		}
	}
	s.events(2)
	for i, letter := range s.records(kafka.DeadLetters, len(bad)) {
		if string(letter.Value) != bad[i] {
			t.Errorf("dead letter %q, want %q", letter.Value, bad[i])
		}
		for name, value := range map[string]string{
			"tenant": "acme", "source": "laptops", "collector": "c1", "received": "2026-11-22T09:42:11Z",
			"field": receipt.Refused[i].Field, "reason": receipt.Refused[i].Reason, "part": "1", "parts": "1",
		} {
			if got := header(letter, name); got != value {
				t.Errorf("dead letter %d: header %s is %q, want %q", i, name, got, value)
			}
		}
	}
}

func header(r kafka.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return "(none)"
}

func TestADeadLetterLargerThanABatchIsKeptInParts(t *testing.T) {
	s := start(t, nil)
	var long bytes.Buffer
	for i := 0; long.Len() < 5<<19+7; i++ {
		fmt.Fprintf(&long, "%x.", i*2654435761)
	}
	if got := s.accepted(slices.Concat([]byte(called), []byte("\n"), long.Bytes(), []byte("\n"))); got.Accepted != 1 || len(got.Refused) != 1 {
		t.Fatalf("receipt %+v", got)
	}
	var joined []byte
	for i, part := range s.records(kafka.DeadLetters, 6) {
		if got := header(part, "part") + " of " + header(part, "parts"); got != fmt.Sprintf("%d of 6", i+1) {
			t.Errorf("part %d is %s", i, got)
		}
		joined = append(joined, part.Value...)
	}
	if !bytes.Equal(joined, long.Bytes()) {
		t.Errorf("the parts give %d bytes, shipped were %d", len(joined), long.Len())
	}
}

func TestABrokenArrayIsTakenUpToItsBreak(t *testing.T) {
	s := start(t, nil)
	receipt := s.accepted([]byte(`[` + called + `,{"id":7},{"id":"x",},` + responded + `]`))
	if receipt.Accepted != 1 || len(receipt.Refused) != 2 || receipt.Refused[0].Index != 1 || receipt.Refused[1].Index != 2 {
		t.Errorf("receipt %+v", receipt)
	}
	letters := s.records(kafka.DeadLetters, 2)
	if got := string(letters[0].Value); got != `{"id":7}` {
		t.Errorf("dead letter %q", got)
	}
	if got, want := strings.Trim(string(letters[1].Value), ", "), `{"id":"x",},`+responded+`]`; got != want {
		t.Errorf("dead letter %q, want %q", got, want)
	}
	for _, body := range []string{`[`, `[` + called, `[` + called + `,`, `[` + called + `] trailing`, `[` + called + `]]`} {
		got := s.accepted([]byte(body))
		if want := strings.Count(body, `"id":"e1"`); got.Accepted != want || len(got.Refused) != 1 {
			t.Errorf("%s: %+v", body, got)
		}
	}
}

func TestAnEmptyBodyIsAnEmptyReceipt(t *testing.T) {
	s := start(t, nil)
	for _, body := range []string{"", "\n \r\n\t", "[]", " [ ] "} {
		if got := s.accepted([]byte(body)); got.Accepted != 0 || len(got.Refused) != 0 {
			t.Errorf("%q: %+v", body, got)
		}
	}
	s.events(0)
	s.records(kafka.DeadLetters, 0)
}

func TestWhatABodyClaimsOfOursIsOverwritten(t *testing.T) {
	s := start(t, nil)
	s.accepted([]byte(`{"id":"e","parent":"p","tenant":"victim","actor":"principal:root","received":"1999-01-01T00:00:00Z","claimed_time":"1999-01-01T00:00:00Z",` +
		`"time":"2026-11-22T09:00:00Z","agent":{"id":"a","name":"claimed"},"source":{"name":"other","collector":"fake","format":"tap"},"message":{"method":"ping"}}`))
	e := s.events(1)[0]
	if e.Tenant != "acme" || e.Source.Name != "laptops" || e.Source.Collector != "c1" || e.Actor != "agent:a" || e.Parent != "" ||
		!e.Received.Equal(s.now) || !e.ClaimedTime.IsZero() || e.Source.Format != "tap" {
		t.Errorf("stored %+v", e)
	}
}

func TestARetriedBatchHasTheSameIDsAndGenuineRepeatsTheirOwn(t *testing.T) {
	s := start(t, nil)
	line := `{"message":{"jsonrpc":"2.0","method":"ping","id":1}}`
	body := []byte(line + "\n" + line + "\n" + `{"message":{"jsonrpc":"2.0","method":"ping","id":2}}`)
	s.accepted(body)
	s.now = s.now.Add(time.Minute)
	s.accepted([]byte("[" + strings.Join(strings.Split(string(body), "\n"), ",") + "]"))
	counts := map[string]int{}
	for _, e := range s.events(6) {
		counts[e.ID]++
		if e.Actor != "address:127.0.0.1" || !e.HasMark("time_missing") {
			t.Errorf("actor %s, marks %q", e.Actor, e.Marks)
		}
	}
	for id, n := range counts {
		if n != 2 {
			t.Errorf("id %s is there %d times", id, n)
		}
	}
	if len(counts) != 3 {
		t.Errorf("%d ids for three events shipped twice", len(counts))
	}
}

func TestLiftedMessagesFollowTheirEvent(t *testing.T) {
	s := start(t, nil)
	got := s.accepted([]byte(`{"id":"e","agent":{"id":"a"},"message":{"id":1,"result":{"inputRequests":{"a\u0001\"":{"method":"roots/list"}}}}}` + "\n" +
		`{"id":"b","agent":{"id":"a"},"message":[{"id":1,"method":"ping"},{"id":2,"method":"ping"}]}`))
	if got.Accepted != 2 || len(got.Refused) != 0 {
		t.Errorf("receipt %+v", got)
	}
	var ids []string
	for _, e := range s.events(5) {
		ids = append(ids, e.ID)
	}
	if fmt.Sprintf("%q", ids) != `["b" "b/0" "b/1" "e" "e/input/a\x01\""]` {
		t.Errorf("ids %q", ids)
	}
}

func TestKafkaGoneLeavesTheRequestWithTheShipper(t *testing.T) {
	s := start(t, func(o *collector.Options) {
		o.Events, o.DeadLetters = impatient{o.Events}, impatient{o.DeadLetters}
	})
	s.accepted([]byte(called))
	s.broker.Close()
	for _, body := range []string{called, "not json", called + "\nnot json"} {
		a := s.ship([]byte(body)).want(t, http.StatusServiceUnavailable)
		a.wantRetryAfter(t)
		if strings.Contains(a.body, "accepted") {
			t.Errorf("acknowledged: %s", a.body)
		}
	}
	s.do(http.MethodGet, "/readyz", nil).want(t, http.StatusServiceUnavailable)
	s.do(http.MethodGet, "/healthz", nil).want(t, http.StatusOK)
}

// impatient gives up on a Kafka that does not answer sooner than a producer would.
type impatient struct{ collector.Writer }

func (w impatient) Produce(ctx context.Context, records []kafka.Record) error {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	return w.Writer.Produce(ctx, records)
}

// TestNothingIsAcknowledgedWhenADeadLetterCannotBeKept: the shipper would believe it kept.
func TestNothingIsAcknowledgedWhenADeadLetterCannotBeKept(t *testing.T) {
	s := start(t, func(o *collector.Options) { o.DeadLetters = failing{} })
	s.ship([]byte(called+"\nnot json")).want(t, http.StatusServiceUnavailable).wantRetryAfter(t)
	s.ship([]byte(called)).want(t, http.StatusAccepted)
	s.events(1)
}

type failing struct{}

func (failing) Produce(context.Context, []kafka.Record) error { return errors.New("disk full") }

// TestARequestThatGrowsBeyondItsBodyIsSentBack: each message lifted from an event repeats
// the event's context.
func TestARequestThatGrowsBeyondItsBodyIsSentBack(t *testing.T) {
	const most = 1 << 20
	s := start(t, func(o *collector.Options) { o.BodyBytes = most })
	batch := strings.TrimSuffix(strings.Repeat(`{"method":"ping"},`, 64), ",")
	line := `{"server":{"command":"` + strings.Repeat("x", 8000) + `"},"message":[` + batch + `]}` + "\n"
	a := s.ship([]byte(strings.Repeat(line, 100))).want(t, http.StatusRequestEntityTooLarge)
	if !strings.Contains(a.body, "send smaller batches") {
		t.Errorf("answered %s", a.body)
	}
	if got := s.accepted([]byte(strings.Repeat(line, 2))); got.Accepted != 2 {
		t.Errorf("a smaller batch: %+v", got)
	}
	s.events(2 * 65)
}

func TestEventsOverTheirLimitsAreRefusedAlone(t *testing.T) {
	s := start(t, func(o *collector.Options) { o.Limits = event.Limits{Bytes: 1000, Depth: 8} })
	big := `{"raw":"` + strings.Repeat("x", 1000) + `"}`
	deep := `{"message":` + strings.Repeat("[", 8) + strings.Repeat("]", 8) + `}`
	got := s.accepted([]byte(big + "\n" + called + "\n" + deep))
	if got.Accepted != 1 || len(got.Refused) != 2 || got.Refused[0].Index != 0 || got.Refused[1].Index != 2 {
		t.Errorf("receipt %+v", got)
	}
}
