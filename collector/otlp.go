package collector

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mcpwatch/mcpwatch/collector/format"
)

// The media types of OTLP over HTTP (OTLP specification 1.x, "OTLP/HTTP").
const (
	typeProtobuf = "application/x-protobuf"
	typeJSON     = "application/json"
)

// telemetry takes a request of OTLP over HTTP.
func (c *Collector) telemetry(signal format.Signal) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		encoding, err := encodingOf(r)
		var receipt Receipt
		if err == nil {
			receipt, err = c.take(r, func(b *batch, body []byte) error { return b.telemetry(signal, encoding, body) })
		}
		if err != nil {
			f := c.failed(err)
			f.headers(w)
			answerOTLP(w, f.code, encoding, f.encode(encoding))
			return
		}
		c.succeeded(http.StatusOK)
		answerOTLP(w, http.StatusOK, encoding, receipt.partial(signal).encode(encoding))
	}
}

// encodingOf is that of a request, and of the answer. Of a type that is not taken it is JSON.
func encodingOf(r *http.Request) (format.Encoding, error) {
	switch kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind {
	case typeProtobuf:
		return format.Protobuf, nil
	case typeJSON:
		return format.JSON, nil
	}
	return format.JSON, &failure{code: http.StatusUnsupportedMediaType, reason: "Content-Type must be " + typeProtobuf + " or " + typeJSON}
}

func answerOTLP(w http.ResponseWriter, code int, e format.Encoding, body []byte) {
	w.Header().Set("Content-Type", typeProtobuf)
	if e == format.JSON {
		w.Header().Set("Content-Type", typeJSON)
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

// telemetry adds what a request of OTLP tells of. One that cannot be read is kept as a dead letter,
// since its sender throws it away when it is told.
func (b *batch) telemetry(signal format.Signal, e format.Encoding, body []byte) error {
	b.format = format.OTLP // of what is refused
	t, err := format.ReadTelemetry(signal, e, body)
	switch {
	case errors.Is(err, format.ErrOTLPTooLarge):
		return &failure{code: http.StatusRequestEntityTooLarge, reason: err.Error() + "; send smaller batches"}
	case err != nil:
		return b.unreadable(body, err)
	case t.Len() > b.collector.o.Lines:
		return b.collector.tooMany()
	}
	if err := b.charge(t.Len(), len(body)); err != nil {
		return err
	}
	reader := format.NewReader(format.OTLP, b.collector.o.Limits)
	for i := range t.Len() {
		events, err := reader.ReadPart(t, i)
		if err != nil {
			if err := b.refuse(i, t.Part(i), err); err != nil {
				return err
			}
			continue
		}
		if err := b.take(line{}, events, reader); err != nil {
			if err := b.refuseField(i, t.Part(i), err); err != nil {
				return err
			}
			continue
		}
		b.told(events)
	}
	return nil
}

func (b *batch) unreadable(body []byte, err error) error {
	if err := b.charge(1, len(body)); err != nil {
		return err
	}
	if err := b.refuse(0, body, err); err != nil {
		return err
	}
	return &failure{code: http.StatusBadRequest, reason: "the body " + err.Error() + "; it is kept as a dead letter", kept: true}
}

// partial says what of a request was refused: an ExportTracePartialSuccess or ExportLogsPartialSuccess.
type partial struct {
	signal   format.Signal
	rejected int
	message  string
}

// firstReasons is how many refusals an answer explains.
const firstReasons = 3

func (r *Receipt) partial(signal format.Signal) partial {
	p := partial{signal: signal, rejected: r.RefusedCount}
	if p.rejected == 0 {
		return p
	}
	var reasons []string
	for _, refusal := range r.Refused[:min(len(r.Refused), firstReasons)] {
		reasons = append(reasons, fmt.Sprintf("%d: %s %s", refusal.Index, refusal.Field, refusal.Reason))
	}
	p.message = "kept as dead letters, counted from 0: " + strings.Join(reasons, "; ")
	return p
}

// encode writes an ExportTraceServiceResponse or ExportLogsServiceResponse: both have the partial
// success in field 1, and that what was rejected in field 1 and why in field 2. Their packages would
// bring a second HTTP server into the program.
func (p partial) encode(e format.Encoding) []byte {
	if e == format.JSON {
		return p.encodeJSON()
	}
	if p.rejected == 0 {
		return []byte{}
	}
	inner := protowire.AppendTag(nil, 1, protowire.VarintType)
	inner = protowire.AppendVarint(inner, uint64(p.rejected))
	inner = protowire.AppendTag(inner, 2, protowire.BytesType)
	inner = protowire.AppendString(inner, p.message)
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), inner)
}

func (p partial) encodeJSON() []byte {
	if p.rejected == 0 {
		return []byte("{}")
	}
	name := "rejectedSpans"
	if p.signal == format.Logs {
		name = "rejectedLogRecords"
	}
	// JSON of protobuf writes numbers of 64 bits as texts.
	body, err := json.Marshal(map[string]any{"partialSuccess": map[string]string{name: fmt.Sprint(p.rejected), "errorMessage": p.message}}, json.Deterministic(true))
	if err != nil {
		return []byte("{}")
	}
	return body
}

// status is a failure as google.rpc.Status. A sender tries again what is UNAVAILABLE, and what is
// RESOURCE_EXHAUSTED where it is told when.
func (f *failure) status() *grpcstatus.Status {
	code, known := map[int]codes.Code{
		http.StatusBadRequest:            codes.InvalidArgument,
		http.StatusUnauthorized:          codes.Unauthenticated,
		http.StatusRequestEntityTooLarge: codes.ResourceExhausted,
		http.StatusUnsupportedMediaType:  codes.Unimplemented,
		http.StatusTooManyRequests:       codes.ResourceExhausted,
		http.StatusServiceUnavailable:    codes.Unavailable,
	}[f.code]
	if !known {
		code = codes.Internal
	}
	s := grpcstatus.New(code, f.reason)
	if f.retryAfter > 0 {
		if detailed, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(f.retryAfter)}); err == nil {
			return detailed
		}
	}
	return s
}

func (f *failure) encode(e format.Encoding) []byte {
	encode := proto.Marshal
	if e == format.JSON {
		encode = protojson.Marshal
	}
	body, err := encode(f.status().Proto())
	if err != nil {
		return nil
	}
	return body
}
