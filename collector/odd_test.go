package collector_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// oddInput is what a shipper may send, and what is stated of it in docs/sending.md.
type oddInput struct {
	name    string
	lines   []string // of one request; SESSION in them is replaced by the case's own
	times   int      // how often the request is sent, 0 for once
	refused []string // the field and the beginning of the reason of each refused line
	ids     int      // how many events there are for ever
	stored  []string // what is kept of each, as kept says
	again   int      // how many events Kafka holds beside those, with the id of one of them
	parts   int      // of dead letters, where not one a refused line
}

// shipped is a line of an event.
func shipped(context, message string) string {
	return `{"session":"SESSION","time":"2026-11-22T09:42:00Z",` + context + `"message":` + message + `}`
}

func oddInputs() []oddInput {
	const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	at := func(time string) string { return `{"session":"SESSION","time":"` + time + `","message":` + ping + `}` }
	deep := func(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }
	params := func(v string) string { return `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":` + v + `}}` }
	id := func(id string) string { return `{"jsonrpc":"2.0","id":` + id + `,"method":"ping"}` }
	const sound = "09:42:00 [] " + ping
	return []oddInput{
		{name: "a batch sent again", lines: []string{shipped("", ping), shipped("", id("2"))}, times: 3, again: 4, ids: 2, stored: []string{sound, "09:42:00 [] " + id("2")}},
		{name: "a line twice without an id", lines: []string{shipped("", ping), shipped("", ping)}, ids: 2, stored: []string{sound, sound}},
		{name: "a line twice with an id", lines: []string{shipped(`"id":"SESSION",`, ping), shipped(`"id":"SESSION",`, ping)}, again: 1, ids: 1, stored: []string{sound}},
		{name: "a clock an hour ahead", lines: []string{at("2026-11-22T10:42:11Z")}, ids: 1, stored: []string{"10:42:11 [] " + ping}},
		{name: "a clock behind", lines: []string{at("2026-11-22T04:00:00Z")}, ids: 1, stored: []string{"04:00:00 [] " + ping}},
		{name: "a future time", lines: []string{at("2026-11-22T10:42:12Z")}, ids: 1, stored: []string{"09:42:11, said 2026-11-22T10:42:12Z [time_in_future] " + ping}},
		{name: "a time long ago", lines: []string{at("1999-01-01T00:00:00Z")}, ids: 1, stored: []string{"09:42:11, said 1999-01-01T00:00:00Z [time_in_past] " + ping}},
		{name: "no time", lines: []string{`{"session":"SESSION","message":` + ping + `}`}, ids: 1, stored: []string{"09:42:11 [time_missing] " + ping}},
		{name: "a time that is none", lines: []string{at("yesterday")}, refused: []string{"time: "}},
		{name: "a line cut short", lines: []string{shipped("", ping)[:60], shipped("", ping)}, refused: []string{"message: is not JSON"}, ids: 1, stored: []string{sound}},
		{name: "a message cut short", lines: []string{`{"session":"SESSION","time":"2026-11-22T09:42:00Z","raw":"{\"jsonrpc\":\"2.0\",\"id\""}`}, ids: 1, stored: []string{`09:42:00 [] {"jsonrpc":"2.0","id"`}},
		{name: "invalid UTF-8", lines: []string{shipped("", params("\"\xff\""))}, ids: 1, stored: []string{"09:42:00 [invalid_utf8] " + params("\"\uFFFD\"")}},
		{name: "half a surrogate pair", lines: []string{shipped("", params(`"\ud800"`))}, ids: 1, stored: []string{"09:42:00 [invalid_utf8] " + params("\"\uFFFD\"")}},
		{name: "100 levels", lines: []string{shipped("", params(deep(97)))}, ids: 1, stored: []string{"09:42:00 [] " + params(deep(97))}},
		{name: "200 levels", lines: []string{shipped("", params(deep(197))), shipped("", ping)}, refused: []string{": 200 levels of nesting"}, ids: 1, stored: []string{sound}},
		{name: "a message of 1 MB", lines: []string{shipped("", params(`"`+strings.Repeat("x", 1_000_000)+`"`))}, ids: 1, stored: []string{"09:42:00 [] 1000058 bytes"}},
		{name: "a message of 10 MB", lines: []string{shipped("", params(`"`+strings.Repeat("x", 10_000_000)+`"`)), shipped("", ping)}, refused: []string{": 10000"}, parts: 20, ids: 1, stored: []string{sound}},
		{name: "a batch array", lines: []string{shipped("", "["+ping+","+id(`"b"`)+"]")}, ids: 3, stored: []string{"09:42:00 [] [" + ping + "," + id(`"b"`) + "]", sound, "09:42:00 [] " + id(`"b"`)}},
		{name: "an empty batch array", lines: []string{shipped("", "[]")}, ids: 1, stored: []string{"09:42:00 [] []"}},
		{name: "a batch array of what is no message", lines: []string{shipped("", `[1,`+ping+`]`)}, ids: 3, stored: []string{"09:42:00 [] [1," + ping + "]", "09:42:00 [] 1", sound}},
		{name: "ids of all kinds", lines: []string{shipped("", id(`"1"`)), shipped("", id("1")), shipped("", id("null")), shipped("", id("1.50")), shipped("", id("{}")), shipped("", id("1e400"))}, ids: 6, stored: []string{
			"09:42:00 [] " + id(`"1"`), sound, "09:42:00 [] " + id("null"), "09:42:00 [] " + id("1.50"), "09:42:00 [] " + id("{}"), "09:42:00 [] " + id("1e400"),
		}},
		{name: "a name twice", lines: []string{shipped("", `{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}`)}, ids: 1, stored: []string{`09:42:00 [] {"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}`}},
		{name: "a message that is no object", lines: []string{shipped("", `"text"`), shipped("", "null")}, ids: 2, stored: []string{`09:42:00 [] "text"`, "09:42:00 [] null"}},
		{name: "no object", lines: []string{"5", "null", `"SESSION"`}, refused: []string{": ", ": ", ": "}},
	}
}

