package event_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/event"
)

// sameAsReference holds Decode and a Decoder that has read other events to the reference, and
// Encode too.
func sameAsReference(t failer, d *event.Decoder, data []byte) {
	t.Helper()
	kept := bytes.Clone(data)
	want, wantErr := event.ReferenceDecode(bytes.Clone(data), event.DefaultLimits())
	one, oneErr := event.Decode(data, event.DefaultLimits())
	got, message, err := d.Decode(data)
	if !bytes.Equal(kept, data) {
		t.Fatalf("the data was changed from %q to %q", kept, data)
	}
	if fmt.Sprint(oneErr) != fmt.Sprint(err) {
		t.Fatalf("%q: %v, and of a decoder that is used again %v", data, oneErr, err)
	}
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%q: %v, want %v", data, err, wantErr)
	}
	if err != nil {
		sameRefusal(t, data, err, wantErr)
		return
	}
	if !equal(*got, want) || !equal(one, want) {
		t.Fatalf("%q\ngot  %#v\nand  %#v\nwant %#v", data, *got, one, want)
	}
	var p event.Parser
	m, err := p.Parse(got.Message)
	if err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	if fmt.Sprint(texts4(m)) != fmt.Sprint(texts4(*message)) {
		t.Fatalf("%q\ngot  %q\nwant %q", data, texts4(*message), texts4(m))
	}
	encoded, err := event.Encode([]byte("."), got)
	wantEncoded, wantErr := event.ReferenceEncode([]byte("."), &want)
	if !bytes.Equal(encoded, wantEncoded) || (err == nil) != (wantErr == nil) {
		t.Fatalf("%q\nencoded %s, %v\nwant    %s, %v", data, encoded, err, wantEncoded, wantErr)
	}
}

// sameRefusal compares the words only where the text is JSON: which of several faults is named
// first, and how those of the syntax are called, is each reader's own.
func sameRefusal(t failer, data []byte, err, want error) {
	t.Helper()
	var got *event.FieldError
	if !errors.As(err, &got) {
		t.Fatalf("%q: %v is no *FieldError", data, err)
	}
	if jsontext.Value(data).IsValid(jsontext.AllowDuplicateNames(true)) && got.Error() != want.Error() {
		t.Fatalf("%q: %v, want %v", data, err, want)
	}
}

// texts4 is what a message holds.
func texts4(m event.Message) []string {
	return []string{
		string(m.Kind), m.ID, m.Method, string(m.Params.Raw()), string(m.Result.Raw()), string(m.ErrorData.Raw()),
		m.ErrorText, fmt.Sprint(m.ErrorCode), string(m.Root.Raw()),
	}
}

// equal compares events, an empty list being none.
func equal(a, b event.Event) bool {
	for _, e := range []*event.Event{&a, &b} {
		for _, list := range []*[]string{&e.Marks, &e.Principal.Scopes, &e.Principal.Chain, &e.Source.Completeness} {
			*list = nilIfEmpty(*list)
		}
		if len(e.HTTP.Headers) == 0 {
			e.HTTP.Headers = nil
		}
	}
	return reflect.DeepEqual(a, b)
}

// drawMember is a member of the envelope or of what is in it, often of a wrong kind.
func drawMember(t *rapid.T, names []string, depth int) string {
	name := rapid.SampledFrom(names).Draw(t, "name")
	value := rapid.OneOf(
		rapid.SampledFrom([]string{
			`null`, `true`, `-0`, `0`, `7`, `1e3`, `1.5`, `-5`, `9223372036854775808`, `18446744073709551615`, `99999999999999999999`, `""`, `"x"`, `"to_server"`, `"to_client"`, `"\u0041\n"`, `"\ud83d"`,
			`"2026-11-22T09:42:11.123456Z"`, `"2026-11-22T09:42:11Z"`, `"2026-02-29T09:42:11Z"`, `"2026-11-22T09:42:11+05:30"`, `"2026-11-22T9:42:11Z"`, `"2026-11-22T09:42:11,5Z"`, `"2026-11-22T09:42:60Z"`,
			`"2026-11-22T09:42:11+24:00"`, `"2026-11-22T09:42:11.Z"`, `"2026-11-22T09:42:11.1234567891Z"`, `"2026-11-22t09:42:11z"`, `"2024-02-29T23:59:59.9-23:59"`, `"0000-01-01T00:00:00Z"`, `"9999-12-31T23:59:59.999999999Z"`,
			`"` + strings.Repeat("é", 600) + `"`, `[]`, `["a"]`, `["a",null,"a"]`, `["a",5]`, `{}`, `{"A":"1","b":"2"}`, `{"a":null}`, `{"a":"1","A":"2"}`, `{"a":{}}`, ` [ "a" , "b" ] `,
		}),
		value(),
	).Draw(t, "value")
	if depth > 0 && rapid.IntRange(0, 2).Draw(t, "object") == 0 {
		value = drawObject(t, depth-1)
	}
	space := rapid.SampledFrom([]string{"", "", "", " ", "\n\t"}).Draw(t, "space")
	return space + `"` + name + `"` + space + ":" + space + value + space
}

