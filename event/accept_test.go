package event_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/event"
)

var (
	origin   = event.Origin{Tenant: "acme", Source: "laptops", Collector: "c1", Address: "192.0.2.7", Principals: true}
	received = time.Date(2026, 11, 22, 9, 42, 11, 123456789, time.FixedZone("", 3600))
)

func TestAcceptSetsWhatTheBodyMustNot(t *testing.T) {
	e := decode(t, `{"id":"mine","parent":"p","tenant":"victim","actor":"principal:root","received":"1999-01-01T00:00:00Z",
		"claimed_time":"1999-01-01T00:00:00Z","time":"2026-11-22T08:00:00Z","source":{"name":"other","collector":"x","format":"tap","instance":"i"}}`)
	e.Accept(origin, received, []byte("raw"), 0)
	const want = `{"id":"mine","time":"2026-11-22T08:00:00Z","received":"2026-11-22T08:42:11.123456Z","tenant":"acme","actor":"address:192.0.2.7",` +
		`"source":{"format":"tap","name":"laptops","collector":"c1","instance":"i"}}`
	if got := encode(t, &e); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTheSourcesClockIsBounded(t *testing.T) {
	now := received.UTC().Truncate(time.Microsecond)
	for _, c := range []struct {
		name, mark string
		time       time.Time
	}{
		{"missing", "time_missing", time.Time{}},
		{"an hour ahead", "", now.Add(time.Hour)},
		{"over an hour ahead", "time_in_future", now.Add(time.Hour + time.Microsecond)},
		{"a year old", "", now.Add(-366 * 24 * time.Hour)},
		{"over a year old", "time_in_past", now.Add(-366*24*time.Hour - time.Microsecond)},
		{"year 9999", "time_in_future", time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -23*3600))},
		{"year 0", "time_in_past", time.Date(0, 1, 1, 0, 0, 0, 0, time.FixedZone("", 23*3600))},
		{"now, in another zone, to the nanosecond", "", received},
	} {
		e := event.Event{Time: c.time}
		e.Accept(origin, received, nil, 0)
		encode(t, &e)
		if c.mark == "" {
			if want := c.time.UTC().Truncate(time.Microsecond); e.Time != want || !e.ClaimedTime.IsZero() || len(e.Marks) != 0 {
				t.Errorf("%s: time %v, want %v; claimed %v, marks %q", c.name, e.Time, want, e.ClaimedTime, e.Marks)
			}
			continue
		}
		if e.Time != now || e.Received != now || !e.ClaimedTime.Equal(c.time) || !e.HasMark(c.mark) {
			t.Errorf("%s: time %v, claimed %v, marks %q", c.name, e.Time, e.ClaimedTime, e.Marks)
		}
	}
}

func TestDerivedIDsAreStableAndApart(t *testing.T) {
	id := func(o event.Origin, raw string, ordinal int) string { return event.DeriveID(o, []byte(raw), ordinal) }
	// A change of the derivation would store retried events twice: it must be seen.
	if got, want := id(origin, `{"message":{}}`, 0), goldenID; got != want {
		t.Errorf("derived %s, want %s", got, want)
	}
	seen := map[string]string{}
	for name, got := range map[string]string{
		"itself":         id(origin, "a", 0),
		"a repeat":       id(origin, "a", 1),
		"other bytes":    id(origin, "b", 0),
		"other tenant":   id(event.Origin{Tenant: "acm", Source: "elaptops"}, "a", 0),
		"other source":   id(event.Origin{Tenant: "acme", Source: "laptop"}, "sa", 0),
		"ordinal as raw": id(origin, "\x01a", 0),
	} {
		if other, twice := seen[got]; twice {
			t.Errorf("%s and %s share an id", name, other)
		}
		seen[got] = name
	}
	if id(origin, "a", 0) != id(event.Origin{Tenant: "acme", Source: "laptops", Collector: "c2", Address: "x"}, "a", 0) {
		t.Error("a retry through another collector has another id")
	}
}

const goldenID = "fersnta3s5vm35hmtg8c5d3pe8"

func TestARetriedEventHasTheSameIDAndAGivenIDStays(t *testing.T) {
	const raw = `{"message":{"jsonrpc":"2.0","method":"ping","id":1}}`
	accept := func(text string, at time.Time, ordinal int) string {
		e := decode(t, text)
		e.Accept(origin, at, []byte(text), ordinal)
		return e.ID
	}
	first := accept(raw, received, 0)
	if again := accept(raw, received.Add(time.Minute), 0); again != first {
		t.Errorf("a retry has the id %s, was %s", again, first)
	}
	if repeat := accept(raw, received, 1); repeat == first {
		t.Error("a genuine repeat shares the id of the first")
	}
	if got := accept(`{"id":"given"}`, received, 3); got != "given" {
		t.Errorf("got %s", got)
	}
}

