package event_test

import (
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/event"
)

func parse(t *testing.T, text string) event.Message {
	t.Helper()
	var p event.Parser
	m, err := p.Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse(%.100s): %v", text, err)
	}
	return m
}

func TestParseTellsTheKindAndID(t *testing.T) {
	for _, c := range []struct {
		in     string
		kind   event.Kind
		id     string
		method string
	}{
		{`{"jsonrpc":"2.0","id":3,"method":"tools/list"}`, event.KindRequest, `3`, "tools/list"},
		{`{"jsonrpc":"2.0","id":"3","method":"tools/list"}`, event.KindRequest, `"3"`, "tools/list"},
		{`{"id":"","method":"ping"}`, event.KindRequest, `""`, "ping"},
		{`{"id":0,"method":"ping"}`, event.KindRequest, `0`, "ping"},
		{`{"jsonrpc":"2.0","method":"notifications/initialized"}`, event.KindNotification, "", "notifications/initialized"},
		{`{"id":null,"method":"ping"}`, event.KindNotification, "", "ping"},
		{`{"id":true,"method":"ping"}`, event.KindNotification, "", "ping"},
		{`{"id":{"a":1},"method":"ping"}`, event.KindNotification, "", "ping"},
		{`{"id":[3],"method":"ping"}`, event.KindNotification, "", "ping"},
		{`{"id":1,"method":5}`, event.KindUnknown, `1`, ""},
		{`{"id":3,"result":{}}`, event.KindResponse, `3`, ""},
		{`{"id":3,"result":null}`, event.KindResponse, `3`, ""},
		{`{"id":3,"result":{},"error":null}`, event.KindResponse, `3`, ""},
		{`{"id":3,"error":{"code":-32601,"message":"no"}}`, event.KindError, `3`, ""},
		{`{"id":null,"error":{"code":-32700,"message":"no"}}`, event.KindError, "", ""},
		{`{"id":3,"error":"boom"}`, event.KindUnknown, `3`, ""},
		{`{"id":3,"error":["boom"]}`, event.KindUnknown, `3`, ""},
		{`[]`, event.KindBatch, "", ""},
		{`[{"id":1,"method":"ping"}]`, event.KindBatch, "", ""},
		{`{}`, event.KindUnknown, "", ""},
		{`null`, event.KindUnknown, "", ""},
		{`"tools/call"`, event.KindUnknown, "", ""},
		{`5`, event.KindUnknown, "", ""},
		{``, event.KindUnknown, "", ""},
		// What one agent's parser takes for the same id has one text.
		{`{"id":3.0,"result":{}}`, event.KindResponse, `3`, ""},
		{`{"id":30e-1,"result":{}}`, event.KindResponse, `3`, ""},
		{`{"id":1e3,"result":{}}`, event.KindResponse, `1000`, ""},
		{`{"id":-0,"result":{}}`, event.KindResponse, `0`, ""},
		{`{"id":-0.0,"result":{}}`, event.KindResponse, `0`, ""},
		{`{"id":0.5,"result":{}}`, event.KindResponse, `0.5`, ""},
		{`{"id":1e400,"result":{}}`, event.KindResponse, `1e400`, ""},
		{`{"id":9007199254740993,"result":{}}`, event.KindResponse, `9007199254740993`, ""},
		{`{"id":12345678901234567890123456789,"result":{}}`, event.KindResponse, `12345678901234567890123456789`, ""},
		{`{"id":"\u0041\/\u00e9","result":{}}`, event.KindResponse, `"A/é"`, ""},
		{`{"id":"\u0001\u007f\"","result":{}}`, event.KindResponse, "\"\\u0001\x7f\\\"\"", ""},
		// Of a name that occurs twice the last counts, however it is written.
		{`{"method":"ping","id":1,"method":"tools/call","id":2}`, event.KindRequest, `2`, "tools/call"},
		{`{"method":"ping","meth\u006fd":"tools/call","id":2}`, event.KindRequest, `2`, "tools/call"},
		{`{"id":1,"method":"ping","id":null}`, event.KindNotification, "", "ping"},
		{`{"id":1,"method":"ping","method":null}`, event.KindUnknown, `1`, ""},
		{`{"id":1,"error":{"code":1},"error":null,"result":1}`, event.KindResponse, `1`, ""},
		{`{"ID":1,"Method":"ping"}`, event.KindUnknown, "", ""},
	} {
		m := parse(t, c.in)
		if m.Kind != c.kind || m.ID != c.id || m.Method != c.method {
			t.Errorf("%s: %s, id %s, method %q; want %s, %s, %q", c.in, m.Kind, m.ID, m.Method, c.kind, c.id, c.method)
		}
	}
}

