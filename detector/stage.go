package detector

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// Writer writes records durably. *kafka.Producer is the one there is.
type Writer interface {
	Produce(ctx context.Context, records []kafka.Record) error
}

// Stage reads mcp.events and writes mcp.findings and mcp.annotations.
//
// An offset is committed after what its event caused is acknowledged, so a crash repeats
// findings and annotations and never loses one; a repeated finding has the same id. A partition
// that is taken over is read from Rewind offsets before its commit: what the engine knows
// of past events is rebuilt, and what it finds on the way has been written already.
type Stage struct {
	o       Options
	metrics *metrics
}

// Group is the Kafka consumer group of all detectors.
const Group = "mcpwatch-detector"

// Options are what a stage is made of.
type Options struct {
	Kafka *kafka.Client
	// Findings and Annotations write to the two topics.
	Findings, Annotations Writer
	Set                   *rule.Set

	Log      zerolog.Logger
	Registry prometheus.Registerer
}

// NewStage returns a stage. Run does its work.
func NewStage(o Options) *Stage { return &Stage{o: o, metrics: newMetrics(o.Registry)} }

// fetchWait is how long a fetch waits where nothing comes: it adds no delay to an event.
const fetchWait = 500 * time.Millisecond

// Run works until ctx ends. It returns an error only where the group cannot be joined.
func (s *Stage) Run(ctx context.Context) error {
	return s.o.Kafka.Consume(ctx, kafka.Group{
		ID: Group, Topic: kafka.Events, MaxWait: fetchWait, MinBytes: 1,
		Open: func(_ context.Context, c kafka.Claim) (kafka.Handler, int64, error) {
			s.o.Log.Info().Int("partition", c.Partition).Int64("offset", c.Offset).Msg("partition assigned")
			h := &shard{stage: s, engine: NewEngine(s.o.Set), found: event.NewSeen(seenFindings), committed: c.Offset}
			return h, max(c.Offset-Rewind, c.First), nil
		},
		Retrying: func(c kafka.Claim, err error) {
			s.metrics.failures.Inc()
			s.o.Log.Warn().Err(err).Int("partition", c.Partition).Msg("detector is trying again")
		},
		Truncated: func(c kafka.Claim, n int64) {
			s.metrics.truncated.Add(float64(n))
			s.o.Log.Error().Int("partition", c.Partition).Int64("records", n).Msg("Kafka lost the end of mcp.events; all events are looked at again")
		},
		Expired: func(c kafka.Claim, n int64) {
			s.metrics.expired.Add(float64(n))
			s.o.Log.Error().Int("partition", c.Partition).Int64("records", n).Msg("events expired in Kafka before they were looked at")
		},
	})
}

// seenFindings is how many finding ids a partition remembers, so that a definition that is
// listed again and again is written once.
const seenFindings = 4096

// shard is one partition at work.
type shard struct {
	stage  *Stage
	engine *Engine
	// found knows the last ids of the nth finding and before.
	found *event.Seen
	nth   int64
	// committed is the first offset whose findings may not have been written.
	committed int64

	findings    []kafka.Record // not yet acknowledged
	annotations []kafka.Record // not yet acknowledged
	decided     int64          // the first offset that the engine has not seen
	counted     Counts
}

// Handle implements kafka.Handler. Called again with the same records it does not decide
// again, which the engine would take for repeats: it only writes what is still pending.
func (h *shard) Handle(ctx context.Context, records []kafka.Record) (kafka.Commit, error) {
	for _, r := range records {
		if ctx.Err() != nil {
			return kafka.Commit{}, ctx.Err() // a batch may take a second; what is undecided is read again
		}
		if r.Offset < h.decided {
			continue
		}
		h.decided = r.Offset + 1
		if _, ok := kafka.ReadTick(r); ok {
			continue
		}
		if err := h.decide(r); err != nil {
			h.stage.metrics.undecodable.Inc()
			h.stage.o.Log.Error().Err(err).Int("partition", r.Partition).Int64("offset", r.Offset).Msg("a record was left out")
		}
	}
	if err := flush(ctx, h.stage.o.Findings, &h.findings); err != nil {
		return kafka.Commit{}, err
	}
	if err := flush(ctx, h.stage.o.Annotations, &h.annotations); err != nil {
		return kafka.Commit{}, err
	}
	h.count()
	return kafka.All(records), nil
}

