package detector

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/state"
	"github.com/mcpwatch/mcpwatch/detector/window"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// Writer writes records durably. *kafka.Producer is the one there is.
type Writer interface {
	Produce(ctx context.Context, records []kafka.Record) error
}

// Stage reads mcp.events and writes mcp.findings, mcp.annotations, mcp.observations and mcp.state.
//
// An offset is committed together with a checkpoint of what the rules remember, after what the
// events before it caused is acknowledged. So a crash repeats findings and annotations and never
// loses one; a repeated finding has the same id. A partition that is taken over is restored from
// its checkpoint, and read from Rewind offsets before its commit to know which events are repeats
// and what requests are open.
type Stage struct {
	o       Options
	metrics *metrics
}

// Group is the Kafka consumer group of all detectors.
const Group = "mcpwatch-detector"

// Options are what a stage is made of.
type Options struct {
	Kafka *kafka.Client
	// Findings, Annotations and Observations write to the three topics.
	Findings, Annotations, Observations Writer
	// States writes checkpoints.
	States Appender
	Set    *rule.Set
	// Now is the clock that says when a checkpoint is due. It decides nothing else.
	Now func() time.Time

	Log      zerolog.Logger
	Registry prometheus.Registerer
}

// NewStage returns a stage. Run does its work.
func NewStage(o Options) *Stage { return &Stage{o: o, metrics: newMetrics(o.Registry)} }

// fetchWait is how long a fetch waits where nothing comes: it adds no delay to an event.
const fetchWait = 500 * time.Millisecond

// checkpointEvery is how often what rules remember is written, and with it the offset committed.
const checkpointEvery = time.Second

