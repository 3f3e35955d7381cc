package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/event"
	embedded "github.com/mcpwatch/mcpwatch/internal/embedded/kafka"
)

// TestACollectorTakesSpansOverGRPC sends a span to a collector's second listener, as an SDK does.
func TestACollectorTakesSpansOverGRPC(t *testing.T) {
	broker, err := embedded.Start(embedded.Options{Listen: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	credentials := filepath.Join(t.TempDir(), "credentials.yaml")
	if err := os.WriteFile(credentials, fmt.Appendf(nil, "tokens:\n  - {tenant: acme, source: gateway, sha256: \"%x\"}\n", credential.HashOf("secret")), 0o600); err != nil {
		t.Fatal(err)
	}
	intake := start(t, nil, "collector", "--no-redaction", "--kafka="+broker.Addr(), "--listen=127.0.0.1:0", "--otlp-grpc=127.0.0.1:0", "--credentials="+credentials)
	addressOf(t, intake)
	var up struct {
		GRPC string `json:"otlp_grpc"`
	}
	for line := range strings.Lines(intake.stderr.String()) {
		if err := json.Unmarshal([]byte(line), &up); err == nil && up.GRPC != "" {
			break
		}
	}
	exporter, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(up.GRPC), otlptracegrpc.WithInsecure(),
		otlptracegrpc.WithHeaders(map[string]string{"authorization": "Bearer secret"}))
	if err != nil {
		t.Fatal(err)
	}
	tracer := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
	_, span := tracer.Tracer("gateway").Start(t.Context(), "tools/call echo", trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("mcp.method.name", "tools/call"), attribute.String("gen_ai.tool.name", "echo")))
	span.End()
	if err := tracer.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	var seen []event.Event
	eventually(t, "a call and its answer", func() (bool, string) {
		seen = eventsIn(t, broker.Addr())
		return len(seen) == 2, fmt.Sprint(len(seen))
	})
	for _, e := range seen {
		if e.Tenant != "acme" || e.Source.Name != "gateway" || e.Source.Format != "otlp" {
			t.Errorf("%+v", e.Source)
		}
	}
}
