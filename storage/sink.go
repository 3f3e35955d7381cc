package storage

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/groupcommit"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// Sink carries mcp.events, mcp.annotations and mcp.findings into ClickHouse.
type Sink struct {
	client  *Client
	kafka   *kafka.Client
	log     zerolog.Logger
	metrics *metrics

	events   *groupcommit.Committer[eventRow]
	findings *groupcommit.Committer[findingRow]
}

// Group is the Kafka consumer group in which all sinks read a topic.
func Group(topic string) string { return "mcpwatch-sink-" + topic }

// Bounds of one insert. Blocks of all partitions are merged into one insert, since
// ClickHouse likes few and large ones.
const (
	maxBlockBytes = 16 << 20
	rowOverhead   = 512
	// blockLinger is what a row waits for others of its block: at 100 events a second it
	// saves four fifths of ClickHouse's work, which is in the number of parts.
	blockLinger = 300 * time.Millisecond
)

// NewSink returns a sink. Run does its work.
func NewSink(client *Client, k *kafka.Client, log zerolog.Logger, registry prometheus.Registerer) *Sink {
	return &Sink{client: client, kafka: k, log: log, metrics: newMetrics(registry)}
}

// Run brings the schema up to date, then writes until ctx ends. It returns an error only
// where the schema is newer than this version or a group cannot be joined; for anything
// else it waits.
func (s *Sink) Run(ctx context.Context) error {
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil
	}
	eventColumns, findingColumns := eventColumns(), findingColumns()
	s.events = groupcommit.New(groupcommit.Options[eventRow]{
		Commit: func(ctx context.Context, rows []eventRow) error {
			return s.timed("events", len(rows), func() error { return insert(ctx, s.client, "events_raw", eventColumns, rows) })
		},
		Weight: func(r eventRow) int { return len(r.Message) + len(r.Raw) + len(r.parsed.request) + rowOverhead },
		Most:   maxBlockBytes,
		Linger: blockLinger,
	})
	defer s.events.Close()
	s.findings = groupcommit.New(groupcommit.Options[findingRow]{
		Commit: func(ctx context.Context, rows []findingRow) error {
			return s.timed("findings", len(rows), func() error { return insert(ctx, s.client, "findings_raw", findingColumns, rows) })
		},
		Weight: func(r findingRow) int { return len(r.body) + rowOverhead },
		Most:   maxBlockBytes,
		Linger: blockLinger,
	})
	defer s.findings.Close()

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return s.consume(ctx, kafka.Events, func() kafka.Handler {
			return &eventHandler{sink: s, decoder: eventDecoder{events: event.NewDecoder(event.StoredLimits())}}
		})
	})
	group.Go(func() error {
		return s.consume(ctx, kafka.Annotations, func() kafka.Handler {
			return &eventHandler{sink: s, decoder: eventDecoder{events: event.NewDecoder(event.StoredLimits())}, restated: true}
		})
	})
	group.Go(func() error {
		return s.consume(ctx, kafka.Findings, func() kafka.Handler { return findingHandler{sink: s} })
	})
	return group.Wait()
}

// migrateEvery is how long the sink waits for a ClickHouse that does not answer.
const migrateEvery = 2 * time.Second

func (s *Sink) migrate(ctx context.Context) error {
	for ctx.Err() == nil {
		err := s.client.Migrate(ctx)
		if err == nil || errors.Is(err, ErrNewerSchema) {
			return err
		}
		s.metrics.failures.Inc()
		s.log.Warn().Err(err).Msg("sink is waiting for ClickHouse")
		select {
		case <-ctx.Done():
		case <-time.After(migrateEvery):
		}
	}
	return nil
}

// A fetch waits this long for this much, so that quiet hours do not make tiny inserts.
const (
	fetchWait     = 250 * time.Millisecond
	fetchMinBytes = 256 << 10
)

