// Package alert fans findings out: from Kafka to NATS JetStream, and from there to
// webhooks and to anyone who subscribes.
//
// What it promises: every finding of a rule in mode alert is published at least once, and
// delivered to each webhook at least once while it is in the stream. Nothing is sent
// twice while no process fails: the stream itself is the ledger of what was sent, by
// finding id, for longer than Kafka keeps findings. After a failure a repeat carries the
// same Nats-Msg-Id and the same webhook-id. An offset is committed after the stream has
// its finding on disk.
package alert

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/mcpwatch/mcpwatch/finding"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// The JetStream stream and its subjects: mcpwatch.findings.TENANT.SEVERITY.RULE.
const (
	Stream  = "MCPWATCH_FINDINGS"
	Subject = "mcpwatch.findings"
)

// subjectToken is what a tenant and a rule look like: no dot, space or wildcard. The
// collector's credentials and the rule loader see to that; a record that somebody else
// wrote to Kafka may differ.
var subjectToken = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func subject(f *finding.Finding) string {
	return Subject + "." + f.Tenant + "." + string(f.Severity) + "." + f.Rule
}

// ledger is how long a finding's id is remembered as sent, and the finding kept for
// subscribers. It is longer than mcp.findings is kept.
const ledger = 8 * 24 * time.Hour

// maxStreamBytes bounds the stream on disk; the oldest findings go first.
const maxStreamBytes = 1 << 30

// Group is the Kafka consumer group of all alerters.
const Group = "mcpwatch-alert"

// Options are what an alerter is made of.
type Options struct {
	Kafka *kafka.Client
	// NATS is the server's URL; a user, password or token may stand in it.
	NATS string
	// Replicas of the stream; 3 is usual on a cluster.
	Replicas int
	Webhooks []Webhook
	// Published, where set, is told of each finding that NATS took and did not have yet.
	Published func(finding.Finding)

	Log      zerolog.Logger
	Registry prometheus.Registerer
}

// Alerter carries findings out.
type Alerter struct {
	o       Options
	metrics *metrics
	stream  jetstream.JetStream
}

// New returns an alerter. Run does its work.
func New(o Options) (*Alerter, error) {
	for i := range o.Webhooks {
		if err := o.Webhooks[i].prepare(); err != nil {
			return nil, fmt.Errorf("configuring webhook %s: %w", o.Webhooks[i].Name, err)
		}
	}
	return &Alerter{o: o, metrics: newMetrics(o.Registry)}, nil
}

// Run works until ctx ends. It returns an error only where a group cannot be joined.
func (a *Alerter) Run(ctx context.Context) error {
	connection, err := nats.Connect(a.o.NATS,
		nats.Name("mcpwatch-alert"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(500*time.Millisecond))
	if err != nil {
		return fmt.Errorf("connecting to NATS: %w", err)
	}
	defer connection.Close()
	if a.stream, err = jetstream.New(connection); err != nil {
		return fmt.Errorf("opening JetStream: %w", err)
	}
	a.ensureStream(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.publishFindings(ctx) })
	for i := range a.o.Webhooks {
		group.Go(func() error { a.deliver(ctx, &a.o.Webhooks[i]); return nil })
	}
	return group.Wait()
}

