package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"github.com/mcpwatch/mcpwatch/alert"
	"github.com/mcpwatch/mcpwatch/collector"
	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
	"github.com/mcpwatch/mcpwatch/internal/tlsfiles"
	"github.com/mcpwatch/mcpwatch/rules"
	"github.com/mcpwatch/mcpwatch/storage"
)

// kafkaFlags say where Kafka is and how topics are made.
type kafkaFlags struct {
	Kafka       []string      `help:"Kafka brokers, host:port." required:"" placeholder:"HOST:PORT"`
	Partitions  int           `help:"Partitions of each topic, fixed when the topics are made." default:"8"`
	Replication int           `help:"Replication factor of topics that are made." default:"1"`
	Retention   time.Duration `help:"How long Kafka keeps events, findings and the detector's state." default:"168h"`
}

// connect returns a client, the topics being there.
func (f kafkaFlags) connect(ctx context.Context, name string) (*kafka.Client, error) {
	client, err := kafka.NewClient(f.Kafka, "mcpwatch-"+name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	layout := kafka.Layout{Partitions: f.Partitions, Replication: f.Replication, Retention: f.Retention}
	if err := client.EnsureTopics(ctx, layout.Topics()...); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

// startTimeout bounds how long a part waits at its start for what it needs.
const startTimeout = 30 * time.Second

// commonFlags are those of every part.
type commonFlags struct {
	LogLevel  string `help:"Least level that is logged: debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`
	Telemetry string `help:"Serve /healthz and /metrics here." placeholder:"HOST:PORT"`
}

// part is what every part runs with.
type part struct {
	log      zerolog.Logger
	registry *prometheus.Registry
	// mux is what the telemetry address serves; nil where there is none.
	mux *http.ServeMux
}

func (f commonFlags) start(name string, s streams) part {
	level, err := zerolog.ParseLevel(f.LogLevel)
	if err != nil {
		level = zerolog.InfoLevel
	}
	p := part{log: zerolog.New(s.err).Level(level).With().Timestamp().Str("part", name).Logger(), registry: newRegistry(), mux: http.NewServeMux()}
	p.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	p.mux.Handle("GET /metrics", promhttp.HandlerFor(p.registry, promhttp.HandlerOpts{}))
	return p
}

func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// run does the part's work beside its telemetry, until ctx ends.
func (f commonFlags) run(ctx context.Context, p part, work func(context.Context) error) error {
	if f.Telemetry == "" {
		return work(ctx)
	}
	listener, err := net.Listen("tcp", f.Telemetry) //nolint:noctx // it binds and does not wait
	if err != nil {
		return fmt.Errorf("serving telemetry: %w", err)
	}
	stop := serve(ctx, listener, p.mux, p.log)
	defer stop()
	return work(ctx)
}

// serve answers HTTP until the returned function is called, which lets requests under way
// end within a second.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, log zerolog.Logger) (stop func()) {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error().Err(err).Str("address", listener.Addr().String()).Msg("serving HTTP")
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			_ = server.Close()
		}
		<-done
	}
}

// serverTLSFlags say how a listener proves itself, and whose clients it takes.
type serverTLSFlags struct {
	TLSCert     string `name:"tls-cert" help:"Certificate (PEM), read again when it changes; without it what is sent is plain." type:"existingfile" placeholder:"FILE"`
	TLSKey      string `name:"tls-key" help:"The certificate's key (PEM)." type:"existingfile" placeholder:"FILE"`
	TLSClientCA string `name:"tls-client-ca" help:"Take client certificates of these CAs (PEM)." type:"existingfile" placeholder:"FILE"`
}

// config is nil where nothing is to be secured.
func (f serverTLSFlags) config(p part) (*tls.Config, error) {
	if f.TLSCert == "" && f.TLSKey == "" && f.TLSClientCA == "" {
		return nil, nil //nolint:nilnil // no TLS
	}
	if f.TLSCert == "" || f.TLSKey == "" {
		return nil, &exitError{code: exitUsage, err: errors.New("--tls-cert and --tls-key are given together, and --tls-client-ca with them")}
	}
	return tlsfiles.Server(f.TLSCert, f.TLSKey, f.TLSClientCA, func(err error) { p.log.Error().Err(err).Msg("TLS") })
}

