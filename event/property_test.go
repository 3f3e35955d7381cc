package event_test

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/event"
)

var update = flag.Bool("update", false, "write golden files anew")

// TestGoldenEncoding pins what Kafka carries: readers of other versions depend on it.
func TestGoldenEncoding(t *testing.T) {
	in, err := os.ReadFile("testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for line := range strings.Lines(string(in)) {
		var p event.Parser
		shipped := decode(t, line)
		for _, e := range p.Take(event.Shipment{Event: shipped, Origin: origin, Received: received, Raw: []byte(strings.TrimSpace(line))}) {
			if got, err = event.Encode(got, &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
		}
	}
	const golden = "testdata/encoded.golden"
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

var (
	text    = rapid.StringN(0, 40, -1)
	texts   = rapid.Map(rapid.SliceOfNDistinct(text, 0, 4, rapid.ID), nilIfEmpty)
	instant = rapid.Map(rapid.Int64Range(0, 4_000_000_000_000_000), func(us int64) time.Time {
		if us%5 == 0 {
			return time.Time{}
		}
		return time.UnixMicro(us).UTC()
	})
)

func nilIfEmpty(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

func quoted(s string) string {
	b, _ := jsontext.AppendQuote(nil, s)
	return string(b)
}

// value gives JSON without white space between its tokens.
func value() *rapid.Generator[string] { return rapid.Deferred(drawValue) }

func drawValue() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{`null`, `true`, `false`, `0`, `-0`, `1.0`, `1e3`, `1E+400`, `123456789012345678901`, `""`, `"\/\u0041\ud83d\ude00"`, `{}`, `[]`}),
		rapid.Map(text, quoted),
		rapid.Map(rapid.SliceOfN(value(), 0, 3), func(list []string) string { return "[" + strings.Join(list, ",") + "]" }),
		rapid.Custom(func(t *rapid.T) string {
			var members []string
			for range rapid.IntRange(0, 3).Draw(t, "members") {
				members = append(members, quoted(text.Draw(t, "name"))+":"+value().Draw(t, "value"))
			}
			return "{" + strings.Join(members, ",") + "}"
		}),
	)
}

func raw(t *rapid.T, label string) jsontext.Value {
	if rapid.Bool().Draw(t, label+"?") {
		return jsontext.Value(value().Draw(t, label))
	}
	return nil
}

func drawEvent(t *rapid.T) event.Event {
	e := event.Event{
		ID: text.Draw(t, "id"), Parent: text.Draw(t, "parent"), Tenant: text.Draw(t, "tenant"), Actor: text.Draw(t, "actor"),
		Time: instant.Draw(t, "time"), Received: instant.Draw(t, "received"), ClaimedTime: instant.Draw(t, "claimed"),
		Agent:   event.Agent{ID: text.Draw(t, "agent"), Name: text.Draw(t, "agent name"), Version: "1", Host: text.Draw(t, "host"), User: text.Draw(t, "user")},
		Server:  event.Server{ID: text.Draw(t, "server"), Name: text.Draw(t, "server name"), URL: text.Draw(t, "url"), Command: text.Draw(t, "command")},
		Session: text.Draw(t, "session"), Trace: text.Draw(t, "trace"), Transport: text.Draw(t, "transport"),
		Direction: rapid.SampledFrom([]event.Direction{"", event.ToServer, event.ToClient}).Draw(t, "direction"),
		HTTP:      event.HTTP{Status: rapid.IntRange(0, 599).Draw(t, "status"), Method: text.Draw(t, "http method"), ClientIP: text.Draw(t, "ip")},
		Source: event.Source{
			Format: text.Draw(t, "format"), Name: text.Draw(t, "source"), Collector: text.Draw(t, "collector"), Instance: text.Draw(t, "instance"),
			Sequence: rapid.Uint64().Draw(t, "sequence"), Completeness: texts.Draw(t, "completeness"),
		},
		Principal: event.Principal{
			Subject: text.Draw(t, "subject"), Issuer: text.Draw(t, "issuer"), ClientID: text.Draw(t, "client"), Audience: text.Draw(t, "audience"),
			Scopes: texts.Draw(t, "scopes"), Token: text.Draw(t, "token"), Issued: instant.Draw(t, "issued"), Expires: instant.Draw(t, "expires"), Chain: texts.Draw(t, "chain"),
		},
		Marks: texts.Draw(t, "marks"), Message: raw(t, "message"), Raw: text.Draw(t, "raw"),
	}
	for _, name := range rapid.SliceOfN(rapid.StringMatching(`[a-z-]{1,10}`), 0, 3).Draw(t, "headers") {
		if e.HTTP.Headers == nil {
			e.HTTP.Headers = map[string]string{}
		}
		e.HTTP.Headers[name] = text.Draw(t, "header")
	}
	if rapid.Bool().Draw(t, "measured?") {
		e.Measured = event.Measured{DurationMS: rapid.Int64().Draw(t, "duration"), Size: rapid.Int64Range(0, 9).Draw(t, "size")}
	}
	if rapid.Bool().Draw(t, "outcome?") {
		e.Activity, e.Outcome = text.Draw(t, "activity"), event.Outcome{Status: text.Draw(t, "outcome"), Reason: text.Draw(t, "reason")}
	}
	if rapid.Bool().Draw(t, "paired") {
		e.Request = &event.Request{Event: "r" + text.Draw(t, "request"), Method: text.Draw(t, "method"), Name: text.Draw(t, "name"), Arguments: raw(t, "arguments")}
	}
	if rapid.Bool().Draw(t, "extra?") {
		e.Extra = jsontext.Value(`{"X-` + rapid.StringMatching(`[a-z]{1,5}`).Draw(t, "unknown") + `":` + value().Draw(t, "extra") + `}`)
	}
	return e
}

func TestWhatIsEncodedDecodesToTheSameEvent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		data, err := event.Encode(nil, &e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := event.Decode(data, event.StoredLimits())
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if !reflect.DeepEqual(got, e) {
			t.Fatalf("%s\ngot  %#v\nwant %#v", data, got, e)
		}
	})
}

func TestEncodeAppends(t *testing.T) {
	out, err := event.Encode([]byte("before "), &event.Event{ID: "a"})
	if err != nil || string(out) != `before {"id":"a"}` {
		t.Errorf("got %s, %v", out, err)
	}
	out, err = event.Encode([]byte("before "), &event.Event{Message: jsontext.Value("{")})
	if err == nil || string(out) != "before " {
		t.Errorf("a broken message gives %q, %v", out, err)
	}
}
