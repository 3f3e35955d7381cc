package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/mcpwatch/mcpwatch/alert"
	"github.com/mcpwatch/mcpwatch/collector"
	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/collector/deadletter"
	"github.com/mcpwatch/mcpwatch/collector/redact"
	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/finding"
	"github.com/mcpwatch/mcpwatch/internal/embedded/clickhouse"
	embeddedkafka "github.com/mcpwatch/mcpwatch/internal/embedded/kafka"
	embeddednats "github.com/mcpwatch/mcpwatch/internal/embedded/nats"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
	"github.com/mcpwatch/mcpwatch/storage"
)

type upCommand struct {
	ruleFlags
	webhookFlags
	Data       string        `help:"Directory that holds all data." default:"${data}" type:"path" placeholder:"DIR"`
	Ports      string        `help:"fixed: 7400 collector, 7401 Kafka, 7402 ClickHouse, 7403 NATS. auto: free ones." enum:"fixed,auto" default:"fixed"`
	OTLPGRPC   string        `name:"otlp-grpc" help:"Take OTLP over gRPC in here; over HTTP the collector takes it anyway." placeholder:"HOST:PORT"`
	Demo       bool          `help:"Replay a short session, so that there is something to find."`
	JSON       bool          `name:"json" help:"Print one line of JSON when ready, and nothing else."`
	ClickHouse string        `name:"clickhouse" help:"Use this ClickHouse in place of the engine, http://USER:PASSWORD@HOST:8123." placeholder:"URL"`
	Engine     string        `help:"The ClickHouse engine library, where it is not in the cache." type:"path" placeholder:"FILE"`
	Memory     int           `help:"MiB that the ClickHouse engine may use." default:"1024"`
	Partitions int           `help:"Partitions of each Kafka topic, fixed when the data directory is made." default:"4"`
	Retention  time.Duration `help:"How long Kafka keeps events and findings." default:"168h"`
	Redaction  bool          `help:"Take secrets out of events before they are kept." default:"true" negatable:""`

	RedactionConfig string `help:"What is taken out beside secrets (YAML): personal data, arguments, headers." type:"existingfile" placeholder:"FILE"`
}

// stopTimeout bounds how long Ctrl-C may take, drainTimeout the part of it in which what was
// taken in finds its way. What does not is done at the next start.
const (
	stopTimeout  = 5 * time.Second
	drainTimeout = 1500 * time.Millisecond
)