type collectorCommand struct {
	kafkaFlags
	commonFlags
	Listen   string `help:"Take events in here." default:"127.0.0.1:7400"`
	OTLPGRPC string `name:"otlp-grpc" help:"Take OTLP over gRPC in here; over HTTP it comes with the rest." placeholder:"HOST:PORT"`
	serverTLSFlags
	keyFlags
	Credentials string  `help:"Credentials file (YAML): who may send, as which tenant and source." required:"" type:"existingfile" placeholder:"FILE"`
	Name        string  `help:"This collector's name in events; the host name where not given."`
	Rate        float64 `help:"Events a second that one source may send." default:"50000"`
	ByteRate    float64 `help:"Bytes a second that one source may send; 0 is no bound." default:"0"`
	DayBytes    int64   `help:"Bytes a day (UTC) that one source may send; 0 is no bound." default:"0"`
	intakeFlags
}

// Run implements the command.
func (c *collectorCommand) Run(ctx context.Context, s streams) error {
	p := c.start("collector", s)
	ways, err := c.ways()
	if err != nil {
		return err
	}
	credentials, err := credential.Open(c.Credentials, time.Now)
	if err != nil {
		return err
	}
	secure, err := c.config(p)
	if err != nil {
		return err
	}
	policy, recipient, err := c.read(p)
	if err != nil {
		return err
	}
	client, err := c.connect(ctx, "collector")
	if err != nil {
		return err
	}
	defer client.Close()
	listener, err := net.Listen("tcp", c.Listen) //nolint:noctx // it binds and does not wait
	if err != nil {
		return fmt.Errorf("starting the collector: %w", err)
	}
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	in := intake{http: listener, secure: secure}
	if in.grpc, err = listenGRPC(c.OTLPGRPC); err != nil {
		return err
	}
	if err := ways.open(ctx, client, secure); err != nil {
		return err
	}
	defer ways.close()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	return c.run(ctx, p, func(ctx context.Context) error {
		following, stop := context.WithCancel(ctx)
		var follower sync.WaitGroup
		follower.Go(func() { credentials.Follow(following, hangups, p.log) })
		defer follower.Wait()
		defer stop()
		o := collector.DefaultOptions()
		o.Name, o.Credentials, o.Redaction, o.Recipient = c.Name, credentials, policy, recipient
		o.Quota = credential.Quota{Events: c.Rate, Bytes: c.ByteRate, DayBytes: c.DayBytes}
		return runCollector(ctx, p, client, in, o, ways)
	})
}

// intake is where a collector listens.
type intake struct {
	http net.Listener // by TLS already, where it is
	// grpc is nil where nobody asked for it; secure is the TLS that it is to have.
	grpc   net.Listener
	secure *tls.Config
}

// maxGRPCConnections bounds the connections of OTLP over gRPC.
const maxGRPCConnections = 1024

// listenGRPC listens where OTLP over gRPC is to come in, if anywhere.
func listenGRPC(address string) (net.Listener, error) {
	if address == "" {
		return nil, nil //nolint:nilnil // nowhere
	}
	listener, err := net.Listen("tcp", address) //nolint:noctx // it binds and does not wait
	if err != nil {
		return nil, fmt.Errorf("listening for OTLP over gRPC: %w", err)
	}
	return netutil.LimitListener(listener, maxGRPCConnections), nil
}

// serve takes events in until the returned function is called, which lets requests under way end
// within a second.
func (in intake) serve(ctx context.Context, c *collector.Collector, log zerolog.Logger) (stop func()) {
	stopHTTP := serve(ctx, in.http, c, log)
	up := log.Info().Str("address", in.http.Addr().String())
	if in.grpc == nil {
		up.Msg("collector is up")
		return stopHTTP
	}
	server := c.GRPC(in.secure)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(in.grpc); err != nil {
			log.Error().Err(err).Str("address", in.grpc.Addr().String()).Msg("serving OTLP over gRPC")
		}
	}()
	up.Str("otlp_grpc", in.grpc.Addr().String()).Msg("collector is up")
	return func() {
		stopHTTP()
		late := time.AfterFunc(time.Second, server.Stop)
		server.GracefulStop()
		late.Stop()
		<-done
	}
}

