package collector_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/mcpwatch/mcpwatch/collector"
	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// spansOf is a request of spans of tools/call, one for each text of arguments.
func spansOf(arguments ...string) *coltracepb.ExportTraceServiceRequest {
	var spans []*tracepb.Span
	for i, a := range arguments {
		spans = append(spans, &tracepb.Span{
			TraceId: bytes.Repeat([]byte{7}, 16), SpanId: []byte{1, 2, 3, 4, 5, 6, 7, byte(i)}, Kind: tracepb.Span_SPAN_KIND_SERVER,
			StartTimeUnixNano: 1795340000000000000, EndTimeUnixNano: 1795340000001000000,
			Attributes: []*commonpb.KeyValue{textAttribute("mcp.method.name", "tools/call"), textAttribute("gen_ai.tool.call.arguments", a)},
		})
	}
	return &coltracepb.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}}}}}
}

func logsOf(bodies ...string) *collogspb.ExportLogsServiceRequest {
	var records []*logspb.LogRecord
	for _, body := range bodies {
		records = append(records, &logspb.LogRecord{
			TimeUnixNano: 1795340000000000000, Body: textAttribute("", body).Value,
			Attributes: []*commonpb.KeyValue{textAttribute("app", "x")},
		})
	}
	return &collogspb.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{{LogRecords: records}}}}}
}

const aPing = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

func textAttribute(name, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: name, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

func encoded(t *testing.T, m proto.Message) []byte {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const (
	inProtobuf = "application/x-protobuf"
	inJSON     = "application/json"
)

// export posts a request of OTLP, which is protobuf.
func (s *site) export(path, contentType string, body []byte, header ...string) answer {
	s.t.Helper()
	return s.do(http.MethodPost, path, bytes.NewReader(body), append([]string{"Authorization", "Bearer " + token, "Content-Type", contentType}, header...)...)
}

// read takes an answer's body apart, in the encoding that it says it has.
func (a answer) read(t *testing.T, into proto.Message) {
	t.Helper()
	unmarshal := proto.Unmarshal
	if a.header.Get("Content-Type") == inJSON {
		unmarshal = protojson.Unmarshal
	}
	if err := unmarshal([]byte(a.body), into); err != nil {
		t.Errorf("%d %s %q: %v", a.code, a.header.Get("Content-Type"), a.body, err)
	}
}

// recorded makes spans and logs with the SDK, as an agent would, and gives them to exporters.
func recorded(t *testing.T, spans sdktrace.SpanExporter, logs sdklog.Exporter) {
	t.Helper()
	of := resource.NewSchemaless(attribute.String("service.name", "planner"), attribute.String("host.name", "desk-7"))
	tracer := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithResource(of))
	_, span := tracer.Tracer("mcp").Start(t.Context(), "tools/call lookup", trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(time.Unix(1795340000, 0)),
		trace.WithAttributes(attribute.String("mcp.method.name", "tools/call"), attribute.String("gen_ai.tool.name", "lookup"), attribute.String("jsonrpc.request.id", "7")))
	span.End(trace.WithTimestamp(time.Unix(1795340001, 0)))
	_, other := tracer.Tracer("http").Start(t.Context(), "GET /")
	other.End()
	logger := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(logs)), sdklog.WithResource(of))
	var record log.Record
	record.SetTimestamp(time.Unix(1795340002, 0))
	record.SetBody(attribute.StringValue(`{"jsonrpc":"2.0","method":"notifications/initialized"}`))
	logger.Logger("mcp").Emit(t.Context(), record)
	if err := errors.Join(tracer.Shutdown(t.Context()), logger.Shutdown(t.Context())); err != nil {
		t.Error(err)
	}
}