var (
	envelopeNames = []string{
		"id", "parent", "time", "received", "claimed_time", "tenant", "actor", "agent", "server", "principal", "session", "trace", "transport",
		"direction", "http", "source", "request", "measured", "activity", "outcome", "marks", "message", "raw", "Id", "other", `\u0069d`, `x\ty`,
	}
	innerNames = []string{
		"id", "name", "version", "host", "user", "url", "command", "subject", "issuer", "client_id", "audience", "scopes", "token", "issued", "expires", "chain",
		"status", "method", "client_ip", "headers", "format", "collector", "instance", "sequence", "completeness", "event", "arguments", "duration_ms", "size", "status", "reason",
		"jsonrpc", "params", "result", "error", "code", "data", "message", "unknown",
	}
)

func drawObject(t *rapid.T, depth int) string {
	names := innerNames
	if depth == 2 {
		names = envelopeNames
	}
	var members []string
	for range rapid.IntRange(0, 6).Draw(t, "members") {
		members = append(members, drawMember(t, names, depth))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func TestDecodeIsTheReference(t *testing.T) {
	d := event.NewDecoder(event.DefaultLimits())
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(drawObject(t, 2))
		if rapid.IntRange(0, 9).Draw(t, "broken") == 0 {
			at := rapid.IntRange(0, len(text)).Draw(t, "at")
			piece := rapid.SampledFrom([]string{"\xff", "\xc3", `\`, `"`, `,`, `}`, ``}).Draw(t, "piece")
			text = append(append(bytes.Clone(text[:at]), piece...), text[min(at+1, len(text)):]...)
		}
		sameAsReference(t, d, text)
	})
}

func TestEncodeIsTheReference(t *testing.T) {
	d := event.NewDecoder(event.StoredLimits())
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		got, err := event.Encode(nil, &e)
		want, wantErr := event.ReferenceEncode(nil, &e)
		if err != nil || wantErr != nil || !bytes.Equal(got, want) {
			t.Fatalf("got  %s, %v\nwant %s, %v", got, err, want, wantErr)
		}
		back, _, err := d.Decode(got)
		if err != nil || !equal(*back, e) {
			t.Fatalf("%s\ncame back as %#v, %v\nwant %#v", got, back, err, e)
		}
	})
}

func TestEncodeRefusesWhatTheReferenceDoes(t *testing.T) {
	for name, e := range map[string]event.Event{
		"invalid UTF-8":           {Session: "\xff"},
		"invalid UTF-8 in a list": {Marks: []string{"a", "\xff"}},
		"half a surrogate pair":   {Message: jsontext.Value(`"\ud800"`)},
		"two values":              {Message: jsontext.Value(`1 2`)},
		"nothing":                 {Message: jsontext.Value(``)},
		"extra that is a list":    {Extra: jsontext.Value(`[1]`)},
		"extra that is broken":    {Agent: event.Agent{Extra: jsontext.Value(`{"a"}`)}},
	} {
		before := []byte("before")
		got, err := event.Encode(before, &e)
		if _, want := event.ReferenceEncode(nil, &e); err == nil || want == nil || string(got) != "before" {
			t.Errorf("%s: %q, %v; the reference says %v", name, got, err, want)
		}
	}
}

func FuzzDecoder(f *testing.F) {
	lines, err := os.ReadFile("testdata/events.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.Lines(lines) {
		f.Add(bytes.TrimSpace(line))
	}
	f.Add(shipped())
	f.Fuzz(func(t *testing.T, data []byte) {
		d := event.NewDecoder(event.DefaultLimits())
		_, _, _ = d.Decode(shipped())
		sameAsReference(t, d, data)
	})
}

// TestTimesAreThoseOfTheTimePackage reads and writes days of all years.
func TestTimesAreThoseOfTheTimePackage(t *testing.T) {
	first, last := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	const step = 31*24*time.Hour + 7*time.Hour + 11*time.Minute + 13*time.Second + 1_000_100
	for at := first; at.Before(last); at = at.Add(step) {
		text := at.Format(time.RFC3339Nano)
		e, err := event.Decode([]byte(`{"time":"`+text+`"}`), event.DefaultLimits())
		if err != nil || !e.Time.Equal(at) || e.Time.Location() != time.UTC {
			t.Fatalf("%s is %s, %v", text, e.Time, err)
		}
		if got := encode(t, &e); got != `{"time":"`+text+`"}` {
			t.Fatalf("%s is written %s", text, got)
		}
	}
	for _, text := range []string{"2023-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-00-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z"} {
		if e, err := event.Decode([]byte(`{"time":"`+text+`"}`), event.DefaultLimits()); err == nil {
			t.Errorf("%s is %s", text, e.Time)
		}
	}
}