// Run works until ctx ends. It returns an error only where the group cannot be joined.
func (s *Stage) Run(ctx context.Context) error {
	return s.o.Kafka.Consume(ctx, kafka.Group{
		ID: Group, Topic: kafka.Events, MaxWait: fetchWait, MinBytes: 1,
		Open: s.open,
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

// errLost says that a checkpoint names what Kafka no longer has.
var errLost = errors.New("lost by Kafka")

// open restores a partition.
func (s *Stage) open(ctx context.Context, c kafka.Claim) (kafka.Handler, int64, error) {
	h := &shard{
		stage: s, engine: NewEngine(s.o.Set), decoder: event.NewDecoder(event.StoredLimits()), known: newKnown(), committed: c.Offset,
		memory: checkpoint{group: Group, partition: c.Partition, generation: c.Generation, states: s.o.States},
	}
	err := h.memory.restore(ctx, s.o.Kafka, c.Metadata, h.apply)
	switch {
	case errors.Is(err, errLost):
		s.metrics.lostStates.Inc()
		s.o.Log.Error().Err(err).Int("partition", c.Partition).Msg("what rules remembered is lost: counts and sequences begin anew")
		h.engine, h.known, h.full = NewEngine(s.o.Set), newKnown(), true
		h.memory.manifest, h.memory.keys = state.Manifest{}, nil
	case err != nil:
		return nil, 0, err
	}
	h.full = h.full || h.memory.manifest.Control != s.o.Set.Hash
	h.engine.keeper.restored(h.memory.manifest.Clock)
	h.known.Restored()
	kept := h.engine.keeper.kept()
	s.o.Log.Info().Int("partition", c.Partition).Int64("offset", c.Offset).Int("keys", kept.Keys).Msg("partition assigned")
	return h, max(c.Offset-Rewind, c.First), nil
}

// known remembers ids of findings, so that a definition that is listed again and again is
// written once.
type known = window.Table[window.Count, *window.Count]

const (
	knownBytes = 4 << 20 // about 40,000 ids
	// knownTable is the name of the known findings in a checkpoint: no rule has it.
	knownTable = "findings"
)

func newKnown() *known {
	return window.NewTable[window.Count](window.Limits{Bytes: knownBytes, ShareBytes: knownBytes})
}

// changes implements memory.
func (h *shard) changes(w *state.Writer, everything bool) {
	h.engine.keeper.changes(w, everything)
	give := func(entry []byte) { w.Add(state.Table{Rule: knownTable, Version: "1"}, entry) }
	if everything {
		h.known.All(give)
	} else {
		h.known.Changes(give)
	}
}

// stands implements memory.
func (h *shard) stands() (clock int64, control string) {
	return h.engine.keeper.clock, h.stage.o.Set.Hash
}

// apply reads back an entry of a checkpoint.
func (h *shard) apply(table state.Table, entry []byte) error {
	if table.Rule == knownTable {
		return h.known.Apply(entry)
	}
	return h.engine.keeper.apply(table, entry)
}

// isNew remembers a finding, and reports whether it was not known.
func (h *shard) isNew(f *finding.Finding) (isNew bool) {
	h.known.Update(keyOf(f.Tenant, f.ID), 0, f.Received.UnixMicro(), func(_ *window.Count, fresh bool) bool {
		isNew = fresh
		return true
	})
	return isNew
}

// shard is one partition at work.
type shard struct {
	stage   *Stage
	engine  *Engine
	decoder *event.Decoder
	memory  checkpoint
	// full asks for a checkpoint of everything: what lies there is of another rule set.
	full   bool
	stored time.Time // of the last checkpoint
	known  *known
	// committed is the first offset that was not decided on before this shard.
	committed int64

	findings     []kafka.Record // not yet acknowledged
	annotations  []kafka.Record // not yet acknowledged
	observations []kafka.Record // not yet acknowledged
	decided      int64          // the first offset that the engine has not seen
	counted      Counts
}

// Handle implements kafka.Handler. Called again with the same records it does not decide
// again, which the engine would take for repeats: it only writes what is still pending.
func (h *shard) Handle(ctx context.Context, records []kafka.Record) (kafka.Commit, error) {
	if err := h.memory.clean(ctx); err != nil {
		return kafka.Commit{}, err
	}
	for _, r := range records {
		if ctx.Err() != nil {
			return kafka.Commit{}, ctx.Err() // a batch may take a second; what is undecided is read again
		}
		if r.Offset < h.decided {
			continue
		}
		h.decided = r.Offset + 1
		if err := h.decide(r); err != nil {
			h.stage.metrics.undecodable.Inc()
			h.stage.o.Log.Error().Err(err).Int("partition", r.Partition).Int64("offset", r.Offset).Msg("a record was left out")
		}
	}
	for _, written := range []struct {
		to      Writer
		pending *[]kafka.Record
	}{{h.stage.o.Findings, &h.findings}, {h.stage.o.Annotations, &h.annotations}, {h.stage.o.Observations, &h.observations}} {
		if err := flush(ctx, written.to, written.pending); err != nil {
			return kafka.Commit{}, err
		}
	}
	h.count()
	return h.commit(ctx)
}

// commit makes a checkpoint, where it is time for one. Without one nothing is committed: offset
// and memory change together.
func (h *shard) commit(ctx context.Context) (kafka.Commit, error) {
	if h.decided <= h.committed || h.stage.o.Now().Sub(h.stored) < checkpointEvery && h.engine.remembers() {
		return kafka.Commit{}, nil
	}
	metadata, err := h.memory.write(ctx, h, h.full)
	if err != nil {
		return kafka.Commit{}, err
	}
	h.full, h.stored = false, h.stage.o.Now()
	return kafka.Commit{Offset: h.decided, Metadata: metadata}, nil
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

// decide looks at one record. One that was decided on before is only shown to the engine. The event
// is the decoder's: what it causes is encoded before the next one is read.
func (h *shard) decide(r kafka.Record) error {
	before := r.Offset < h.committed
	if tick, is := kafka.ReadTick(r); is {
		if before {
			return nil
		}
		return h.outcome(h.engine.Tick(tick.Time), r)
	}
	e, m, err := h.decoder.Decode(r.Value)
	if err != nil {
		return err
	}
	if before {
		h.engine.Prime(r.Offset, e)
		return nil
	}
	paired, marks := e.Request != nil, len(e.Marks)
	out := h.engine.Decide(r.Offset, e, m)
	if !paired && e.Request != nil || restates(e.Marks[marks:]) {
		if err := h.annotate(r, e); err != nil {
			return err
		}
	}
	return h.outcome(out, r)
}

// restates reports whether new marks say what an analyst has to see beside the event.
func restates(marks []string) bool {
	return slices.ContainsFunc(marks, func(m string) bool {
		return m == rule.DefinitionsNotJudged || m == rule.RulesNotJudged || m == uninspected
	})
}

// outcome puts what a record caused on its way.
func (h *shard) outcome(out Outcome, r kafka.Record) error {
	for _, f := range out.Findings {
		if !h.isNew(&f) {
			h.stage.metrics.again.Inc()
			continue
		}
		value, err := finding.Encode(&f)
		if err != nil {
			return err
		}
		h.stage.metrics.findings.WithLabelValues(string(f.Severity)).Inc()
		h.findings = append(h.findings, kafka.Record{Key: kafka.Key(f.Tenant, f.Actor), Value: value})
	}
	for i := range out.Observations {
		record, err := out.Observations[i].record(r, i)
		if err != nil {
			return err
		}
		h.observations = append(h.observations, record)
	}
	return nil
}

// annotate restates an event whose request the engine has found, or that it has marked.
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
	m.unjudgedRules.Add(float64(now.UnjudgedRules - h.counted.UnjudgedRules))
	m.uninspected.Add(float64(now.Uninspected - h.counted.Uninspected))
	m.absent.Add(float64(now.Absent - h.counted.Absent))
	m.unkeyed.Add(float64(now.Unkeyed - h.counted.Unkeyed))
	m.late.Add(float64(now.Late - h.counted.Late))
	m.forgotten.Add(float64(now.Forgotten - h.counted.Forgotten))
	m.suppressed.Add(float64(now.Suppressed - h.counted.Suppressed))
	m.excepted.Add(float64(now.Excepted - h.counted.Excepted))
	m.keys.Add(float64(now.Keys - h.counted.Keys))
	m.bytes.Add(float64(now.Bytes - h.counted.Bytes))
	h.counted = now
}

type metrics struct {
	events, repeats, malformed, again, evicted, unjudged, absent prometheus.Counter
	failures, expired, truncated, undecodable, annotations       prometheus.Counter
	unjudgedRules, uninspected, lostStates                       prometheus.Counter
	unkeyed, late, forgotten, suppressed, excepted               prometheus.Counter
	keys, bytes                                                  prometheus.Gauge
	findings                                                     *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "mcpwatch_detector_" + name, Help: help})
		r.MustRegister(c)
		return c
	}
	m := &metrics{
		events:        counter("events_total", "Events decided on, those read again after an assignment included."),
		repeats:       counter("repeated_events_total", "Events dropped because their id was known."),
		malformed:     counter("malformed_messages_total", "Events whose message is no JSON."),
		again:         counter("repeated_findings_total", "Findings dropped because their id was known."),
		evicted:       counter("evicted_requests_total", "Requests forgotten before their answer came."),
		unjudged:      counter("unjudged_definitions_total", "Definitions left out because one message had too many."),
		absent:        counter("absent_values_total", "Reads by rules of values that an event does not have."),
		failures:      counter("failures_total", "Failed attempts; each is tried again."),
		expired:       counter("expired_events_total", "Events that Kafka deleted before they were looked at."),
		truncated:     counter("truncated_records_total", "Records that Kafka lost after they had been looked at."),
		undecodable:   counter("undecodable_records_total", "Records that are no event."),
		annotations:   counter("annotations_total", "Events restated with the request that they answer or with a mark."),
		unjudgedRules: counter("unjudged_rules_total", "Conditions left out because an event met the needs of too many."),
		uninspected:   counter("uninspected_bytes_total", "Bytes in the middle of long texts that no rule saw."),
		lostStates:    counter("lost_states_total", "Partitions whose checkpoint Kafka no longer had."),
		unkeyed:       counter("unkeyed_events_total", "Events that met a rule's condition and had no value for its key."),
		late:          counter("late_events_total", "Events older than the window or step that they would have counted for."),
		forgotten:     counter("forgotten_keys_total", "Keys that rules forgot for want of room."),
		suppressed:    counter("suppressed_findings_total", "Findings held back because one like them came shortly before."),
		excepted:      counter("excepted_findings_total", "Findings that an exception hid."),
		keys:          prometheus.NewGauge(prometheus.GaugeOpts{Name: "mcpwatch_detector_keys", Help: "Keys that rules remember."}),
		bytes:         prometheus.NewGauge(prometheus.GaugeOpts{Name: "mcpwatch_detector_state_bytes", Help: "Bytes that rules remember."}),
		findings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mcpwatch_detector_findings_total", Help: "Findings written, by severity.",
		}, []string{"severity"}),
	}
	r.MustRegister(m.findings, m.keys, m.bytes)
	return m
}
