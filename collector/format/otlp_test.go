package format_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/event"
)

func text(s string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}
}

// attributes are those of names and values in turn.
func attributes(namesAndValues ...string) (list []*commonpb.KeyValue) {
	for i := 0; i < len(namesAndValues); i += 2 {
		list = append(list, &commonpb.KeyValue{Key: namesAndValues[i], Value: text(namesAndValues[i+1])})
	}
	return list
}

// span is the n-th of a trace, below another where parent is not 0.
func span(n, parent byte, kind tracepb.Span_SpanKind, namesAndValues ...string) *tracepb.Span {
	s := &tracepb.Span{
		TraceId: bytes.Repeat([]byte{0xab}, 16), SpanId: []byte{1, 2, 3, 4, 5, 6, 7, n}, Kind: kind,
		StartTimeUnixNano: 1795600000000000000, EndTimeUnixNano: 1795600000250000000, Attributes: attributes(namesAndValues...),
	}
	if parent != 0 {
		s.ParentSpanId = []byte{1, 2, 3, 4, 5, 6, 7, parent}
	}
	return s
}

const (
	client   = tracepb.Span_SPAN_KIND_CLIENT
	server   = tracepb.Span_SPAN_KIND_SERVER
	internal = tracepb.Span_SPAN_KIND_INTERNAL
)

func exported(spans ...*tracepb.Span) *tracepb.TracesData {
	return &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   &resourcepb.Resource{Attributes: attributes("service.name", "files")},
		ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}},
	}}}
}