// wantRecorded holds that what recorded made is there.
func (s *site) wantRecorded() {
	s.t.Helper()
	var messages []string
	for _, e := range s.events(3) {
		messages = append(messages, string(e.Message))
		if e.Tenant != "acme" || e.Source.Name != "laptops" || e.Source.Format == "otlp" && (e.Actor != "agent:desk-7/planner" || e.Agent.Host != "desk-7") {
			s.t.Errorf("actor %q, agent %+v, source %+v", e.Actor, e.Agent, e.Source)
		}
	}
	slices.Sort(messages)
	if want := []string{
		`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"lookup"}}`,
		`{"jsonrpc":"2.0","id":7,"result":{"content":[]}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
	}; !slices.Equal(messages, want) {
		s.t.Errorf("%q", messages)
	}
}

func TestOTLPExportersOverHTTPAreUnderstood(t *testing.T) {
	s := start(t, nil)
	header := map[string]string{"Authorization": "Bearer " + token}
	spans, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(s.url+"/v1/traces"), otlptracehttp.WithHeaders(header), otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	if err != nil {
		t.Fatal(err)
	}
	logs, err := otlploghttp.New(t.Context(), otlploghttp.WithEndpointURL(s.url+"/v1/logs"), otlploghttp.WithHeaders(header))
	if err != nil {
		t.Fatal(err)
	}
	recorded(t, spans, logs)
	s.wantRecorded()
	if a := s.do(http.MethodGet, "/metrics", nil); !strings.Contains(a.body, `mcpwatch_collector_events_total{result="nothing"} 1`) {
		t.Error("the span that is no MCP is not counted")
	}
}

func TestARetriedExportIsTheSameEvents(t *testing.T) {
	s := start(t, nil)
	spans, logs := encoded(t, spansOf("a=1", "b=2")), encoded(t, logsOf(aPing, aPing))
	for range 2 {
		s.export("/v1/traces", inProtobuf, spans).want(t, http.StatusOK)
		s.export("/v1/logs", inProtobuf, logs).want(t, http.StatusOK)
	}
	times := map[string]int{}
	for _, e := range s.events(12) {
		times[e.ID]++
	}
	for id, n := range times {
		if n != 2 || len(times) != 6 {
			t.Errorf("%s came %d times of %d", id, n, len(times))
		}
	}
}

func TestWhatIsRefusedOfAnExportIsSaidAndKept(t *testing.T) {
	s := start(t, nil)
	long := strings.Repeat("x", 1<<20)
	request := spansOf("a=1", long, "b=2")
	inner, err := protojson.Marshal(&tracepb.TracesData{ResourceSpans: spansOf("c=3", long).ResourceSpans})
	if err != nil {
		t.Fatal(err)
	}
	for contentType, body := range map[string][]byte{inProtobuf: encoded(t, request), inJSON + "; charset=utf-8": inner} {
		a := s.export("/v1/traces", contentType, body).want(t, http.StatusOK)
		var response coltracepb.ExportTraceServiceResponse
		a.read(t, &response)
		if p := response.GetPartialSuccess(); p.GetRejectedSpans() != 1 || !strings.Contains(p.GetErrorMessage(), "1: message over 1048576 bytes") {
			t.Errorf("%s: %v", contentType, &response)
		}
	}
	var response collogspb.ExportLogsServiceResponse
	a := s.export("/v1/logs", inProtobuf, encoded(t, logsOf(`{"id":5,"message":{},"agent":{}}`))).want(t, http.StatusOK)
	a.read(t, &response)
	if p := response.GetPartialSuccess(); p.GetRejectedLogRecords() != 1 {
		t.Errorf("%v", &response)
	}
	s.export("/v1/traces", inProtobuf, nil).want(t, http.StatusOK)

	letters := s.records(kafka.DeadLetters, 7) // three of each long one
	var first []byte
	for _, l := range letters {
		if bytes.Equal(l.Key, letters[0].Key) {
			first = append(first, l.Value...)
		}
	}
	// After a fix it can be sent in again as it is: here only its size is wrong.
	again := s.do(http.MethodPost, "/v1/ingest/otlp", bytes.NewReader(first), "Authorization", "Bearer "+token).want(t, http.StatusAccepted)
	if len(again.receipt.Refused) != 1 || !strings.Contains(again.receipt.Refused[0].Reason, "1 of 1 parts cannot be read, the first because message: over 1048576 bytes") {
		t.Errorf("%+v", again.receipt)
	}
}

func TestAnExportThatIsNotTakenIsAnsweredInItsEncoding(t *testing.T) {
	s := start(t, func(o *collector.Options) { o.Lines, o.Quota = 3, credential.Quota{Events: 2} })
	body := func(n int) []byte { return encoded(t, spansOf(make([]string, n)...)) }
	for _, c := range []struct {
		name, contentType string
		body              []byte
		header            []string
		code              int
		status            codes.Code
	}{
		{"no OTLP", inProtobuf, []byte("nonsense"), nil, http.StatusBadRequest, codes.InvalidArgument},
		{"no OTLP", inJSON, []byte("nonsense"), nil, http.StatusBadRequest, codes.InvalidArgument},
		{"no gzip", inProtobuf, body(1), []string{"Content-Encoding", "gzip"}, http.StatusBadRequest, codes.InvalidArgument},
		{"another type", "text/plain", body(1), nil, http.StatusUnsupportedMediaType, codes.Unimplemented},
		{"no type", "", body(1), nil, http.StatusUnsupportedMediaType, codes.Unimplemented},
		{"no token", inProtobuf, body(1), []string{"Authorization", "Bearer x"}, http.StatusUnauthorized, codes.Unauthenticated},
		{"no token", inJSON, body(1), []string{"Authorization", ""}, http.StatusUnauthorized, codes.Unauthenticated},
		{"too many", inProtobuf, body(4), nil, http.StatusRequestEntityTooLarge, codes.ResourceExhausted},
		{"too many values", inProtobuf, bytes.Repeat([]byte{0x0a, 0}, 1<<20), nil, http.StatusRequestEntityTooLarge, codes.ResourceExhausted},
		{"too fast", inProtobuf, body(3), nil, http.StatusTooManyRequests, codes.ResourceExhausted},
	} {
		a := s.export("/v1/traces", c.contentType, c.body, c.header...)
		var status statuspb.Status
		a.read(t, &status)
		if a.code != c.code || codes.Code(status.GetCode()) != c.status || status.GetMessage() == "" {
			t.Errorf("%s as %s: %d, %v", c.name, c.contentType, a.code, &status)
		}
		if c.code == http.StatusTooManyRequests {
			a.wantRetryAfter(t)
			if len(status.GetDetails()) != 1 {
				t.Errorf("%v does not say when", &status)
			}
		}
		if c.code == http.StatusUnauthorized && a.header.Get("WWW-Authenticate") == "" {
			t.Error("no WWW-Authenticate")
		}
	}
	s.do(http.MethodGet, "/v1/traces", nil).want(t, http.StatusMethodNotAllowed)
	for _, l := range s.records(kafka.DeadLetters, 2) {
		if string(l.Value) != "nonsense" {
			t.Errorf("%q", l.Value)
		}
	}
}

func TestAnExportIsLeftWithItsSenderWhileKafkaIsAway(t *testing.T) {
	s := start(t, func(o *collector.Options) { o.Events = away{} })
	a := s.export("/v1/logs", inJSON, []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"id\":1}"}}]}]}]}`)).want(t, http.StatusServiceUnavailable)
	a.wantRetryAfter(t)
	var status statuspb.Status
	a.read(t, &status)
	if codes.Code(status.GetCode()) != codes.Unavailable {
		t.Errorf("%v", &status)
	}
}

// away is a Kafka that cannot be reached.
type away struct{}

func (away) Produce(context.Context, []kafka.Record) error { return errors.New("away") }
