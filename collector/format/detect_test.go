package format_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/event"
)

// records gives the records of a format's testdata.
func records(t testing.TB, f format.Format) [][]byte {
	t.Helper()
	in, err := os.ReadFile("testdata/" + string(f) + ".in")
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	err = format.Cut(bytes.NewReader(in), f, func(record []byte) error {
		all = append(all, bytes.Clone(record))
		return nil
	}, func(reason string) error { return fmt.Errorf("%s: refused: %s", f, reason) })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestNoRecordIsTakenForAnotherFormats(t *testing.T) {
	for _, d := range format.Formats() {
		for _, record := range records(t, d.Format) {
			if got, err := format.Detect(record); err != nil || got != d.Format {
				t.Errorf("%s: %.120s is taken for %q, %v", d.Format, record, got, err)
			}
		}
	}
}

// TestRecordsOfAllFormatsMayBeMixed deals out the records of all formats whose records are lines.
func TestRecordsOfAllFormatsMayBeMixed(t *testing.T) {
	var lines [][]byte
	var want []format.Format
	for i := 0; ; i++ {
		before := len(lines)
		for _, d := range format.Formats() {
			if all := records(t, d.Format); i < len(all) && !bytes.Contains(all[i], []byte("\n")) {
				lines, want = append(lines, all[i]), append(want, d.Format)
			}
		}
		if len(lines) == before {
			break
		}
	}
	at := 0
	err := format.Cut(bytes.NewReader(bytes.Join(lines, []byte("\n"))), "", func(record []byte) error {
		if got, err := format.Detect(record); err != nil || got != want[at] || !bytes.Equal(record, lines[at]) {
			t.Errorf("line %d of %s: %.120s is taken for %q, %v", at, want[at], record, got, err)
		}
		at++
		return nil
	}, func(reason string) error { return fmt.Errorf("refused: %s", reason) })
	if err != nil || at != len(lines) {
		t.Errorf("%d records of %d lines, %v", at, len(lines), err)
	}
}

// hostile are texts that look like records and like the parts of records.
func hostile(t testing.TB) *rapid.Generator[string] {
	texts := []string{`"`, `\`, "\n", `","event":"mcp.tool_call","sid":"x`, ` msg=mcp.tool_call sid=x`, "audit_event", "mcp.session_start", "request"}
	for _, d := range format.Formats() {
		for _, record := range records(t, d.Format) {
			texts = append(texts, string(record), "\n"+string(record)+"\n")
		}
	}
	return rapid.OneOf(rapid.SampledFrom(texts), rapid.String())
}

// TestATextInARecordChangesNoFormat puts hostile texts in place of all texts of JSON records, but
// for the member that the gateway itself names its records by.
func TestATextInARecordChangesNoFormat(t *testing.T) {
	text := hostile(t)
	for _, f := range []format.Format{format.Agentgateway, format.ContextForge, format.Envoy, format.MCPProxy, format.Toolhive, format.Docker, format.Lasso, format.Obot, format.Pipelock, format.Splunk} {
		all := records(t, f)
		rapid.Check(t, func(rt *rapid.T) {
			record := rapid.SampledFrom(all).Draw(rt, "record")
			if record[0] != '{' {
				return
			}
			var root map[string]any
			if err := json.Unmarshal(record, &root); err != nil {
				rt.Fatal(err)
			}
			changed, err := json.Marshal(withTexts(root, func() string { return text.Draw(rt, "text") }))
			if err != nil {
				rt.Fatal(err)
			}
			if got, err := format.Detect(changed); err != nil || got != f {
				rt.Fatalf("%s is taken for %q, %v", changed, got, err)
			}
		})
	}
}

func withTexts(v any, text func() string) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if name != "event" {
				v[name] = withTexts(inner, text)
			}
		}
	case []any:
		for i := range v {
			v[i] = withTexts(v[i], text)
		}
	case string:
		return text()
	}
	return v
}

// TestATextInALineIsReadBack writes lines by the handler that the gateways write them by.
func TestATextInALineIsReadBack(t *testing.T) {
	text := hostile(t)
	for _, c := range []struct {
		format format.Format
		msg    string
	}{{format.Kuadrant, "tool call"}, {format.MCPProxy, "mcp.tool_denied"}} {
		rapid.Check(t, func(rt *rapid.T) {
			tool, reason := text.Draw(rt, "tool"), text.Draw(rt, "reason")
			var line bytes.Buffer
			slog.New(slog.NewTextHandler(&line, nil)).Info(c.msg, "audit", true, "reason", reason, "tool", tool, "user", "ana")
			if got, err := format.Detect(line.Bytes()); err != nil || got != c.format {
				rt.Fatalf("%s is taken for %q, %v", line.Bytes(), got, err)
			}
			e, err := read(c.format, bytes.TrimSpace(line.Bytes()), event.DefaultLimits())
			if err != nil {
				rt.Fatalf("%s: %v", line.Bytes(), err)
			}
			var message struct {
				Params struct{ Name string }
			}
			if err := json.Unmarshal(e.Message, &message); err != nil {
				rt.Fatal(err)
			}
			if message.Params.Name != strings.ToValidUTF8(tool, "\uFFFD") || e.Principal.Subject != "ana" {
				rt.Fatalf("%s became %s of %q", line.Bytes(), e.Message, e.Principal.Subject)
			}
		})
	}
}

// TestWhoWritesAMessageCannotPassItOffAsALog: its content would go unread.
func TestWhoWritesAMessageCannotPassItOffAsALog(t *testing.T) {
	members := map[string]string{
		"toolhive":     `"audit_id":"a","type":"http_request","outcome":"success","component":"c"`,
		"agentgateway": `"level":"info","time":"t","scope":"request"`,
		"contextforge": `"event_type":"x","action_taken":"allowed"`,
		"log":          `"asctime":"t","levelname":"INFO","process_id":1`,
		"envoy":        `"start_time":"t","response_code":200`,
		"docker":       `"trigger":"invoke","target_type":"tool"`,
		"lasso":        `"capability_type":"x","capability_name":"x"`,
		"obot":         `"eventType":"x","actor":{},"action":{},"outcome":{}`,
		"pipelock":     `"pipelock_instance":"x","type":"x"`,
		"mcpproxy":     `"event":"mcp.session_start","sid":"s"`,
	}
	for _, hidden := range []struct {
		in   string
		want format.Format
	}{
		{`{"jsonrpc":"2.0","id":1,"result":{"content":[]},%s}`, format.JSONRPC},
		{`{"id":1,"result":{},%s}`, format.JSONRPC},
		{`{"name":"add","description":"Adds.",%s}`, format.Tools},
		{`{"name":"add","inputSchema":{},%s}`, format.Tools},
		{`{"message":{"jsonrpc":"2.0","method":"ping"},%s}`, format.Events},
	} {
		for name, more := range members {
			in := fmt.Sprintf(hidden.in, more)
			if got, err := format.Detect([]byte(in)); err != nil || got != hidden.want {
				t.Errorf("%s: %s is taken for %q, %v; want %q", name, in, got, err, hidden.want)
			}
		}
	}
}

func TestCEFTakesNoPairFromTheInsideOfAText(t *testing.T) {
	for _, c := range []struct{ in, user, address, reason string }{
		{`CEF:0|IBM|ContextForge|1|X|a\|b\\|3|suser=ana msg=hello suser=root src=1 src=192.0.2.1`, "ana", "1", `a|b\`},
		{`CEF:0|IBM|ContextForge|1|X||3|suser=a\=b c  src=192.0.2.1`, "a=b c", "192.0.2.1", ""},
		{`CEF:0|IBM|ContextForge|1|X|d|3|suser=`, "", "", "d"},
		{`CEF:0|IBM|ContextForge|1|X|d|3|=x suser=ana\`, `ana\`, "", "d"},
	} {
		e, err := read(format.CEF, []byte(c.in), event.DefaultLimits())
		if err != nil || e.Principal.Subject != c.user || e.HTTP.ClientIP != c.address || e.Outcome.Reason != c.reason {
			t.Errorf("%s: %q %q %q, %v", c.in, e.Principal.Subject, e.HTTP.ClientIP, e.Outcome.Reason, err)
		}
	}
	for _, in := range []string{"CEF:0|IBM|ContextForge|1|X|d", `CEF:0|IBM|ContextForge|1|X|d|3\|`, "CEF:0|Other|Product|1|X|d|3|a=b", ""} {
		if _, err := format.NewReader(format.CEF, event.DefaultLimits()).Read([]byte(in)); err == nil {
			t.Errorf("%q was read", in)
		}
	}
}

// TestAStreamOfManyMessagesIsBounded: one answer may hold as many as fit into a record.
func TestAStreamOfManyMessagesIsBounded(t *testing.T) {
	stream, err := json.Marshal(strings.Repeat("data: {\"jsonrpc\":\"2.0\",\"method\":\"m\"}\n\n", 1000))
	if err != nil {
		t.Fatal(err)
	}
	record := fmt.Sprintf(`{"audit_id":"a","type":"mcp_ping","outcome":"success","component":"c","data":{"response":%s}}`, stream)
	events, err := format.NewReader(format.Toolhive, event.DefaultLimits()).Read([]byte(record))
	if err != nil || len(events) != 65 || !events[64].HasMark("children_dropped") {
		t.Errorf("%d events, %v", len(events), err)
	}
}
