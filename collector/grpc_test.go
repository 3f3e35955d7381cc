package collector_test

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/mcpwatch/mcpwatch/collector"
	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
	"github.com/mcpwatch/mcpwatch/internal/tlsfiles"
	"github.com/mcpwatch/mcpwatch/internal/tlsfiles/certtest"
)

// grpc serves OTLP over gRPC, and returns where.
func (s *site) grpc(secure *tls.Config) string {
	s.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	server, done := s.collector.GRPC(secure), make(chan error)
	go func() { done <- server.Serve(listener) }()
	s.t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	})
	return listener.Addr().String()
}

// dial returns a client of the trace service.
func (s *site) dial(address string, secure credentials.TransportCredentials) coltracepb.TraceServiceClient {
	s.t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(secure))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return coltracepb.NewTraceServiceClient(conn)
}

func authorized(t *testing.T, values ...string) context.Context {
	t.Helper()
	md := metadata.MD{}
	for _, v := range values {
		md.Append("authorization", v)
	}
	return metadata.NewOutgoingContext(t.Context(), md)
}

func TestOTLPExportersOverGRPCAreUnderstood(t *testing.T) {
	s := start(t, nil)
	address := s.grpc(nil)
	header := map[string]string{"Authorization": "Bearer " + token}
	spans, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(address), otlptracegrpc.WithInsecure(), otlptracegrpc.WithHeaders(header), otlptracegrpc.WithCompressor("gzip"))
	if err != nil {
		t.Fatal(err)
	}
	logs, err := otlploggrpc.New(t.Context(), otlploggrpc.WithEndpoint(address), otlploggrpc.WithInsecure(), otlploggrpc.WithHeaders(header))
	if err != nil {
		t.Fatal(err)
	}
	recorded(t, spans, logs)
	s.wantRecorded()
}

func TestGRPCSaysWhatIsRefused(t *testing.T) {
	s := start(t, nil)
	client := s.dial(s.grpc(nil), insecure.NewCredentials())
	response, err := client.Export(authorized(t, "Bearer "+token), spansOf("a=1", strings.Repeat("x", 1<<20)), grpc.UseCompressor(gzip.Name))
	if p := response.GetPartialSuccess(); err != nil || p.GetRejectedSpans() != 1 || !strings.Contains(p.GetErrorMessage(), "over 1048576 bytes") {
		t.Errorf("%v, %v", response, err)
	}
	s.events(2)
	s.records(kafka.DeadLetters, 3) // the parts of one
}

// wantStatus holds a failure to its code, and to saying when to try again where that is of use.
func wantStatus(t *testing.T, err error, code codes.Code, retry bool) {
	t.Helper()
	got := status.Convert(err)
	hasRetry := false
	for _, detail := range got.Details() {
		info, ok := detail.(*errdetails.RetryInfo)
		hasRetry = hasRetry || ok && info.GetRetryDelay().AsDuration() > 0
	}
	if got.Code() != code || hasRetry != retry || got.Message() == "" {
		t.Errorf("%v, says when to retry: %v; want %v, %v", err, hasRetry, code, retry)
	}
}

func TestGRPCTakesNobodyWithoutACredential(t *testing.T) {
	s := start(t, nil)
	client := s.dial(s.grpc(nil), insecure.NewCredentials())
	for _, values := range [][]string{nil, {""}, {"Bearer wrong"}, {token}, {"Bearer " + token, "Bearer " + token}} {
		_, err := client.Export(authorized(t, values...), spansOf("a=1"))
		wantStatus(t, err, codes.Unauthenticated, false)
	}
	s.events(0)
}

func TestGRPCHasTheLimitsOfHTTP(t *testing.T) {
	s := start(t, func(o *collector.Options) { o.Lines, o.Quota, o.BodyBytes = 3, credential.Quota{Events: 2}, 1<<20 })
	client := s.dial(s.grpc(nil), insecure.NewCredentials())
	send := func(arguments ...string) error {
		_, err := client.Export(authorized(t, "Bearer "+token), spansOf(arguments...))
		return err
	}
	wantStatus(t, send("", "", "", ""), codes.ResourceExhausted, false)
	wantStatus(t, send(strings.Repeat("x", 1<<20)), codes.ResourceExhausted, false)
	if err := send("", "", ""); err != nil {
		t.Error(err)
	}
}

func TestGRPCSaysWhenToTryAgain(t *testing.T) {
	s := start(t, func(o *collector.Options) { o.Quota = credential.Quota{Events: 1} })
	client := s.dial(s.grpc(nil), insecure.NewCredentials())
	if _, err := client.Export(authorized(t, "Bearer "+token), spansOf("", "")); err != nil {
		t.Fatal(err)
	}
	_, err := client.Export(authorized(t, "Bearer "+token), spansOf("", ""))
	wantStatus(t, err, codes.ResourceExhausted, true)

	s = start(t, func(o *collector.Options) { o.Events = away{} })
	client = s.dial(s.grpc(nil), insecure.NewCredentials())
	_, err = client.Export(authorized(t, "Bearer "+token), spansOf(""))
	wantStatus(t, err, codes.Unavailable, true)
}

func TestGRPCGivesItsPlacesBack(t *testing.T) {
	held := held{begun: make(chan struct{}, 1), release: make(chan struct{})}
	s := start(t, func(o *collector.Options) { o.Requests, held.Writer, o.Events = 1, o.Events, &held })
	client := s.dial(s.grpc(nil), insecure.NewCredentials())
	other := s.dial(s.grpc(nil), insecure.NewCredentials())
	first := make(chan error)
	go func() {
		_, err := client.Export(authorized(t, "Bearer "+token), spansOf("a=1"))
		first <- err
	}()
	<-held.begun
	_, err := other.Export(authorized(t, "Bearer "+token), spansOf("a=1"))
	wantStatus(t, err, codes.Unavailable, true)
	close(held.release)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	for { // the place is given back when the request is over, which its sender may see before
		_, err := other.Export(authorized(t, "Bearer "+token), spansOf("b=1"))
		if err == nil {
			break
		}
		wantStatus(t, err, codes.Unavailable, true)
	}
	s.events(4)
}

func TestGRPCTakesAClientCertificate(t *testing.T) {
	ca := certtest.New(t)
	cert, key := ca.Issue(t.TempDir(), "collector")
	secure, err := tlsfiles.Server(cert, key, ca.File, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, func(o *collector.Options) {
		o.Credentials = credential.Fixed(parsed(t, "certificates:\n  - {tenant: acme, source: gateways, common_name: gw-1}\n"))
	})
	address := s.grpc(secure)
	cert, key = ca.Issue(t.TempDir(), "gw-1")
	mine, err := tlsfiles.Client(ca.File, cert, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.dial(address, credentials.NewTLS(mine)).Export(t.Context(), spansOf("a=1")); err != nil {
		t.Fatal(err)
	}
	nobodys, err := tlsfiles.Client(ca.File, "", "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.dial(address, credentials.NewTLS(nobodys)).Export(t.Context(), spansOf("a=1"))
	wantStatus(t, err, codes.Unauthenticated, false)
	if e := s.events(2)[0]; e.Tenant != "acme" || e.Source.Name != "gateways" {
		t.Errorf("%+v", e)
	}
	plain, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err = s.dial(address, insecure.NewCredentials()).Export(plain, spansOf("a=1"))
	if err == nil {
		t.Error("a plain connection was served")
	}
}