// runCollector takes events in until ctx ends and the requests under way are done.
func runCollector(ctx context.Context, p part, client *kafka.Client, in intake, o collector.Options, others *ways) error {
	if o.Name == "" {
		o.Name, _ = os.Hostname()
	}
	events, err := client.NewProducer(ctx, kafka.Events)
	if err != nil {
		return err
	}
	defer events.Close()
	deadLetters, err := client.NewProducer(ctx, kafka.DeadLetters)
	if err != nil {
		return err
	}
	defer deadLetters.Close()
	o.Events, o.DeadLetters, o.Log, o.Registry = events, deadLetters, p.log, p.registry
	o.Ready = func(ctx context.Context) error { return client.Ready(ctx, kafka.Events) }
	c, err := collector.New(o)
	if err != nil {
		return err
	}
	stop := in.serve(ctx, c, p.log)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { c.Tick(ctx, events); return nil })
	others.run(ctx, group, c, p)
	return group.Wait()
}

// ruleFlags say which rules apply.
type ruleFlags struct {
	Rules   []string `help:"Folders of further rules and lists (YAML)." type:"existingdir" placeholder:"DIR"`
	Builtin bool     `help:"Apply the rules that are built in." default:"true" negatable:""`
}

// folders are where the rules are.
func (f ruleFlags) folders() []rule.Folder {
	var folders []rule.Folder
	if f.Builtin {
		folders = append(folders, rule.Folder{Name: "builtin", Files: rules.FS()})
	}
	for _, dir := range f.Rules {
		folders = append(folders, rule.Folder{Name: dir, Files: os.DirFS(dir)})
	}
	return folders
}

func (f ruleFlags) load() (*rule.Set, error) {
	set, err := rule.Load(f.folders()...)
	if err != nil {
		return nil, fmt.Errorf("loading rules:\n%w", err)
	}
	return set, nil
}

type sinkCommand struct {
	kafkaFlags
	commonFlags
	ClickHouse string `name:"clickhouse" help:"ClickHouse, http://USER:PASSWORD@HOST:8123 or clickhouse://USER:PASSWORD@HOST:9000." required:"" placeholder:"URL"`
}

// Run implements the command.
func (c *sinkCommand) Run(ctx context.Context, s streams) error {
	p := c.start("sink", s)
	store, err := storage.Open(c.ClickHouse)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	client, err := c.connect(ctx, "sink")
	if err != nil {
		return err
	}
	defer client.Close()
	return c.run(ctx, p, func(ctx context.Context) error {
		return storage.NewSink(store, client, p.log, p.registry).Run(ctx)
	})
}

// webhookFlags name one receiver.
type webhookFlags struct {
	Webhook       string `help:"Post findings to this URL, signed by the Standard Webhooks specification." placeholder:"URL"`
	WebhookSecret string `help:"The secret that signs them: whsec_ and base64." placeholder:"SECRET"`
}

func (f webhookFlags) receivers() []alert.Webhook {
	if f.Webhook == "" {
		return nil
	}
	return []alert.Webhook{{Name: "default", URL: f.Webhook, Secret: f.WebhookSecret}}
}

type alertCommand struct {
	kafkaFlags
	commonFlags
	webhookFlags
	NATS         string `name:"nats" help:"NATS with JetStream, nats://HOST:4222." required:"" placeholder:"URL"`
	NATSReplicas int    `name:"nats-replicas" help:"Copies of the JetStream stream that a NATS cluster keeps." default:"1"`
}

// Run implements the command.
func (c *alertCommand) Run(ctx context.Context, s streams) error {
	p := c.start("alert", s)
	client, err := c.connect(ctx, "alert")
	if err != nil {
		return err
	}
	defer client.Close()
	a, err := alert.New(alert.Options{
		Kafka: client, NATS: c.NATS, Replicas: c.NATSReplicas, Webhooks: c.receivers(), Log: p.log, Registry: p.registry,
	})
	if err != nil {
		return err
	}
	return c.run(ctx, p, a.Run)
}