// flush writes what is pending.
func flush(ctx context.Context, w Writer, pending *[]kafka.Record) error {
	if len(*pending) == 0 {
		return nil
	}
	if err := w.Produce(ctx, *pending); err != nil {
		return err
	}
	*pending = (*pending)[:0]
	return nil
}

func (h *shard) decide(r kafka.Record) error {
	e, err := event.Decode(r.Value, event.StoredLimits())
	if err != nil {
		return err
	}
	paired, marked := e.Request != nil, e.HasMark(unjudged)
	found := h.engine.Process(r.Offset, &e)
	news := !paired && e.Request != nil || !marked && e.HasMark(unjudged)
	if news && r.Offset >= h.committed {
		if err := h.annotate(r, &e); err != nil {
			return err
		}
	}
	for _, f := range found {
		h.nth++
		if !h.found.Add(h.nth, f.ID) {
			h.stage.metrics.again.Inc()
			continue
		}
		if r.Offset < h.committed {
			continue
		}
		value, err := finding.Encode(&f)
		if err != nil {
			return err
		}
		h.stage.metrics.findings.WithLabelValues(string(f.Severity)).Inc()
		h.findings = append(h.findings, kafka.Record{Key: kafka.Key(f.Tenant, f.Actor), Value: value})
	}
	return nil
}

// annotate restates an event whose request the engine has found, or whose definitions it
// has not judged.
func (h *shard) annotate(r kafka.Record, e *event.Event) error {
	value, err := event.Encode(nil, e)
	if err != nil {
		return err
	}
	h.stage.metrics.annotations.Inc()
	h.annotations = append(h.annotations, kafka.Annotation(r, value))
	return nil
}

// count moves what the engine did since the last time into the metrics.
func (h *shard) count() {
	now := h.engine.Counts()
	m := h.stage.metrics
	m.events.Add(float64(now.Events - h.counted.Events))
	m.repeats.Add(float64(now.Repeats - h.counted.Repeats))
	m.malformed.Add(float64(now.Malformed - h.counted.Malformed))
	m.evicted.Add(float64(now.Evicted - h.counted.Evicted))
	m.unjudged.Add(float64(now.Unjudged - h.counted.Unjudged))
	m.absent.Add(float64(now.Absent - h.counted.Absent))
	h.counted = now
}

type metrics struct {
	events, repeats, malformed, again, evicted, unjudged, absent prometheus.Counter
	failures, expired, truncated, undecodable, annotations       prometheus.Counter
	findings                                                     *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "mcpwatch_detector_" + name, Help: help})
		r.MustRegister(c)
		return c
	}
	m := &metrics{
		events:      counter("events_total", "Events decided on, those read again after an assignment included."),
		repeats:     counter("repeated_events_total", "Events dropped because their id was known."),
		malformed:   counter("malformed_messages_total", "Events whose message is no JSON."),
		again:       counter("repeated_findings_total", "Findings dropped because their id was known."),
		evicted:     counter("evicted_requests_total", "Requests forgotten before their answer came."),
		unjudged:    counter("unjudged_definitions_total", "Definitions left out because one message had too many."),
		absent:      counter("absent_values_total", "Reads by rules of values that an event does not have."),
		failures:    counter("failures_total", "Failed attempts; each is tried again."),
		expired:     counter("expired_events_total", "Events that Kafka deleted before they were looked at."),
		truncated:   counter("truncated_records_total", "Records that Kafka lost after they had been looked at."),
		undecodable: counter("undecodable_records_total", "Records that are no event."),
		annotations: counter("annotations_total", "Events restated with the request that they answer or with a mark."),
		findings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mcpwatch_detector_findings_total", Help: "Findings written, by severity.",
		}, []string{"severity"}),
	}
	r.MustRegister(m.findings)
	return m
}