func TestTheActorIsTheBestAuthenticatedName(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"principal":{"subject":"alice","issuer":"https://idp/x"},"agent":{"id":"laptop/claude"}}`, "principal:https:%2F%2Fidp%2Fx/alice"},
		{`{"principal":{"subject":"alice"}}`, "principal:/alice"},
		{`{"principal":{"subject":"alice"},"marks":["principal_claimed"],"agent":{"host":"192.0.2.9"}}`, "user:192.0.2.9/"},
		{`{"principal":{"issuer":"https://idp"},"agent":{"id":"laptop-17/claude-code","user":"u"}}`, "agent:laptop-17/claude-code"},
		{`{"agent":{"host":"h","user":"a/b"}}`, "user:h/a%2Fb"},
		{`{"agent":{"user":"u"}}`, "user:/u"},
		{`{"agent":{"name":"claude","version":"1"},"server":{"name":"s"},"http":{"client_ip":"203.0.113.9"}}`, "address:192.0.2.7"},
	} {
		e := decode(t, c.in)
		e.Accept(origin, received, nil, 0)
		if e.Actor != c.want {
			t.Errorf("%s: actor %q, want %q", c.in, e.Actor, c.want)
		}
	}
	var e event.Event
	e.Accept(event.Origin{Tenant: "t", Source: "hooks"}, received, nil, 0)
	if e.Actor != "source:hooks" {
		t.Errorf("actor %q without an address", e.Actor)
	}
}

// TestACredentialSpeaksForItsOwn holds that nobody can make another the actor of what he did.
func TestACredentialSpeaksForItsOwn(t *testing.T) {
	const in = `{"principal":{"subject":"alice","issuer":"i"},"agent":{"id":"laptop-9","host":"h"}}`
	for _, c := range []struct {
		name       string
		agent      string
		principals bool
		actor      string
		marks      string
	}{
		{"a gateway", "", true, "principal:i/alice", "[]"},
		{"a laptop with its own name", "laptop-9", false, "agent:laptop-9", "[principal_claimed]"},
		{"a laptop with another's", "laptop-17", false, "agent:laptop-17", "[agent_replaced principal_claimed]"},
		{"a laptop whose logins are trusted", "laptop-17", true, "principal:i/alice/laptop-17", "[agent_replaced]"},
		{"one of many", "", false, "agent:laptop-9", "[principal_claimed]"},
	} {
		o := origin
		o.Agent, o.Principals = c.agent, c.principals
		e := decode(t, in)
		e.Time = received
		e.Accept(o, received, nil, 0)
		if e.Actor != c.actor || fmt.Sprint(e.Marks) != c.marks || e.Principal.Subject != "alice" {
			t.Errorf("%s: actor %q, marks %v; want %q, %s", c.name, e.Actor, e.Marks, c.actor, c.marks)
		}
	}
}

// TestTwoPrincipalsAreNeverOneActor compares actors as the detector reads them, that is
// after they went through Kafka.
func TestTwoPrincipalsAreNeverOneActor(t *testing.T) {
	name := rapid.OneOf(
		rapid.StringOfN(rapid.RuneFrom([]rune(`a/%2F:5`)), 0, 6, -1),
		rapid.Map(rapid.IntRange(1000, 1022), func(n int) string { return strings.Repeat("/", n) }),
		rapid.Map(rapid.StringMatching(`[ab]`), func(tail string) string { return strings.Repeat("x", 1020) + tail }),
	)
	actor := func(t *rapid.T, p event.Principal, agent event.Agent) string {
		e := event.Event{Principal: p, Agent: agent}
		e.Accept(origin, received, nil, 0)
		data, err := event.Encode(nil, &e)
		if err != nil {
			t.Fatal(err)
		}
		stored, err := event.Decode(data, event.StoredLimits())
		if err != nil {
			t.Fatal(err)
		}
		if stored.Actor != e.Actor {
			t.Fatalf("the actor changed on its way: %.80q", e.Actor)
		}
		return stored.Actor
	}
	rapid.Check(t, func(t *rapid.T) {
		a := event.Principal{Issuer: name.Draw(t, "issuer"), Subject: "s" + name.Draw(t, "subject")}
		b := event.Principal{Issuer: name.Draw(t, "other issuer"), Subject: "s" + name.Draw(t, "other subject")}
		same := a.Issuer == b.Issuer && a.Subject == b.Subject
		if got := actor(t, a, event.Agent{}) == actor(t, b, event.Agent{}); got != same {
			t.Fatalf("%q, %q and %q, %q: one actor %t", a.Issuer, a.Subject, b.Issuer, b.Subject, got)
		}
		c := event.Agent{Host: name.Draw(t, "host"), User: name.Draw(t, "user") + "u"}
		d := event.Agent{Host: name.Draw(t, "other host"), User: name.Draw(t, "other user") + "u"}
		if got := actor(t, event.Principal{}, c) == actor(t, event.Principal{}, d); got != (c.Host == d.Host && c.User == d.User) {
			t.Fatalf("%v and %v: one actor %t", c, d, got)
		}
	})
}
