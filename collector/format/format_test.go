package format_test

import (
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/event"
)

// read reads one record with a reader of its own.
func read(f format.Format, record []byte, limits event.Limits) (event.Event, error) {
	e, err := format.NewReader(f, limits).Read(record)
	if err != nil {
		return event.Event{}, err
	}
	return *e, nil
}

var update = flag.Bool("update", false, "write golden files anew")

func TestDetectKnowsARecordByItsShape(t *testing.T) {
	for _, c := range []struct {
		in   string
		want format.Format
	}{
		{`{"jsonrpc":"2.0","id":1,"method":"ping"}`, format.JSONRPC},
		{`{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}`, format.JSONRPC},
		{`{"method":"tools/call","params":{}}`, format.JSONRPC},
		{`{"method":"ping","id":1}`, format.JSONRPC},
		{`{"result":{},"id":1}`, format.JSONRPC},
		{`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, format.JSONRPC},
		{`{"direction":"client_to_server","server":"everything","message":{"jsonrpc":"2.0","id":1,"method":"ping"}}`, format.JSONRPC},
		{`{"source":"a corpus","message":{"jsonrpc":"2.0","method":"ping"}}`, format.JSONRPC},
		{`{"message":{"jsonrpc":"2.0","id":1,"method":"ping"}}`, format.Events},
		{`{"id":"x","agent":{"id":"a"},"source":{"format":"tap"},"message":null}`, format.Events},
		{`{"raw":"text","direction":"to_client"}`, format.Events},
		{`{"name":"add","description":"Adds.","inputSchema":{"type":"object"}}`, format.Tools},
		{`{"name":"add","description":"Adds."}`, format.Tools},
		{`{"tools":[{"name":"add"}]}`, format.Tools},
		{`{"method":"tools/call","tool":"add","args_text":"1 2"}`, format.Flat},
		{`{"method":"tools/list","result_text":"","jsonrpc":{"id":1},"id":"e1"}`, format.Flat},
		{`{"jsonrpc":"2.0","method":"tools/call","tool":"add"}`, format.JSONRPC},
		{`{"method":"tools/call","tool":"add","params":{}}`, format.JSONRPC},
		{`{"method":"POST","tool":"x","message":{"jsonrpc":"2.0","method":"ping"}}`, format.Events},
	} {
		got, err := format.Detect([]byte(c.in))
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.in, got, err, c.want)
		}
	}
}

// TestCarries holds that a reader marks its events with what its format is said to carry.
func TestCarries(t *testing.T) {
	records := map[format.Format]string{
		format.Flat:    `{"method":"tools/call","tool":"add","args_text":"1 2"}`,
		format.JSONRPC: `{"jsonrpc":"2.0","id":1,"method":"ping"}`,
		format.Tools:   `{"name":"add","description":"Adds.","inputSchema":{"type":"object"}}`,
	}
	for _, f := range format.Formats() {
		record, marks := records[f]
		if !marks { // the source says it
			if f != format.Events {
				t.Errorf("%s: no example", f)
			}
			continue
		}
		e, err := read(f, []byte(record), event.DefaultLimits())
		if err != nil || !slices.Equal(e.Source.Completeness, format.Carries(f)) || len(format.Carries(f)) == 0 {
			t.Errorf("%s: an event carries %v (%v), the format is said to carry %v", f, e.Source.Completeness, err, format.Carries(f))
		}
	}
}

func TestReadRefusesWhatItCannot(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 150) + `1` + strings.Repeat(`}`, 150)
	for _, c := range []struct {
		form       format.Format
		in, reason string
	}{
		{"", ``, "is not JSON"},
		{"", `event: message`, "is not JSON"},
		{"", `<!DOCTYPE html>`, "is not JSON"},
		{"", `{"jsonrpc":"2.0"`, "is not JSON"},
		{"", `"text"`, "no object"},
		{"", `null`, "no object"},
		{"", `{}`, "is neither"},
		{"", `{"error":"Bad Request","message":"no session","statusCode":400}`, "is neither"},
		{"", `{"detail":"Unauthorized"}`, "is neither"},
		{"", `{"name":"x"}`, "is neither"},
		{"", `{"jsonrpc":"2.0","id":NaN,"method":"ping"}`, "is not JSON"},
		{format.JSONRPC, `{"jsonrpc":"2.0","params":` + deep + `}`, "nesting"},
		{format.Tools, `{"name":"x","inputSchema":` + deep + `}`, "nesting"},
		{format.Tools, `"text"`, "no tool"},
		{format.Tools, `nonsense`, "is not JSON"},
		{format.Flat, `nonsense`, "is not JSON"},
		{format.Flat, `["method"]`, "no flat log"},
		{format.JSONRPC, `nonsense`, "is not JSON"},
		{format.Events, `{"id":5}`, "does not fit"},
		{"", strings.Repeat(" ", 1<<20) + `{}`, "at most 1048576"},
		{"syslog", `{}`, `unknown format "syslog"`},
	} {
		e, err := read(c.form, []byte(c.in), event.DefaultLimits())
		if err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%.60s as %q: %v, want %q; event %+v", c.in, c.form, err, c.reason, e.Source)
		}
		var field *event.FieldError
		if c.form != "syslog" && !errors.As(err, &field) {
			t.Errorf("%.60s: %T, want a *FieldError", c.in, err)
		}
	}
}

// TestGoldenRecords reads real shapes of each format; the golden file holds what they become.
func TestGoldenRecords(t *testing.T) {
	in, err := os.ReadFile("testdata/records.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for line := range strings.Lines(string(in)) {
		e, err := read("", []byte(strings.TrimSuffix(line, "\n")), event.DefaultLimits())
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if got, err = event.Encode(got, &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, '\n')
	}
	const golden = "testdata/events.golden"
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

func TestADirectionThatNobodyStatesFollowsFromTheMessage(t *testing.T) {
	for _, c := range []struct {
		in   string
		want event.Direction
	}{
		{`{"jsonrpc":"2.0","id":1,"method":"tools/call"}`, event.ToServer},
		{`{"jsonrpc":"2.0","method":"notifications/initialized"}`, event.ToServer},
		{`{"jsonrpc":"2.0","id":1,"result":{}}`, event.ToClient},
		{`{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}`, event.ToClient},
		{`{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage"}`, event.ToClient},
		{`{"jsonrpc":"2.0","id":1,"method":"elicitation/create"}`, event.ToClient},
		{`{"jsonrpc":"2.0","id":1,"method":"roots/list"}`, event.ToClient},
		{`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`, event.ToClient},
		{`{"server":"s","message":{"jsonrpc":"2.0","id":1,"result":{}}}`, event.ToClient},
		{`{"server":"s","direction":"client_to_server","message":{"jsonrpc":"2.0","id":1,"result":{}}}`, event.ToServer},
		{`{"server":"s","direction":"server_to_client","message":{"jsonrpc":"2.0","method":"ping","id":1}}`, event.ToClient},
		{`{"server":"s","direction":"sideways","message":{"jsonrpc":"2.0","method":"ping","id":1}}`, event.ToServer},
	} {
		e, err := read(format.JSONRPC, []byte(c.in), event.DefaultLimits())
		if err != nil || e.Direction != c.want {
			t.Errorf("%s: %q, %v; want %q", c.in, e.Direction, err, c.want)
		}
	}
}

// TestAMessageIsNotTakenForTheEnvelopeOfAnother: it would hide its own content.
func TestAMessageIsNotTakenForTheEnvelopeOfAnother(t *testing.T) {
	for _, in := range []string{
		`{"id":1,"result":{"content":"evil"},"message":{"jsonrpc":"2.0","method":"ping"}}`,
		`{"jsonrpc":"2.0","id":1,"result":{},"message":"x"}`,
	} {
		e, err := read("", []byte(in), event.DefaultLimits())
		if err != nil || string(e.Message) != in {
			t.Errorf("%s: message %s, %v", in, e.Message, err)
		}
	}
	const envelope = `{"server":"s","method":"POST","message":{"jsonrpc":"2.0","method":"ping"}}`
	e, err := read("", []byte(envelope), event.DefaultLimits())
	if err != nil || string(e.Message) != `{"jsonrpc":"2.0","method":"ping"}` || e.Server.ID != "s" {
		t.Errorf("message %s of server %q, %v", e.Message, e.Server.ID, err)
	}
}

func TestInvalidUnicodeHidesNoMessage(t *testing.T) {
	for _, c := range []struct{ in, message string }{
		{"{\"jsonrpc\":\"2.0\",\"method\":\"a\xff\"}", `{"jsonrpc":"2.0","method":"a�"}`},
		{`{"jsonrpc":"2.0","method":"a\ud800"}`, `{"jsonrpc":"2.0","method":"a�"}`},
		{"{\"server\":\"s\xff\",\"message\":{\"jsonrpc\":\"2.0\",\"method\":\"a\"}}", `{"jsonrpc":"2.0","method":"a"}`},
		{"{\"message\":{\"x\":\"\\udc00\"},\"agent\":{}}", `{"x":"�"}`},
		{"{\"name\":\"add\",\"description\":\"\xc3\"}", `{"jsonrpc":"2.0","id":0,"result":{"tools":[{"name":"add","description":"�"}]}}`},
	} {
		e, err := read("", []byte(c.in), event.DefaultLimits())
		if err != nil || string(e.Message) != c.message || !e.HasMark("invalid_utf8") {
			t.Errorf("%q: message %s, marks %q, %v", c.in, e.Message, e.Marks, err)
			continue
		}
		if _, err := event.Encode(nil, &e); err != nil {
			t.Errorf("%q cannot be stored: %v", c.in, err)
		}
	}
}

func TestAnEnvelopesTextsAreBounded(t *testing.T) {
	long := strings.Repeat("x", 5000)
	e, err := read("", []byte(`{"session":"`+long+`","server":"`+long+`","client":"`+long+`","transport":"`+long+`","message":{"jsonrpc":"2.0","method":"ping"}}`), event.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Session) != 1024 || len(e.Server.ID) != 1024 || len(e.Agent.Name) != 1024 || len(e.Transport) != 1024 || len(e.Marks) != 4 {
		t.Errorf("%d %d %d %d bytes, marks %q", len(e.Session), len(e.Server.ID), len(e.Agent.Name), len(e.Transport), e.Marks)
	}
}

func TestACataloguesOwnColumnsAreNoPartOfATool(t *testing.T) {
	e, err := read("", []byte(`{"source":"s","a\u0007\"":1,"name":"add","n\u0061me":"sub","description":"\u0041\/","x":1,"x":2,"inputSchema":{"x":1.0}}`), event.DefaultLimits())
	if want := `{"jsonrpc":"2.0","id":0,"result":{"tools":[{"name":"add","name":"sub","description":"\u0041\/","inputSchema":{"x":1.0}}]}}`; err != nil || string(e.Message) != want {
		t.Errorf("%s, %v; want %s", e.Message, err, want)
	}
}

func TestAListOfToolsIsRead(t *testing.T) {
	e, err := read(format.Tools, []byte(`[{"name":"a"},{"name":"b"}]`), event.DefaultLimits())
	if want := `{"jsonrpc":"2.0","id":0,"result":{"tools":[{"name":"a"},{"name":"b"}]}}`; err != nil || string(e.Message) != want {
		t.Errorf("%s, %v; want %s", e.Message, err, want)
	}
}

func fuzz(f *testing.F, form format.Format) {
	f.Helper()
	seeds, err := os.ReadFile("testdata/records.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(seeds)) {
		f.Add([]byte(line))
	}
	for _, s := range []string{"", "[]", `{"tools":5}`, "{\"message\":\"\xff\"}", `{"message":{"a":inf}}`, `{"time":"9999-12-31T23:59:59+24:00","message":1}`, `{"raw":"\ud800"}`, `[nan]`} {
		f.Add([]byte(s))
	}
	limits := event.Limits{Bytes: 1 << 16, Depth: 64}
	f.Fuzz(func(t *testing.T, record []byte) {
		e, err := read(form, record, limits)
		if err != nil {
			return
		}
		data, err := event.Encode(nil, &e)
		if err != nil {
			t.Fatalf("what was read cannot be stored: %v", err)
		}
		if _, err := event.Decode(data, event.StoredLimits()); err != nil {
			t.Fatalf("what was stored cannot be read: %v", err)
		}
	})
}

func FuzzReadDetected(f *testing.F) { fuzz(f, "") }
func FuzzReadEvents(f *testing.F)   { fuzz(f, format.Events) }
func FuzzReadJSONRPC(f *testing.F)  { fuzz(f, format.JSONRPC) }
func FuzzReadFlat(f *testing.F)     { fuzz(f, format.Flat) }
func FuzzReadTools(f *testing.F)    { fuzz(f, format.Tools) }