func (s *Sink) consume(ctx context.Context, topic string, open func() kafka.Handler) error {
	return s.kafka.Consume(ctx, kafka.Group{
		ID: Group(topic), Topic: topic, MaxWait: fetchWait, MinBytes: fetchMinBytes,
		Open: func(_ context.Context, c kafka.Claim) (kafka.Handler, int64, error) { return open(), c.Offset, nil },
		Retrying: func(c kafka.Claim, err error) {
			s.metrics.failures.Inc()
			s.log.Warn().Err(err).Str("topic", c.Topic).Int("partition", c.Partition).Msg("sink is trying again")
		},
		Truncated: func(c kafka.Claim, n int64) {
			s.metrics.truncated.Add(float64(n))
			s.log.Error().Str("topic", c.Topic).Int("partition", c.Partition).Int64("records", n).Msg("Kafka lost the end of the topic; all of it is stored again")
		},
		Expired: func(c kafka.Claim, n int64) {
			s.metrics.expired.Add(float64(n))
			s.log.Error().Str("topic", c.Topic).Int("partition", c.Partition).Int64("records", n).Msg("records expired in Kafka before they were stored")
		},
	})
}

func (s *Sink) timed(table string, rows int, do func() error) error {
	began := time.Now()
	err := do()
	if err == nil {
		s.metrics.rows.WithLabelValues(table).Add(float64(rows))
		s.metrics.inserts.WithLabelValues(table).Observe(time.Since(began).Seconds())
	}
	return err
}

// undecodable counts a record that nobody of ours can have written.
func (s *Sink) undecodable(err error) {
	s.metrics.undecodable.Inc()
	s.log.Error().Err(err).Msg("a record was left out")
}

// eventHandler lands events, or events that the detector restates.
type eventHandler struct {
	sink     *Sink
	decoder  eventDecoder
	restated bool
}

// Handle implements kafka.Handler.
func (h *eventHandler) Handle(ctx context.Context, records []kafka.Record) (kafka.Commit, error) {
	rows := make([]eventRow, 0, len(records))
	for _, r := range records {
		if _, ok := kafka.ReadTick(r); ok {
			continue
		}
		row, err := h.decoder.decode(r)
		if err == nil && h.restated {
			row.restated = true
			row.partition, row.offset, err = kafka.Annotated(r)
		}
		if err != nil {
			h.sink.undecodable(err)
			continue
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return kafka.All(records), nil
	}
	return kafka.All(records), h.sink.events.Do(ctx, rows)
}

type findingHandler struct{ sink *Sink }

// Handle implements kafka.Handler.
func (h findingHandler) Handle(ctx context.Context, records []kafka.Record) (kafka.Commit, error) {
	rows := make([]findingRow, 0, len(records))
	for _, r := range records {
		row, err := decodeFinding(r)
		if err != nil {
			h.sink.undecodable(err)
			continue
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return kafka.All(records), nil
	}
	return kafka.All(records), h.sink.findings.Do(ctx, rows)
}

type metrics struct {
	rows        *prometheus.CounterVec
	inserts     *prometheus.HistogramVec
	failures    prometheus.Counter
	expired     prometheus.Counter
	truncated   prometheus.Counter
	undecodable prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mcpwatch_sink_rows_total", Help: "Rows written to ClickHouse, repeats included.",
		}, []string{"table"}),
		inserts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "mcpwatch_sink_insert_seconds", Help: "Time of one insert.", Buckets: prometheus.ExponentialBuckets(0.002, 2, 14),
		}, []string{"table"}),
		failures:    prometheus.NewCounter(prometheus.CounterOpts{Name: "mcpwatch_sink_failures_total", Help: "Failed attempts; each is tried again."}),
		expired:     prometheus.NewCounter(prometheus.CounterOpts{Name: "mcpwatch_sink_expired_records_total", Help: "Records that Kafka deleted before they were stored."}),
		truncated:   prometheus.NewCounter(prometheus.CounterOpts{Name: "mcpwatch_sink_truncated_records_total", Help: "Records that Kafka lost after they had been stored."}),
		undecodable: prometheus.NewCounter(prometheus.CounterOpts{Name: "mcpwatch_sink_undecodable_records_total", Help: "Records that are no event or finding."}),
	}
	r.MustRegister(m.rows, m.inserts, m.failures, m.expired, m.truncated, m.undecodable)
	return m
}
