package format_test

import (
	"bytes"
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
	events, err := format.NewReader(f, limits).Read(record)
	if err != nil {
		return event.Event{}, err
	}
	return events[0], nil
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
	for _, d := range format.Formats() {
		if d.Format == format.Events || d.Format == format.OTLP { // the source says it, the span does
			continue
		}
		in, err := os.ReadFile("testdata/" + string(d.Format) + ".in")
		if err != nil {
			t.Fatal(err)
		}
		r := format.NewReader(d.Format, event.DefaultLimits())
		err = format.Cut(bytes.NewReader(in), d.Format, func(record []byte) error {
			events, err := r.Read(record)
			for i := range events {
				if got := events[i].Source; got.Format != string(d.Format) || !slices.Equal(got.Completeness, d.Carries) {
					t.Errorf("%s: an event of %s carries %v, want %v", d.Format, got.Format, got.Completeness, d.Carries)
				}
			}
			return err
		}, func(reason string) error { return errors.New(reason) })
		if err != nil {
			t.Errorf("%s: %v", d.Format, err)
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
		{"", `{}`, "no known format"},
		{"", `{"error":"Bad Request","message":"no session","statusCode":400}`, "no known format"},
		{"", `{"detail":"Unauthorized"}`, "no known format"},
		{"", `{"name":"x"}`, "no known format"},
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

// TestGoldenRecords reads real shapes of each format, testdata/FORMAT.in, as a file that is given
// without its format's name and with it; testdata/FORMAT.golden holds what they become.
func TestGoldenRecords(t *testing.T) {
	for _, d := range format.Formats() {
		t.Run(string(d.Format), func(t *testing.T) {
			in, err := os.ReadFile("testdata/" + string(d.Format) + ".in")
			if err != nil {
				t.Fatal(err)
			}
			got := readFile(t, d.Format, in)
			if found := readFile(t, "", in); found != got {
				t.Errorf("without the format's name\n%s\nwith it\n%s", found, got)
			}
			golden := "testdata/" + string(d.Format) + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// readFile reads a file and says for each record what it became.
func readFile(t *testing.T, f format.Format, in []byte) string {
	t.Helper()
	var got []byte
	r := format.NewReader(f, event.DefaultLimits())
	refuse := func(reason string) error {
		got = append(got, "refused: "+reason+"\n"...)
		return nil
	}
	err := format.Cut(bytes.NewReader(in), f, func(record []byte) error {
		events, err := r.Read(bytes.Clone(record))
		if err != nil {
			return refuse(err.Error())
		}
		if len(events) == 0 {
			got = append(got, "nothing of MCP\n"...)
		}
		for i := range events {
			if got, err = event.Encode(got, &events[i]); err != nil {
				return err
			}
			got = append(got, '\n')
		}
		return nil
	}, refuse)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
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

func FuzzRead(f *testing.F) {
	for i, d := range format.Formats() {
		seeds, err := os.ReadFile("testdata/" + string(d.Format) + ".in")
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(seeds)) {
			f.Add(uint8(i), []byte(line))
		}
	}
	for _, s := range []string{"", "[]", `{"tools":5}`, "{\"message\":\"\xff\"}", `{"message":{"a":inf}}`, `{"time":"9999-12-31T23:59:59+24:00","message":1}`, `{"raw":"\ud800"}`, `[nan]`} {
		f.Add(uint8(255), []byte(s))
	}
	limits := event.Limits{Bytes: 1 << 16, Depth: 64}
	f.Fuzz(func(t *testing.T, which uint8, record []byte) {
		form := format.Format("")
		if all := format.Formats(); int(which) < len(all) {
			form = all[which].Format
		}
		events, err := format.NewReader(form, limits).Read(record)
		if err != nil {
			return
		}
		for i := range events {
			data, err := event.Encode(nil, &events[i])
			if err != nil {
				t.Fatalf("what was read cannot be stored: %v", err)
			}
			if _, err := event.Decode(data, event.StoredLimits()); err != nil {
				t.Fatalf("what was stored cannot be read: %v", err)
			}
		}
	})
}