func TestParseTakesTheLastParamsAndError(t *testing.T) {
	m := parse(t, `{"id":1,"method":"tools/call","params":{"name":"safe"},"params":{"name":"safe","name":"run","arguments":{"x":1},"arguments":{"x":2}}}`)
	if m.Name() != "run" || string(m.Params.Get("arguments", "x").Raw()) != "2" {
		t.Errorf("name %q, params %s", m.Name(), m.Params.Raw())
	}
	m = parse(t, `{"id":1,"error":{"code":1,"message":"a","data":7},"error":{"code":-32000,"message":"b\u001b"}}`)
	if m.ErrorCode != -32000 || m.ErrorText != "b\x1b" || m.ErrorData.Exists() {
		t.Errorf("code %d, text %q, data %s", m.ErrorCode, m.ErrorText, m.ErrorData.Raw())
	}
	m = parse(t, `{"id":1,"error":{"code":1,"message":"a"},"error":"text"}`)
	if m.Kind != event.KindUnknown || m.ErrorCode != 0 || m.ErrorText != "" {
		t.Errorf("kind %s, code %d, text %q after an error that is no object", m.Kind, m.ErrorCode, m.ErrorText)
	}
	m = parse(t, `{"id":1,"error":{"code":1e99,"message":{}}}`)
	if m.Kind != event.KindError || m.ErrorCode != 0 || m.ErrorText != "" {
		t.Errorf("kind %s, code %d, text %q of a malformed error", m.Kind, m.ErrorCode, m.ErrorText)
	}
}

func TestParseRefusesWhatIsNoJSON(t *testing.T) {
	for _, text := range []string{`{`, `{"a":}`, "event: message", `{"a":1}{"b":2}`, "\x1b[2J", strings.Repeat("[", 301) + strings.Repeat("]", 301)} {
		var p event.Parser
		m, err := p.Parse([]byte(text))
		if err == nil || m.Kind != event.KindUnknown || m.Root.Exists() {
			t.Errorf("Parse(%.20q) gives %s, %v", text, m.Kind, err)
		}
		if err != nil && strings.Contains(err.Error(), "\x1b") {
			t.Errorf("the error repeats a control character: %q", err)
		}
	}
}

// TestParseReadsWhatStoredLimitsAllow: an event that Decode took must not be too deep here.
func TestParseReadsWhatStoredLimitsAllow(t *testing.T) {
	depth := event.StoredLimits().Depth - 1
	e, err := event.Decode([]byte(`{"message":`+strings.Repeat("[", depth)+strings.Repeat("]", depth)+`}`), event.StoredLimits())
	if err != nil {
		t.Fatal(err)
	}
	parse(t, string(e.Message))
}

func TestRequestsNameTheirTarget(t *testing.T) {
	for _, c := range []struct{ method, params, want string }{
		{"tools/call", `{"name":"read_file","arguments":{"name":"other"}}`, "read_file"},
		{"prompts/get", `{"name":"greet"}`, "greet"},
		{"resources/read", `{"uri":"file:///etc/passwd"}`, "file:///etc/passwd"},
		{"resources/subscribe", `{"uri":"a:b"}`, "a:b"},
		{"resources/unsubscribe", `{"uri":"a:b"}`, "a:b"},
		{"notifications/resources/updated", `{"uri":"a:b"}`, "a:b"},
		{"completion/complete", `{"ref":{"type":"ref/prompt","name":"greet"}}`, "greet"},
		{"completion/complete", `{"ref":{"type":"ref/resource","uri":"a:{x}"}}`, "a:{x}"},
		{"tools/list", `{"name":"x"}`, ""},
		{"tools/call", `{"name":5}`, ""},
		{"tools/call", `["name"]`, ""},
		{"tools/call", `null`, ""},
	} {
		m := parse(t, `{"id":1,"method":"`+c.method+`","params":`+c.params+`}`)
		if got := m.Name(); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.method, c.params, got, c.want)
		}
	}
	if m := parse(t, `{"id":1,"method":"tools/call"}`); m.Name() != "" {
		t.Errorf("a call without params names %q", m.Name())
	}
}

func TestProtocolVersionOfBothEras(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}`, "2025-11-25"},
		{`{"id":1,"result":{"protocolVersion":"2025-06-18","serverInfo":{"name":"s"}}}`, "2025-06-18"},
		{`{"id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`, "2026-07-28"},
		{`{"id":1,"result":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"},"tools":[]}}`, "2026-07-28"},
		{`{"id":1,"method":"tools/list","params":{"protocolVersion":"2025-11-25"}}`, ""},
		{`{"id":1,"method":"initialize","params":{"protocolVersion":7}}`, ""},
	} {
		m := parse(t, c.in)
		if got := m.ProtocolVersion(); got != c.want {
			t.Errorf("%s: %q, want %q", c.in, got, c.want)
		}
	}
}