func telemetry(t testing.TB, request proto.Message) *format.Telemetry {
	t.Helper()
	body, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	signal := format.Traces
	if _, isLogs := request.(*logspb.LogsData); isLogs {
		signal = format.Logs
	}
	read, err := format.ReadTelemetry(signal, format.Protobuf, body)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// one reads a request of one span.
func one(t testing.TB, s *tracepb.Span) ([]event.Event, error) {
	t.Helper()
	return format.NewReader(format.OTLP, event.DefaultLimits()).ReadPart(telemetry(t, exported(s)), 0)
}

func TestArgumentsOfASpanAreAnObjectHoweverTheyAreWritten(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"path":"/etc/hosts"}`, `{"path":"/etc/hosts"}`},
		{` {"a":[1,{"b":null}]}`, `{"a":[1,{"b":null}]}`},
		{`path=/etc/hosts`, `{"path":"/etc/hosts"}`},
		{`a=1, b=x=y`, `{"a":"1","b":"x=y"}`},
		{`a=, b=2`, `{"a":"","b":"2"}`},
		{"a=first\nsecond", `{"a":"first\nsecond"}`},
		{`a=1, a=2`, `{"text":"a=1, a=2"}`}, // which of them was meant?
		{`a=1, and more`, `{"text":"a=1, and more"}`},
		{`{"broken`, `{"text":"{\"broken"}`},
		{`[1]`, `{"text":"[1]"}`},
		{``, `{"text":""}`},
		{strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200), `{"text":"` + strings.Repeat(`{\"a\":`, 200) + "1" + strings.Repeat("}", 200) + `"}`},
	} {
		events, err := one(t, span(1, 0, server, "mcp.method.name", "tools/call", "gen_ai.tool.name", "x", "gen_ai.tool.call.arguments", c.in))
		if err != nil || len(events) != 2 || string(events[1].Request.Arguments) != c.want {
			t.Errorf("%.60q: %v, %v; want %.60s", c.in, events, err, c.want)
		}
	}
}

func TestAnAnswerSaysHowTheCallWent(t *testing.T) {
	call := func(more ...string) []string {
		return append([]string{"mcp.method.name", "tools/call", "jsonrpc.request.id", "1"}, more...)
	}
	for _, c := range []struct {
		attributes []string
		status     *tracepb.Status
		want       string
	}{
		{call(), nil, `"result":{"content":[]}`},
		{call("error.type", "tool_error"), &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: "no such file"}, `"result":{"content":[{"type":"text","text":"no such file"}],"isError":true}`},
		{call("error.type", "tool_error", "gen_ai.tool.call.result", `{}`), nil, `"result":{"isError":true}`},
		{call("error.type", "-32602"), nil, `"error":{"code":-32602,"message":"-32602"}`},
		{call("rpc.jsonrpc.error_code", "-32601", "rpc.jsonrpc.error_message", "no"), nil, `"error":{"code":-32601,"message":"no"}`},
		{call("error.type", "timeout"), nil, `"error":{"code":0,"message":"timeout"}`},
		{call("http.response.status_code", "401"), nil, `"error":{"code":401,"message":"HTTP 401"}`},
		{call("success", "false"), nil, `"result":{"content":[],"isError":true}`},
		{call(), &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}, `"error":{"code":0,"message":"failed"}`},
		{call("gen_ai.tool.call.result", "plain"), nil, `"result":{"content":[{"type":"text","text":"plain"}]}`},
		{call("gen_ai.tool.call.result", `{"content":[]}`), nil, `"result":{"content":[]}`},
		{[]string{"mcp.method", "tools/list"}, nil, `"result":{}`},
	} {
		s := span(1, 0, server, c.attributes...)
		s.Status = c.status
		events, err := one(t, s)
		if err != nil || len(events) != 2 || !strings.HasSuffix(string(events[1].Message), ","+c.want+"}") {
			t.Errorf("%v: %+v, %v; want %s", c.attributes, events, err, c.want)
		}
	}
}

func TestNewNamesCountBeforeOldOnes(t *testing.T) {
	for _, names := range [][]string{
		{"mcp.method", "tools/list", "mcp.method.name", "tools/call"},
		{"mcp.method.name", "tools/call", "mcp.method", "tools/list"},
	} {
		events, err := one(t, span(1, 0, server, names...))
		if err != nil || !bytes.Contains(events[0].Message, []byte("tools/call")) {
			t.Errorf("%v: %+v, %v", names, events, err)
		}
	}
}

func TestACallThatTwoSpansTellOfIsOne(t *testing.T) {
	lookup := []string{"mcp.method.name", "tools/call", "gen_ai.tool.name", "lookup", "jsonrpc.request.id", "5"}
	other := []string{"mcp.method.name", "tools/call", "gen_ai.tool.name", "other", "jsonrpc.request.id", "5"}
	executed := []string{"gen_ai.operation.name", "execute_tool", "gen_ai.tool.name", "lookup"}
	for _, c := range []struct {
		name  string
		spans []*tracepb.Span
		calls []byte // whose spans make events
	}{
		{"client and server", []*tracepb.Span{span(1, 0, client, lookup...), span(2, 1, server, lookup...)}, []byte{2}},
		{"the server's first", []*tracepb.Span{span(2, 1, server, lookup...), span(1, 0, client, lookup...)}, []byte{2}},
		{"HTTP between them", []*tracepb.Span{span(1, 0, client, lookup...), span(3, 1, client), span(2, 3, server, lookup...)}, []byte{2}},
		{"the client's alone", []*tracepb.Span{span(1, 0, client, lookup...)}, []byte{1}},
		{"an agent's, the client's and the server's", []*tracepb.Span{span(1, 0, internal, executed...), span(2, 1, client, lookup...), span(3, 2, server, lookup...)}, []byte{3}},
		{"another tool beneath", []*tracepb.Span{span(1, 0, client, lookup...), span(2, 1, server, other...)}, []byte{1, 2}},
		{"a server that calls on", []*tracepb.Span{span(1, 0, server, lookup...), span(2, 1, client, lookup...)}, []byte{1, 2}},
		{"its own parent", []*tracepb.Span{span(1, 1, client, lookup...)}, []byte{1}},
		{"a ring", []*tracepb.Span{span(1, 2, client), span(2, 1, client)}, nil},
	} {
		read, r := telemetry(t, exported(c.spans...)), format.NewReader(format.OTLP, event.DefaultLimits())
		var calls []byte
		for i := range read.Len() {
			events, err := r.ReadPart(read, i)
			if err != nil {
				t.Fatal(err)
			}
			if len(events) > 0 {
				calls = append(calls, c.spans[i].SpanId[7])
				if asked := c.spans[i].Kind != server; events[0].HasMark("client_span") != asked {
					t.Errorf("%s: marks %v", c.name, events[0].Marks)
				}
			}
		}
		if !bytes.Equal(calls, c.calls) {
			t.Errorf("%s: events of %v, want %v", c.name, calls, c.calls)
		}
	}
}

func TestWhatIsTooLargeOrDeepIsRefusedAndItsNeighboursAreNot(t *testing.T) {
	deep := text("x")
	for range 200 {
		deep = &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{deep}}}}
	}
	nested := span(2, 0, server, "mcp.method.name", "tools/call")
	nested.Attributes = append(nested.Attributes, &commonpb.KeyValue{Key: "gen_ai.tool.call.arguments", Value: deep})
	read := telemetry(t, exported(
		span(1, 0, server, "mcp.method.name", "tools/call", "gen_ai.tool.call.arguments", strings.Repeat("x", 1<<20)),
		nested,
		span(3, 0, server, "mcp.method.name", "ping"),
	))
	r := format.NewReader(format.OTLP, event.DefaultLimits())
	for i, reason := range []string{"over 1048576 bytes", "nesting"} {
		_, err := r.ReadPart(read, i)
		if field, ok := errors.AsType[*event.FieldError](err); !ok || !strings.Contains(field.Reason, reason) {
			t.Errorf("part %d: %v, want %s", i, err, reason)
		}
	}
	if events, err := r.ReadPart(read, 2); err != nil || len(events) != 2 {
		t.Errorf("%v, %v", events, err)
	}

	// Of a file, the parts that can be read come with the error.
	line, err := protojson.Marshal(exported(
		span(1, 0, server, "mcp.method.name", "tools/call", "gen_ai.tool.call.arguments", strings.Repeat("x", 1<<20)),
		span(3, 0, server, "mcp.method.name", "ping"),
	))
	if err != nil {
		t.Fatal(err)
	}
	events, err := format.NewReader("", event.DefaultLimits()).Read(line)
	if err == nil || !strings.Contains(err.Error(), "1 of 2 parts") || len(events) != 2 {
		t.Errorf("%d events, %v", len(events), err)
	}
}

// TestAPartIsARecordOfItsOwn: what is kept as a dead letter can be read again.
func TestAPartIsARecordOfItsOwn(t *testing.T) {
	in, err := os.ReadFile("testdata/otlp.in")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(in) {
		for signal, name := range map[format.Signal]string{format.Traces: "resourceSpans", format.Logs: "resourceLogs"} {
			if !bytes.Contains(line, []byte(name)) {
				continue
			}
			read, err := format.ReadTelemetry(signal, format.JSON, line)
			if err != nil || read.Len() == 0 {
				t.Fatal(err)
			}
			for i := range read.Len() {
				alone, err := format.ReadTelemetry(signal, format.JSON, read.Part(i))
				if err != nil || alone.Len() != 1 {
					t.Fatalf("%v: %s", err, read.Part(i))
				}
				if got, want := toldOf(t, alone, 0), toldOf(t, read, i); got != want && want != "" { // "": another span tells of it
					t.Errorf("alone\n%s\nwith the others\n%s", got, want)
				}
			}
		}
	}
}

func toldOf(t testing.TB, read *format.Telemetry, n int) string {
	t.Helper()
	r := format.NewReader(format.OTLP, event.DefaultLimits())
	events, err := r.ReadPart(read, n)
	if err != nil {
		return "refused: " + err.Error()
	}
	var told []byte
	for i := range events {
		if told, err = event.Encode(told, &events[i]); err != nil {
			t.Fatal(err)
		}
		told = append(told, '\n')
		if events[i].ID == "" {
			told = append(told, event.DeriveID(event.Origin{}, r.Raw(i), 0)...)
		}
	}
	return string(told)
}

// TestBothEncodingsSayTheSame: ids are bytes in protobuf, hex in OTLP/JSON and base64 in JSON of protobuf.
func TestBothEncodingsSayTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := span(byte(rapid.IntRange(1, 255).Draw(t, "span")), byte(rapid.IntRange(0, 255).Draw(t, "parent")), server, "mcp.method.name",
			rapid.SampledFrom([]string{"tools/call", "ping", "notifications/initialized", "resources/read"}).Draw(t, "method"))
		s.TraceId = rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "trace")
		for name, value := range rapid.MapOf(rapid.SampledFrom([]string{
			"gen_ai.tool.name", "jsonrpc.request.id", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "mcp.session.id", "error.type", "user.id",
		}), rapid.String()).Draw(t, "attributes") {
			s.Attributes = append(s.Attributes, attributes(name, strings.ToValidUTF8(value, "?"))...)
		}
		body, err := proto.Marshal(exported(s))
		if err != nil {
			t.Fatal(err)
		}
		first, err := format.ReadTelemetry(format.Traces, format.Protobuf, body)
		if err != nil {
			t.Fatal(err)
		}
		second, err := format.ReadTelemetry(format.Traces, format.JSON, first.Part(0))
		if err != nil {
			t.Fatal(err)
		}
		r := format.NewReader(format.OTLP, event.DefaultLimits())
		told := func(of *format.Telemetry) string {
			events, err := r.ReadPart(of, 0)
			if err != nil {
				return err.Error()
			}
			var all []byte
			for i := range events {
				all, _ = event.Encode(all, &events[i])
			}
			return string(all)
		}
		if a, b := told(first), told(second); a != b || !strings.Contains(a, fmt.Sprintf("otlp-%x-%x-request", s.TraceId, s.SpanId)) {
			t.Fatalf("protobuf\n%s\nJSON\n%s", a, b)
		}
	})
}

func TestARequestOfCountlessValuesIsNotDecoded(t *testing.T) {
	inJSON := []byte(`{"resourceSpans":[` + strings.Repeat(`{},`, 1<<20) + `{}]}`)
	inProtobuf := bytes.Repeat([]byte{0x0a, 0}, 1<<20)
	for e, body := range map[format.Encoding][]byte{format.JSON: inJSON, format.Protobuf: inProtobuf} {
		for _, s := range []format.Signal{format.Traces, format.Logs} {
			if _, err := format.ReadTelemetry(s, e, body); s == format.Traces && !errors.Is(err, format.ErrOTLPTooLarge) {
				t.Errorf("encoding %d: %v", e, err)
			}
		}
	}
	// Braces in a text are no values.
	braces := strings.Repeat(`{\"`, 1<<19)
	if _, err := format.ReadTelemetry(format.Logs, format.JSON, []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"`+braces+`"}}]}]}]}`)); err != nil {
		t.Error(err)
	}
	deep := []byte{}
	for range 50_000 { // an AnyValue of an ArrayValue of an AnyValue …
		deep = append([]byte{0x0a}, append(varint(len(deep)), deep...)...)
		if len(deep) > 1<<16 {
			break
		}
	}
	if _, err := format.ReadTelemetry(format.Traces, format.Protobuf, deep); err == nil {
		t.Error("what is no OTLP was read")
	}
}

func varint(n int) (v []byte) {
	for ; n >= 0x80; n >>= 7 {
		v = append(v, byte(n)|0x80)
	}
	return append(v, byte(n))
}

func TestInvalidUnicodeInOTLPIsMended(t *testing.T) {
	in := []byte("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"attributes\":[{\"key\":\"mcp.method.name\",\"value\":{\"stringValue\":\"tools/call\"}},{\"key\":\"gen_ai.tool.name\",\"value\":{\"stringValue\":\"a\xff\"}}]}]}]}]}")
	events, err := format.NewReader(format.OTLP, event.DefaultLimits()).Read(in)
	if err != nil || len(events) != 2 || !events[0].HasMark("invalid_utf8") || events[1].Request.Name != "a\ufffd" {
		t.Errorf("%+v, %v", events, err)
	}
}

func TestLogRecordsHaveIDsOfTheirContent(t *testing.T) {
	record := &logspb.LogRecord{TimeUnixNano: 1, Body: text(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)}
	logs := func(service string) *format.Telemetry {
		return telemetry(t, &logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{
			Resource:  &resourcepb.Resource{Attributes: attributes("service.name", service)},
			ScopeLogs: []*logspb.ScopeLogs{{LogRecords: []*logspb.LogRecord{record}}},
		}}})
	}
	a, again, b := toldOf(t, logs("a"), 0), toldOf(t, logs("a"), 0), toldOf(t, logs("b"), 0)
	if a != again || a[len(a)-26:] == b[len(b)-26:] {
		t.Errorf("%s\n%s\n%s", a, again, b)
	}
}

func FuzzReadTelemetry(f *testing.F) {
	in, err := os.ReadFile("testdata/otlp.in")
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.Lines(in) {
		f.Add(uint8(0), line)
		f.Add(uint8(1), line)
		if read, err := format.ReadTelemetry(format.Traces, format.JSON, line); err == nil && read.Len() > 0 {
			f.Add(uint8(0), read.Part(0))
		}
	}
	body, err := proto.Marshal(exported(span(1, 0, server, "mcp.method.name", "tools/call", "gen_ai.tool.call.arguments", "a=1, b=2"), span(2, 1, client, "mcp.method", "ping")))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(2), body)
	logs, err := proto.Marshal(&logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{{LogRecords: []*logspb.LogRecord{
		{Body: text(`{"jsonrpc":"2.0","method":"ping"}`)}, {Attributes: attributes("mcp.method.name", "ping")},
	}}}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(3), logs)
	limits := event.Limits{Bytes: 1 << 16, Depth: 64}
	f.Fuzz(func(t *testing.T, how uint8, body []byte) {
		signal, encoding := format.Traces, format.JSON
		if how&1 != 0 {
			signal = format.Logs
		}
		if how&2 != 0 {
			encoding = format.Protobuf
		}
		read, err := format.ReadTelemetry(signal, encoding, body)
		if err != nil {
			return
		}
		r := format.NewReader(format.OTLP, limits)
		for i := range read.Len() {
			if _, err := format.ReadTelemetry(signal, format.JSON, read.Part(i)); err != nil {
				t.Fatalf("a part cannot be read alone: %v: %s", err, read.Part(i))
			}
			events, err := r.ReadPart(read, i)
			if err != nil {
				continue
			}
			for n := range events {
				data, err := event.Encode(nil, &events[n])
				if err != nil {
					t.Fatalf("what was read cannot be stored: %v", err)
				}
				if _, err := event.Decode(data, event.StoredLimits()); err != nil {
					t.Fatalf("what was stored cannot be read: %v: %s", err, data)
				}
			}
		}
	})
}

// BenchmarkReadTelemetry reads requests of 512 spans of tools/call, as an exporter sends them.
func BenchmarkReadTelemetry(b *testing.B) {
	var spans []*tracepb.Span
	for i := range 512 {
		s := span(byte(i), 0, server, "mcp.method.name", "tools/call", "jsonrpc.request.id", fmt.Sprint(i), "gen_ai.tool.name", "forecast",
			"gen_ai.operation.name", "execute_tool", "gen_ai.tool.call.arguments", `{"city":"Oslo","days":3}`, "mcp.session.id", "5e55-10n",
			"mcp.protocol.version", "2025-11-25", "network.transport", "tcp", "client.address", "10.1.2.3", "http.request.method", "POST",
			"url.full", "/mcp", "user_agent.original", "some-agent/2.0", "network.protocol.name", "http")
		s.SpanId[0] = byte(i >> 8)
		spans = append(spans, s)
	}
	inProtobuf, err := proto.Marshal(exported(spans...))
	if err != nil {
		b.Fatal(err)
	}
	inJSON, err := protojson.Marshal(exported(spans...))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		encoding format.Encoding
		body     []byte
	}{{"protobuf", format.Protobuf, inProtobuf}, {"json", format.JSON, inJSON}} {
		b.Run(c.name, func(b *testing.B) {
			r, events := format.NewReader(format.OTLP, event.DefaultLimits()), 0
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				read, err := format.ReadTelemetry(format.Traces, c.encoding, c.body)
				if err != nil {
					b.Fatal(err)
				}
				for i := range read.Len() {
					made, err := r.ReadPart(read, i)
					if err != nil {
						b.Fatal(err)
					}
					events += len(made)
				}
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