// Run implements the command.
func (c *upCommand) Run(ctx context.Context, s streams) error {
	set, err := c.load()
	if err != nil {
		return err
	}
	dir, err := openDataDir(c.Data)
	if err != nil {
		return err
	}
	defer dir.Close()
	logFile, err := os.OpenFile(dir.join("mcpwatch.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	defer func() { _ = logFile.Close() }()

	house, err := c.startServers(ctx, dir, logFile)
	if err != nil {
		return err
	}
	defer house.close()
	site, err := c.prepare(ctx, dir, house, set)
	if err != nil {
		return err
	}
	site.log = zerolog.New(logFile).With().Timestamp().Logger()
	return c.serve(ctx, dir, site, newAnnouncer(s.out, c.JSON))
}

// servers are Kafka, NATS and ClickHouse, embedded.
type servers struct {
	kafka      *embeddedkafka.Broker
	nats       *embeddednats.Server
	natsToken  string
	clickhouse *clickhouse.Server // nil where a ClickHouse was given
	collector  net.Listener
	otlp       net.Listener // nil where nobody asked for it
}

func (h *servers) close() {
	for _, listener := range []net.Listener{h.collector, h.otlp} {
		if listener != nil {
			_ = listener.Close()
		}
	}
	if h.clickhouse != nil {
		_ = h.clickhouse.Close()
	}
	if h.nats != nil {
		h.nats.Close()
	}
	if h.kafka != nil {
		h.kafka.Close()
	}
}

// startServers starts all or none.
func (c *upCommand) startServers(ctx context.Context, dir *dataDir, stderr io.Writer) (*servers, error) {
	port := func(offset int) string {
		if c.Ports == "auto" {
			return "127.0.0.1:0"
		}
		return fmt.Sprintf("127.0.0.1:%d", 7400+offset)
	}
	natsToken, err := dir.secret("nats-token", randomToken)
	if err != nil {
		return nil, err
	}
	h := &servers{natsToken: natsToken}
	var group errgroup.Group
	group.Go(func() (err error) {
		if h.collector, err = net.Listen("tcp", port(0)); err != nil { //nolint:noctx // it binds and does not wait
			return fmt.Errorf("starting the collector: %w", err)
		}
		h.otlp, err = listenGRPC(c.OTLPGRPC)
		return err
	})
	group.Go(func() (err error) {
		h.kafka, err = embeddedkafka.Start(embeddedkafka.Options{Listen: port(1), Data: dir.join("kafka")})
		return err
	})
	group.Go(func() (err error) {
		h.nats, err = embeddednats.Start(embeddednats.Options{Listen: port(3), Data: dir.join("nats"), Token: natsToken})
		return err
	})
	if c.ClickHouse == "" {
		group.Go(func() (err error) {
			h.clickhouse, err = clickhouse.Start(ctx, clickhouse.Options{
				Library: c.Engine, Verify: c.Engine == "", Data: dir.join("clickhouse"), Listen: port(2),
				MaxMemory: int64(c.Memory) << 20, Stderr: stderr,
			})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		h.close()
		return nil, mendPort(err)
	}
	return h, nil
}

// mendPort says what to do about a port that is taken.
func mendPort(err error) error {
	if isAddressInUse(err) {
		return fmt.Errorf("%w: stop what uses it, or choose free ports with --ports auto", err)
	}
	return err
}

// site is an `up` that is ready to work.
type site struct {
	addresses  running
	natsURL    string
	kafka      *kafka.Client
	store      *storage.Client
	clickhouse *clickhouse.Server
	intake     intake
	shippers   *credential.Set
	set        *rule.Set
	redaction  *redact.Policy // nil where it is off
	recipient  *deadletter.Recipient
	alerter    func(part, func(finding.Finding)) (*alert.Alerter, error)
	secret     string
	log        zerolog.Logger
}

// prepare makes clients, topics and schema.
func (c *upCommand) prepare(ctx context.Context, dir *dataDir, h *servers, set *rule.Set) (*site, error) {
	token, err := dir.secret(tokenFile, randomToken)
	if err != nil {
		return nil, err
	}
	if c.Webhook != "" && c.WebhookSecret == "" {
		if c.WebhookSecret, err = dir.secret(secretFile, randomWebhookSecret); err != nil {
			return nil, err
		}
	}
	s := &site{
		set: set, intake: intake{http: h.collector, grpc: h.otlp}, clickhouse: h.clickhouse, secret: c.WebhookSecret,
		shippers: credential.Single(token, credential.Identity{Tenant: "default", Source: "local", Principals: true}),
		natsURL:  withUser(h.nats.URL(), url.User(h.natsToken)),
	}
	policy, opener, err := dir.keys(c.RedactionConfig)
	if err != nil {
		return nil, err
	}
	if c.Redaction {
		s.redaction = policy
	}
	s.recipient = opener.Recipient()
	writer, analyst := c.ClickHouse, c.ClickHouse
	if h.clickhouse != nil {
		w, a := h.clickhouse.Credentials()
		writer = withUser("http://"+h.clickhouse.Addr(), url.UserPassword(w.User, w.Password))
		analyst = withUser("http://"+h.clickhouse.Addr(), url.UserPassword(a.User, a.Password))
	}
	if s.store, err = storage.Open(writer); err != nil {
		return nil, err
	}
	flags := kafkaFlags{Kafka: []string{h.kafka.Addr()}, Partitions: c.Partitions, Replication: 1, Retention: c.Retention}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { s.kafka, err = flags.connect(groupCtx, "up"); return err })
	group.Go(func() error { return s.store.Migrate(groupCtx) })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	s.alerter = func(p part, published func(finding.Finding)) (*alert.Alerter, error) {
		return alert.New(alert.Options{
			Kafka: s.kafka, NATS: s.natsURL, Webhooks: c.receivers(), Published: published, Log: p.log, Registry: p.registry,
		})
	}
	s.addresses = running{
		Collector: "http://" + h.collector.Addr().String(), Kafka: h.kafka.Addr(),
		ClickHouse: analyst, NATS: s.natsURL, Token: token,
	}
	return s, nil
}

// serve runs the parts until ctx ends or one of them fails, sources stopping first.
func (c *upCommand) serve(ctx context.Context, dir *dataDir, s *site, a *announcer) error {
	defer a.tally.close()
	defer func() { _ = s.store.Close() }()
	defer s.kafka.Close()
	registry := newRegistry()
	named := func(name string) part {
		return part{log: s.log.With().Str("part", name).Logger(), registry: registry}
	}
	alerter, err := s.alerter(named("alert"), a.finding)
	if err != nil {
		return err
	}
	options := collector.DefaultOptions()
	options.Credentials, options.Redaction, options.Recipient = credential.Fixed(s.shippers), s.redaction, s.recipient
	if s.redaction == nil {
		s.log.Warn().Msg("redaction is off: secrets in events are kept and sent on")
	}

	stages := newStages()
	if s.clickhouse != nil {
		stages.watch(ctx, "ClickHouse", s.clickhouse.Done(), s.clickhouse.Err)
	}
	stages.add(ctx, "alert", alerter.Run)
	stages.add(ctx, "sink", storage.NewSink(s.store, s.kafka, named("sink").log, registry).Run)
	stages.add(ctx, "detector", func(ctx context.Context) error {
		return runDetector(ctx, named("detector"), s.kafka, c.folders(), detecting{name: "up"}, nil)
	})
	// The collector comes last: it is the first to stop.
	stages.add(ctx, "collector", func(ctx context.Context) error {
		return runCollector(ctx, named("collector"), s.kafka, s.intake, options, &ways{})
	})
	if err := errors.Join(awaitReady(ctx, s.addresses.Collector, stages.failed), dir.announce(s.addresses)); err != nil {
		return errors.Join(err, stages.stop())
	}
	a.ready(s, c)
	if c.Demo {
		if err := replayDemo(ctx, s.addresses); err != nil && ctx.Err() == nil {
			return errors.Join(err, stages.stop())
		}
	}
	err = stages.wait(ctx)
	a.stopping()
	stages.stopLast(time.Second)
	if err == nil {
		s.drain(context.WithoutCancel(ctx))
	}
	return errors.Join(err, stages.stop())
}

// awaitReady returns when the collector takes events, or with the error of a part that fails.
func awaitReady(ctx context.Context, collector string, failed <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, collector+"/readyz", nil)
		if err != nil {
			return fmt.Errorf("asking whether the collector is ready: %w", err)
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return errors.New("the collector did not become ready")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// pathReader is a consumer group of the path.
type pathReader struct{ group, topic string }

// pathReaders are in the order of the path: what a group has committed is in the next topic.
func pathReaders() []pathReader {
	return []pathReader{
		{detector.Group, kafka.Events},
		{storage.Group(kafka.Events), kafka.Events},
		{storage.Group(kafka.Annotations), kafka.Annotations},
		{storage.Group(kafka.Findings), kafka.Findings},
		{alert.Group, kafka.Findings},
	}
}

// drain waits until what the collector took in is judged, stored and sent, within
// drainTimeout.
func (s *site) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	readers := pathReaders()
	for i := 0; i < len(readers) && ctx.Err() == nil; {
		lag, err := s.kafka.Lag(ctx, readers[i].group, readers[i].topic)
		if err == nil && lag == 0 {
			i++
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// randomToken is a bearer token of 256 bits.
func randomToken() string { return "mcpw_" + rand.Text() + rand.Text() }

// randomWebhookSecret is a secret in the form of the Standard Webhooks specification.
func randomWebhookSecret() string {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // it cannot fail
	return "whsec_" + base64.StdEncoding.EncodeToString(secret)
}

// withUser puts a user into a URL.
func withUser(address string, user *url.Userinfo) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	u.User = user
	return u.String()
}

// announcer tells the terminal what is going on.
type announcer struct {
	out   io.Writer
	json  bool
	tally *findingLines
}

func newAnnouncer(out io.Writer, asJSON bool) *announcer {
	return &announcer{out: out, json: asJSON, tally: newFindingLines(out)}
}

func (a *announcer) ready(s *site, c *upCommand) {
	r := s.addresses
	if a.json {
		addresses := map[string]string{"collector": r.Collector, "kafka": r.Kafka, "clickhouse": r.ClickHouse, "nats": r.NATS}
		if s.intake.grpc != nil {
			addresses["otlp_grpc"] = s.intake.grpc.Addr().String()
		}
		line, err := json.Marshal(struct {
			Ready         bool              `json:"ready"`
			Addresses     map[string]string `json:"addresses"`
			Token         string            `json:"token"`
			WebhookSecret string            `json:"webhook_secret,omitempty"`
			Data          string            `json:"data"`
		}{
			true, addresses, r.Token, s.secret, c.Data,
		}, json.Deterministic(true))
		if err == nil {
			_, _ = fmt.Fprintf(a.out, "%s\n", line)
		}
		return
	}
	self, err := os.Executable()
	if err != nil {
		self = "mcpwatch"
	}
	data := ""
	if c.Data != defaultDataDir() {
		data = " --data " + shellQuote(c.Data)
	}
	self = shellQuote(self)
	_, _ = fmt.Fprintf(a.out, `mcpwatch is up; its data is in %s

  send       POST %s/v1/events   (one event a line, or a JSON array)
             Authorization: Bearer %s
  wrap       %s tap%s --server files -- npx -y @modelcontextprotocol/server-filesystem "$HOME"
  findings   %s findings%s --follow
  query      %s sql%s 'SELECT time, severity, rule, actor FROM findings ORDER BY time DESC LIMIT 10'
  subscribe  nats sub -s %s 'mcpwatch.findings.>'
  metrics    %s/metrics

Ctrl-C ends it; what it found stays.
`, filepath.Clean(c.Data), r.Collector, r.Token, self, data, self, data, self, data, r.NATS, r.Collector)
	if c.Webhook != "" {
		_, _ = fmt.Fprintf(a.out, "Findings are posted to %s, signed with %s\n", c.Webhook, s.secret)
	}
	if s.clickhouse != nil && !s.clickhouse.Sandboxed() {
		_, _ = fmt.Fprintln(a.out, "This system cannot confine the ClickHouse engine to its own files (it needs Landlock): give nobody else its address.")
	}
	_, _ = fmt.Fprintf(a.out, "%d rules are in force. Findings:\n", len(s.set.Programs))
}

func (a *announcer) finding(f finding.Finding) {
	if !a.json {
		a.tally.add(f)
	}
}

func (a *announcer) stopping() {
	if !a.json {
		_, _ = fmt.Fprintln(a.out, "Stopping.")
	}
}
