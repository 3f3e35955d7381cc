package collector

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // senders may compress
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"

	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/collector/format"
)

// Bounds of gRPC beside those that hold for all requests.
const (
	grpcRequest = time.Minute      // that one request may take
	grpcIdle    = 2 * time.Minute  // that a connection may be idle
	grpcPing    = 10 * time.Second // between a sender's pings, at least
	grpcHeaders = 64 << 10
)

// GRPC returns a server of OTLP over gRPC for the collector, by TLS where secure is not nil. Who sends
// is identified, and a place taken, before a request's body is read.
func (c *Collector) GRPC(secure *tls.Config) *grpc.Server {
	options := []grpc.ServerOption{
		grpc.ForceServerCodec(asBytes{}),
		grpc.InTapHandle(c.admit),
		grpc.MaxRecvMsgSize(int(c.o.BodyBytes)),
		grpc.MaxConcurrentStreams(uint32(c.o.Requests)),
		grpc.MaxHeaderListSize(grpcHeaders),
		grpc.ConnectionTimeout(grpcHandshake),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: grpcIdle}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: grpcPing, PermitWithoutStream: true}),
	}
	if secure != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(secure)))
	}
	server := grpc.NewServer(options...)
	for name, signal := range map[string]format.Signal{"trace.v1.TraceService": format.Traces, "logs.v1.LogsService": format.Logs} {
		server.RegisterService(&grpc.ServiceDesc{
			ServiceName: "opentelemetry.proto.collector." + name,
			Methods:     []grpc.MethodDesc{{MethodName: "Export", Handler: c.export(signal)}},
		}, nil)
	}
	return server
}

const grpcHandshake = 10 * time.Second

// admitted is the batch of a request, in its context.
type admitted struct{}

// admit lets a request in, of which only the headers are there. It blocks its connection only, and
// that while an issuer's keys are fetched.
func (c *Collector) admit(ctx context.Context, info *tap.Info) (context.Context, error) {
	ctx, cancel := context.WithTimeout(ctx, grpcRequest)
	b, err := c.beginGRPC(ctx, info.Header)
	if err != nil {
		cancel()
		return ctx, c.failed(err).status().Err()
	}
	context.AfterFunc(ctx, func() { // the request is over, however it went
		cancel()
		b.end()
	})
	return context.WithValue(ctx, admitted{}, b), nil
}

func (c *Collector) beginGRPC(ctx context.Context, header metadata.MD) (*batch, error) {
	var presented credential.Presented
	if values := header.Get("authorization"); len(values) == 1 {
		presented.Authorization = values[0]
	} else if len(values) > 1 {
		return nil, &failure{code: http.StatusUnauthorized, reason: "more than one authorization"}
	}
	address := ""
	if from, ok := peer.FromContext(ctx); ok {
		address, _, _ = net.SplitHostPort(from.Addr.String()) // "" where it has none
		if secured, ok := from.AuthInfo.(credentials.TLSInfo); ok {
			presented.Chains = secured.State.VerifiedChains
		}
	}
	who, err := c.identify(ctx, presented)
	if err != nil {
		return nil, err
	}
	return c.begin(who, address)
}

// export is what the Export method of a signal does.
func (c *Collector) export(signal format.Signal) grpc.MethodHandler {
	return func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var body []byte
		if err := decode(&body); err != nil {
			return nil, err
		}
		b := ctx.Value(admitted{}).(*batch) //nolint:forcetypeassert // admit put it there
		c.metrics.bytes.Add(float64(len(body)))
		receipt, err := b.finish(ctx, b.telemetry(signal, format.Protobuf, body))
		if err != nil {
			return nil, c.failed(err).status().Err()
		}
		c.succeeded(http.StatusOK)
		return receipt.partial(signal).encode(format.Protobuf), nil
	}
}

// asBytes is a codec that leaves messages as they are: they are read as those over HTTP are.
type asBytes struct{}

// Name implements encoding.Codec.
func (asBytes) Name() string { return "proto" }

// Unmarshal implements encoding.Codec.
func (asBytes) Unmarshal(data []byte, into any) error {
	body, ok := into.(*[]byte)
	if !ok {
		return fmt.Errorf("reading a message: into %T", into)
	}
	*body = data
	return nil
}

// Marshal implements encoding.Codec.
func (asBytes) Marshal(v any) ([]byte, error) {
	body, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("writing a message: it is %T", v)
	}
	return body, nil
}