// ensureStream makes the stream, waiting for NATS until ctx ends.
func (a *Alerter) ensureStream(ctx context.Context) {
	config := jetstream.StreamConfig{
		Name: Stream, Description: "Findings of mcpwatch, for webhooks and subscribers",
		Subjects: []string{Subject + ".>"}, Storage: jetstream.FileStorage, Replicas: max(a.o.Replicas, 1),
		MaxAge: ledger, MaxBytes: maxStreamBytes, Discard: jetstream.DiscardOld, Duplicates: ledger,
	}
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err := a.stream.CreateOrUpdateStream(attempt, config)
		cancel()
		if err == nil {
			return
		}
		a.retrying(fmt.Errorf("making the JetStream stream %s: %w", Stream, err))
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// fetchWait is how long a fetch waits where nothing comes: it adds no delay to a finding.
const fetchWait = 500 * time.Millisecond

func (a *Alerter) publishFindings(ctx context.Context) error {
	return a.o.Kafka.Consume(ctx, kafka.Group{
		ID: Group, Topic: kafka.Findings, MaxWait: fetchWait, MinBytes: 1,
		Open:     func(_ context.Context, c kafka.Claim) (kafka.Handler, int64, error) { return a, c.Offset, nil },
		Retrying: func(_ kafka.Claim, err error) { a.retrying(err) },
		Truncated: func(c kafka.Claim, n int64) {
			a.metrics.truncated.Add(float64(n))
			a.o.Log.Error().Int("partition", c.Partition).Int64("records", n).Msg("Kafka lost the end of mcp.findings; all findings are looked at again")
		},
		Expired: func(c kafka.Claim, n int64) {
			a.metrics.expired.Add(float64(n))
			a.o.Log.Error().Int("partition", c.Partition).Int64("records", n).Msg("findings expired in Kafka before they were sent")
		},
	})
}

// publishAtOnce bounds how many findings are on their way to the stream, below the number
// at which the client itself stalls.
const publishAtOnce = 256

// Handle implements kafka.Handler: it publishes the findings that alert, and returns when
// the stream has them all.
func (a *Alerter) Handle(ctx context.Context, records []kafka.Record) (kafka.Commit, error) {
	for chunk := range slices.Chunk(records, publishAtOnce) {
		if err := a.publish(ctx, chunk); err != nil {
			a.ensureStream(ctx) // somebody may have deleted it
			return kafka.Commit{}, err
		}
	}
	return kafka.All(records), nil
}

func (a *Alerter) publish(ctx context.Context, records []kafka.Record) error {
	type publication struct {
		finding finding.Finding
		future  jetstream.PubAckFuture
	}
	var sent []publication
	for _, r := range records {
		f, err := finding.Decode(r.Value)
		if err != nil {
			a.metrics.undecodable.Inc()
			a.o.Log.Error().Err(err).Int("partition", r.Partition).Int64("offset", r.Offset).Msg("a record was left out")
			continue
		}
		if f.Mode != finding.Alert {
			a.metrics.shadow.Inc()
			continue
		}
		if !subjectToken.MatchString(f.Tenant) || !subjectToken.MatchString(f.Rule) || f.Severity.Rank() == 0 {
			a.metrics.undecodable.Inc()
			a.o.Log.Error().Str("finding", f.ID).Int("partition", r.Partition).Int64("offset", r.Offset).Msg("a finding whose tenant, rule or severity is none of ours was left out")
			continue
		}
		message := nats.NewMsg(subject(&f))
		message.Data = r.Value
		future, err := a.stream.PublishMsgAsync(message, jetstream.WithMsgID(f.ID))
		if err != nil {
			return fmt.Errorf("publishing finding %s: %w", f.ID, err)
		}
		sent = append(sent, publication{f, future})
	}
	for _, p := range sent {
		select {
		case ack := <-p.future.Ok():
			if ack.Duplicate {
				a.metrics.repeated.Inc()
				continue
			}
			a.metrics.published.Inc()
			if a.o.Published != nil {
				a.o.Published(p.finding)
			}
		case err := <-p.future.Err():
			return fmt.Errorf("publishing finding %s: %w", p.finding.ID, err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (a *Alerter) retrying(err error) {
	a.metrics.failures.Inc()
	a.o.Log.Warn().Err(err).Msg("alert is trying again")
}

type metrics struct {
	published, repeated, shadow, failures, expired, truncated, undecodable prometheus.Counter
	deliveries                                                             *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "mcpwatch_alert_" + name, Help: help})
		r.MustRegister(c)
		return c
	}
	m := &metrics{
		published:   counter("published_total", "Findings published to NATS."),
		repeated:    counter("repeated_total", "Findings that NATS had already."),
		shadow:      counter("shadow_total", "Findings not sent because their rule is in mode shadow."),
		failures:    counter("failures_total", "Failed attempts; each is tried again."),
		expired:     counter("expired_findings_total", "Findings that Kafka deleted before they were sent."),
		truncated:   counter("truncated_records_total", "Records that Kafka lost after they had been read."),
		undecodable: counter("undecodable_records_total", "Records that are no finding."),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mcpwatch_alert_deliveries_total", Help: "Webhook deliveries, by receiver and result: delivered, failed (tried again) or abandoned.",
		}, []string{"receiver", "result"}),
	}
	r.MustRegister(m.deliveries)
	return m
}
