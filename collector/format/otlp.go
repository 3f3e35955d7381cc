package format

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mcpwatch/mcpwatch/event"
)

// Signal is what a request of OTLP exports.
type Signal uint8

// The signals that can be read.
const (
	Traces Signal = iota + 1
	Logs
)

// Encoding is how a request of OTLP is written.
type Encoding uint8

// The encodings of OTLP.
const (
	Protobuf Encoding = iota
	JSON
)

// maxOTLPMessages bounds the messages of protobuf in one request, each of which can be two bytes long
// and needs a hundred in memory.
const maxOTLPMessages = 1 << 19

// ErrOTLPTooLarge says that a request holds more than is read at once.
var ErrOTLPTooLarge = fmt.Errorf("over %d values in one request", maxOTLPMessages)

// Telemetry is a request of OTLP, taken apart. Its parts are its spans or log records.
type Telemetry struct {
	parts  []part
	mended bool // it was no valid Unicode
}

// part is a span or a log record, and where it comes from.
type part struct {
	resource *resourcepb.Resource
	scope    *commonpb.InstrumentationScope
	span     *tracepb.Span
	log      *logspb.LogRecord
	call     *otlpCall // nil where the attributes tell of no message
	repeated bool      // by another span of the request
}

// ReadTelemetry takes a request to export apart. It is ErrOTLPTooLarge where it holds too much.
func ReadTelemetry(s Signal, e Encoding, body []byte) (*Telemetry, error) {
	var traces tracepb.TracesData
	var logs logspb.LogsData
	request := proto.Message(&traces)
	if s == Logs {
		request = &logs
	}
	t := new(Telemetry)
	if e == JSON {
		body, t.mended = event.Mend(body)
	}
	if err := unmarshal(e, body, request); err != nil {
		return nil, err
	}
	for _, of := range traces.GetResourceSpans() {
		for _, in := range of.GetScopeSpans() {
			for _, span := range in.GetSpans() {
				t.add(part{resource: of.GetResource(), scope: in.GetScope(), span: span}, e, &span.TraceId, &span.SpanId, &span.ParentSpanId)
			}
		}
	}
	for _, of := range logs.GetResourceLogs() {
		for _, in := range of.GetScopeLogs() {
			for _, record := range in.GetLogRecords() {
				t.add(part{resource: of.GetResource(), scope: in.GetScope(), log: record}, e, &record.TraceId, &record.SpanId)
			}
		}
	}
	t.findRepeated()
	return t, nil
}

// add adds a part. OTLP/JSON writes ids in hex, where JSON of protobuf has base64: hex of whole bytes
// in fours is base64 as well, and encoding what was read of it gives it back.
func (t *Telemetry) add(p part, e Encoding, ids ...*[]byte) {
	for _, id := range ids {
		if e == JSON {
			decoded, err := hex.DecodeString(base64.StdEncoding.EncodeToString(*id))
			if err != nil {
				decoded = nil
			}
			*id = decoded
		}
	}
	p.call = callOf(&p)
	t.parts = append(t.parts, p)
}

func unmarshal(e Encoding, body []byte, into proto.Message) error {
	if e == JSON {
		if objects(body) > maxOTLPMessages {
			return ErrOTLPTooLarge
		}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, into); err != nil {
			return &event.FieldError{Reason: "is no OTLP/JSON"}
		}
		return nil
	}
	if messages(into.ProtoReflect().Descriptor(), body, 0, 0) > maxOTLPMessages {
		return ErrOTLPTooLarge
	}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, into); err != nil {
		return &event.FieldError{Reason: "is no OTLP in protobuf"}
	}
	return nil
}

// objects counts the objects of JSON.
func objects(body []byte) int {
	n, text := 0, false
	for i := 0; i < len(body); i++ {
		switch {
		case text && body[i] == '\\':
			i++
		case body[i] == '"':
			text = !text
		case !text && body[i] == '{':
			n++
		}
	}
	return n
}

// messages adds to n the messages in one of protobuf, as far as it can be read. It stops past the
// bound, and goes no deeper than protobuf does.
func messages(kind protoreflect.MessageDescriptor, body []byte, n, depth int) int {
	for len(body) > 0 && n <= maxOTLPMessages && depth <= protowire.DefaultRecursionLimit {
		number, wire, size := protowire.ConsumeTag(body)
		if size < 0 {
			return n
		}
		body = body[size:]
		if size = protowire.ConsumeFieldValue(number, wire, body); size < 0 {
			return n
		}
		if field := kind.Fields().ByNumber(number); field != nil && field.Message() != nil && wire == protowire.BytesType {
			inner, _ := protowire.ConsumeBytes(body)
			n = messages(field.Message(), inner, n+1, depth+1)
		}
		body = body[size:]
	}
	return n
}