// kept says what there is of an event.
func kept(e *event.Event) string {
	when := e.Time.Format("15:04:05")
	if !e.ClaimedTime.IsZero() {
		when += ", said " + e.ClaimedTime.Format(time.RFC3339)
	}
	what := string(e.Message) + e.Raw
	if len(what) > 1000 {
		what = fmt.Sprintf("%d bytes", len(what))
	}
	return fmt.Sprintf("%s %v %s", when, e.Marks, what)
}

// TestOddInputsHaveAStatedResult ships all to one collector. What is stated is in docs/sending.md.
func TestOddInputsHaveAStatedResult(t *testing.T) {
	s := start(t, nil)
	cases := oddInputs()
	events, letters := 0, 0
	for _, c := range cases {
		body := strings.ReplaceAll(strings.Join(c.lines, "\n"), "SESSION", c.name)
		for range max(1, c.times) {
			got := s.accepted([]byte(body))
			if got.Accepted != len(c.lines)-len(c.refused) || len(got.Refused) != len(c.refused) {
				t.Errorf("%s: receipt %.500v", c.name, got)
				continue
			}
			for i, r := range got.Refused {
				if said := r.Field + ": " + r.Reason; !strings.HasPrefix(said, c.refused[i]) || r.Reason == "" {
					t.Errorf("%s: refused as %q, want %q", c.name, said, c.refused[i])
				}
			}
		}
		events += len(c.stored) + c.again
		letters += max(c.parts, len(c.refused))
	}
	s.records(kafka.DeadLetters, letters)
	stored, ids := map[string][]string{}, map[string]map[string]bool{}
	for _, e := range s.inOrder(events) {
		if ids[e.Session] == nil {
			ids[e.Session] = map[string]bool{}
		}
		if !ids[e.Session][e.ID] {
			ids[e.Session][e.ID] = true
			stored[e.Session] = append(stored[e.Session], kept(&e))
		}
	}
	for _, c := range cases {
		if got, want := strings.Join(stored[c.name], "\n"), strings.Join(c.stored, "\n"); got != want || len(ids[c.name]) != c.ids {
			t.Errorf("%s: %d events\n%.2000s\nwant %d\n%.2000s", c.name, len(ids[c.name]), got, c.ids, want)
		}
	}
	s.do(http.MethodGet, "/healthz", nil).want(t, http.StatusOK)
}

// inOrder reads that many events as they lie in Kafka.
func (s *site) inOrder(n int) (events []event.Event) {
	s.t.Helper()
	for _, r := range s.records(kafka.Events, n) {
		e, err := event.Decode(r.Value, event.StoredLimits())
		if err != nil {
			s.t.Fatalf("%v: %.500s", err, r.Value)
		}
		events = append(events, e)
	}
	return events
}

// TestABodyThatIsTooLargeIsSentBack: what is over a body's bound can't be kept as a dead letter.
func TestABodyThatIsTooLargeIsSentBack(t *testing.T) {
	s := start(t, nil)
	s.ship([]byte(shipped("", `"`+strings.Repeat("x", 16<<20)+`"`))).want(t, http.StatusRequestEntityTooLarge)
	s.ship(gzipped([]byte(called))[:40], "Content-Encoding", "gzip").want(t, http.StatusBadRequest)
	s.records(kafka.Events, 0)
	s.records(kafka.DeadLetters, 0)
}
