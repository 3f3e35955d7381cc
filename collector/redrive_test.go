package collector_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mcpwatch/mcpwatch/collector"
	"github.com/mcpwatch/mcpwatch/collector/deadletter"
	"github.com/mcpwatch/mcpwatch/collector/redact"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

func policy(t testing.TB) *redact.Policy {
	t.Helper()
	keys, err := redact.ParseKeys(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	if err != nil {
		t.Fatal(err)
	}
	p, err := redact.New(keys, redact.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func opener(t *testing.T) *deadletter.Opener {
	t.Helper()
	text, err := deadletter.NewKeyText()
	if err != nil {
		t.Fatal(err)
	}
	o, err := deadletter.ParseOpener(text)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// planted is a token that is none, made here.
func planted() string { return "gh" + "p_" + strings.Repeat("a1B2c3", 6) }

// TestRedactionComesBeforeKafkaAndAfterTheID holds that an event's id, where nobody gave one, is the
// same with redaction on and off, that nothing of a secret is written, and that it is counted.
func TestRedactionComesBeforeKafkaAndAfterTheID(t *testing.T) {
	line := `{"principal":{"subject":"https://u:` + planted() + `@x"},"message":{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":"` + planted() + `"}}}}`
	plain := start(t, nil)
	plain.accepted([]byte(line))
	want := plain.events(1)[0]
	s := start(t, func(o *collector.Options) { o.Redaction = policy(t) })
	s.accepted([]byte(line))
	record := s.records(kafka.Events, 1)[0]
	if text := string(record.Key) + string(record.Value); strings.Contains(text, planted()) {
		t.Errorf("the token is in %s", text)
	}
	got, err := event.Decode(record.Value, event.StoredLimits())
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != want.ID || !got.HasMark("redacted:github_token:1") || !got.HasMark("redacted:url_password:1") || !strings.Contains(got.Actor, "redacted~url_password~") {
		t.Errorf("got %s of %s, %v %s, want the id %s", got.ID, got.Actor, got.Marks, got.Message, want.ID)
	}
	if a := s.do("GET", "/metrics", nil); !strings.Contains(a.body, `mcpwatch_collector_redacted_total{kind="github_token"} 1`) {
		t.Error("the token is not counted")
	}
}

// TestBrokenUnicodeIsRedactedToo holds it for an event that our reader has to mend first.
func TestBrokenUnicodeIsRedactedToo(t *testing.T) {
	s := start(t, func(o *collector.Options) { o.Redaction = policy(t) })
	s.accepted([]byte(`{"message":{"method":"ping","a":"\ud800 \u0067` + planted()[1:] + `"}}`))
	if got := s.events(1)[0]; strings.Contains(string(got.Message), planted()) || !got.HasMark(redact.Mark) {
		t.Errorf("%v %s", got.Marks, got.Message)
	}
}

// TestRefusalsAreListedUpToABound counts all and keeps all.
func TestRefusalsAreListedUpToABound(t *testing.T) {
	s := start(t, nil)
	got := s.accepted([]byte(strings.Repeat("x\n", 150)))
	if got.RefusedCount != 150 || len(got.Refused) != 100 || got.Refused[99].Index != 99 {
		t.Errorf("%d refused, %d listed", got.RefusedCount, len(got.Refused))
	}
	s.records(kafka.DeadLetters, 150)
}

// letters reads the dead letters with their bytes.
func (s *site) letters() (entries []deadletter.Entry, letters []deadletter.Letter) {
	s.t.Helper()
	reader := deadletter.Reader{Client: s.kafka, Partitions: 1}
	entries, err := reader.List(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	err = reader.Fetch(s.t.Context(), func(string) bool { return true }, func(l deadletter.Letter) error {
		letters = append(letters, l)
		return nil
	})
	if err != nil || len(letters) != len(entries) {
		s.t.Fatalf("%d letters are listed, %d are there: %v", len(entries), len(letters), err)
	}
	return entries, letters
}

// TestRedriveIsOnce sends a batch of which a collector refuses what is long, equal lines among it, in our
// own form and in another's; the batch again; and then redrives all of it twice by a collector that
// takes long lines. What is written is what that one would have written at first, each time the same.
func TestRedriveIsOnce(t *testing.T) {
	long := `{"session":"s","message":{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":"` + planted() + strings.Repeat(" long", 200) + `"}}}}`
	body := []byte(strings.Join([]string{long, called, long, "x"}, "\n"))
	key := opener(t)
	strict := start(t, func(o *collector.Options) {
		o.Redaction, o.Recipient, o.Limits.Bytes = policy(t), key.Recipient(), 600
	})
	other := start(t, func(o *collector.Options) { o.Redaction, o.Recipient = policy(t), key.Recipient() })
	send := func(s *site) {
		s.accepted(body)
		s.do("POST", "/v1/ingest/jsonrpc", bytes.NewReader(body), "Authorization", "Bearer "+otherToken).want(t, 202)
	}
	send(other)
	send(strict)
	send(strict)
	want := other.events(6)

	entries, letters := strict.letters()
	if len(entries) != 6 {
		t.Fatalf("%d letters, want three of each format once", len(entries))
	}
	for _, r := range strict.records(kafka.DeadLetters, 12) {
		if bytes.Contains(r.Value, []byte("long")) {
			t.Errorf("a dead letter is not sealed: %s", r.Value)
		}
	}
	options := strict.options
	options.Limits, options.Registry = event.DefaultLimits(), prometheus.NewRegistry()
	c, err := collector.New(options)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, l := range letters {
			data, err := key.Open(&l)
			if err != nil {
				t.Fatal(err)
			}
			refusal, err := c.Redrive(t.Context(), l, data)
			if err != nil || (refusal != nil) != (string(data) == "x") {
				t.Fatalf("%s: %v %v", data, refusal, err)
			}
		}
	}
	got := map[string]event.Event{}
	for _, e := range strict.events(4 + 8) {
		if before, again := got[e.ID]; again && e.ID != "" && string(before.Message) != string(e.Message) {
			t.Errorf("%s is two events", e.ID)
		}
		got[e.ID] = e
	}
	if len(got) != len(want) {
		t.Errorf("%d events, want %d", len(got), len(want))
	}
	for _, e := range want {
		g := got[e.ID]
		if g.Tenant != e.Tenant || g.Source.Name != e.Source.Name || g.Actor != e.Actor || !g.Received.Equal(e.Received) || string(g.Message) != string(e.Message) {
			t.Errorf("event %s is\n%+v, want\n%+v", e.ID, g, e)
		}
	}
	entries, _ = strict.letters()
	for _, e := range entries {
		if want := map[bool]deadletter.State{true: deadletter.Redriven, false: deadletter.Refused}[e.Ordinal >= 0 && !strings.Contains(e.Letter.Reason, "JSON")]; e.State != want {
			t.Errorf("letter %s (%s) is %s, want %s", e.ID, e.Letter.Reason, e.State, want)
		}
	}
}

// TestASealIsBound holds that a letter whose tenant, or another key, was put in its place stays closed.
func TestASealIsBound(t *testing.T) {
	key := opener(t)
	l, err := deadletter.New(deadletter.Letter{Origin: event.Origin{Tenant: "acme", Source: "s"}}, []byte("bytes"), key.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if data, err := key.Open(&l); err != nil || string(data) != "bytes" {
		t.Errorf("%s %v", data, err)
	}
	if _, err := opener(t).Open(&l); err == nil {
		t.Error("another key opens it")
	}
	l.Origin.Tenant = "evil"
	if _, err := key.Open(&l); err == nil {
		t.Error("it opens as another tenant's")
	}
}

// TestALongLetterIsReadFromItsParts sends one that takes several records, twice.
func TestALongLetterIsReadFromItsParts(t *testing.T) {
	key := opener(t)
	s := start(t, func(o *collector.Options) { o.Recipient = key.Recipient() })
	long := strings.Repeat("no JSON ", 300_000)
	for range 2 {
		s.accepted([]byte(long))
	}
	_, letters := s.letters()
	if len(letters) != 1 {
		t.Fatalf("%d letters", len(letters))
	}
	data, err := key.Open(&letters[0])
	if err != nil || string(data) != strings.TrimSpace(long) {
		t.Errorf("%d bytes are read, want %d: %v", len(data), len(long)-1, err)
	}
}