// Len counts the parts.
func (t *Telemetry) Len() int { return len(t.parts) }

// Part writes one part as a request of its own, a record of the format OTLP.
func (t *Telemetry) Part(n int) []byte {
	p := &t.parts[n]
	var request proto.Message
	switch {
	case p.span != nil:
		span := proto.CloneOf(p.span)
		asBase64(&span.TraceId, &span.SpanId, &span.ParentSpanId)
		for _, link := range span.GetLinks() {
			asBase64(&link.TraceId, &link.SpanId)
		}
		request = &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
			Resource: p.resource, ScopeSpans: []*tracepb.ScopeSpans{{Scope: p.scope, Spans: []*tracepb.Span{span}}},
		}}}
	default:
		record := proto.CloneOf(p.log)
		asBase64(&record.TraceId, &record.SpanId)
		request = &logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{
			Resource: p.resource, ScopeLogs: []*logspb.ScopeLogs{{Scope: p.scope, LogRecords: []*logspb.LogRecord{record}}},
		}}}
	}
	data, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(request)
	if err != nil {
		return nil // what was read can be written
	}
	return data
}

// asBase64 makes ids whose base64 is what OTLP/JSON writes of them (see add).
func asBase64(ids ...*[]byte) {
	for _, id := range ids {
		*id, _ = base64.StdEncoding.DecodeString(hex.EncodeToString(*id))
	}
}

// ReadPart reads one part of a request, as Read does a record: it may hold no event, one, or a call
// and its answer. The error is an *event.FieldError.
func (r *Reader) ReadPart(t *Telemetry, n int) ([]event.Event, error) {
	r.begin(nil)
	r.spec, _ = specOf(OTLP)
	r.mended = t.mended
	if err := r.readPart(&t.parts[n]); err != nil {
		return nil, err
	}
	if len(r.made) > 0 && r.made[0].ID == "" {
		r.record = t.parts[n].identify()
	}
	return r.end()
}

func (r *Reader) readPart(p *part) error {
	switch {
	case p.call != nil:
		if p.repeated {
			return nil
		}
		return r.readCall(p)
	case p.log != nil:
		return r.readLog(p)
	}
	return nil
}

// beginsOTLP reports whether JSON begins as a request of OTLP does.
func beginsOTLP(record []byte) bool {
	_, found := signalOf(record)
	return found
}

// signalOf tells what a request in JSON exports by its first member; 0 is what tells of no MCP.
func signalOf(record []byte) (s Signal, found bool) {
	inner, found := bytes.CutPrefix(record, []byte("{"))
	if !found {
		return 0, false
	}
	inner = bytes.TrimLeft(inner, " \t\r\n")
	for _, known := range []struct {
		name   string
		signal Signal
	}{{`"resourceSpans"`, Traces}, {`"resourceLogs"`, Logs}, {`"resourceMetrics"`, 0}, {`"resourceProfiles"`, 0}} {
		if bytes.HasPrefix(inner, []byte(known.name)) {
			return known.signal, true
		}
	}
	return 0, false
}

// readOTLP reads a request in JSON.
func (r *Reader) readOTLP(record []byte) error {
	signal, found := signalOf(record)
	if !found {
		return &event.FieldError{Reason: "is no request of OTLP"}
	}
	if signal == 0 {
		return nil
	}
	t, err := ReadTelemetry(signal, JSON, record)
	if err != nil {
		if errors.Is(err, ErrOTLPTooLarge) {
			err = &event.FieldError{Reason: err.Error()}
		}
		return err
	}
	var refused int
	r.spec, _ = specOf(OTLP)
	r.mended = t.mended
	for i := range t.parts {
		before, requests := len(r.made), len(r.requests)
		err := r.readPart(&t.parts[i])
		for n := before; n < len(r.made) && err == nil; n++ {
			err = r.made[n].Bound()
		}
		if err != nil {
			r.made, r.requests = r.made[:before], r.requests[:requests]
			if refused++; refused == 1 {
				r.unread = err
			}
		}
	}
	if refused > 0 {
		r.unread = &event.FieldError{Reason: fmt.Sprintf("%d of %d parts cannot be read, the first because %v", refused, len(t.parts), r.unread)}
	}
	return nil
}
