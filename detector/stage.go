package detector

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// The Kafka consumer groups of all detectors: of those that read mcp.events, an Engine for each
// partition, and of those that read mcp.observations, a Fleet for each.
const (
	Group      = "mcpwatch-detector"
	FleetGroup = "mcpwatch-detector-fleet"
)

// Stage runs both stages: it reads mcp.events and mcp.observations, and writes mcp.findings,
// mcp.annotations, mcp.observations and mcp.state.
//
// An offset is committed together with a checkpoint of what the rules remember, after what the
// records before it caused is acknowledged. So a crash repeats findings, annotations and
// observations and never loses one; what is repeated is the same, and known by its id or place. A
// partition that is taken over is restored from its checkpoint.
type Stage struct {
	o       Options
	metrics *metrics
	budget  *budget
}

// Writer writes records durably. *kafka.Producer is the one there is.
type Writer interface {
	Produce(ctx context.Context, records []kafka.Record) error
}

// Appender writes records to a named partition and says where they lie. *kafka.Producer is the
// one there is.
type Appender interface {
	Append(ctx context.Context, partition int, records []kafka.Record) ([]int64, error)
}

// Router is an Appender that knows which partition a key belongs to. *kafka.Producer is the one
// there is.
type Router interface {
	Appender
	Partitions() int
	PartitionOf(key []byte) int
}

// Options are what a stage is made of.
type Options struct {
	Kafka *kafka.Client
	// Findings, Annotations and Observations write to the three topics.
	Findings, Annotations Writer
	Observations          Router
	// States writes checkpoints. It must not send a record twice: the broker compacts them, and a first
	// attempt that lands late would take the place of the one that a manifest names.
	States Appender
	// Set is the rule set in force. It is asked again and again: another one is taken between two
	// checkpoints.
	Set func() *rule.Set
	// Now is the clock that says when a checkpoint is due. It decides nothing else.
	Now func() time.Time
	// Memory is how many bytes the process may use, 0 for no bound. It changes no finding: where the
	// partitions held could come to need more, that is logged and shown.
	Memory int

	Log      zerolog.Logger
	Registry prometheus.Registerer
}

// NewStage returns a stage. Run does its work.
func NewStage(o Options) *Stage {
	warn := func(most, limit int) {
		o.Log.Warn().Int("most", most).Int("limit", limit).Msg("the partitions held can come to need more memory than this detector may use: start more detectors, or give it more")
	}
	return &Stage{o: o, metrics: newMetrics(o.Registry), budget: newBudget(o.Memory, o.Registry, warn)}
}

// fetchWait is how long a fetch waits where nothing comes: it adds no delay to an event.
const fetchWait = 500 * time.Millisecond

// Run works until ctx ends. It returns an error only where a group cannot be joined.
func (s *Stage) Run(ctx context.Context) error {
	stages, ctx := errgroup.WithContext(ctx)
	stages.Go(func() error {
		return s.consume(ctx, Group, kafka.Events, func(set *rule.Set) work { return newAgents(set) })
	})
	stages.Go(func() error {
		return s.consume(ctx, FleetGroup, kafka.Observations, func(set *rule.Set) work { return newFleets(set, s.o.Observations.Partitions()) })
	})
	return stages.Wait()
}

func (s *Stage) consume(ctx context.Context, group, topic string, begin func(*rule.Set) work) error {
	log := func(e *zerolog.Event, c kafka.Claim) *zerolog.Event {
		return e.Str("topic", topic).Int("partition", c.Partition)
	}
	return s.o.Kafka.Consume(ctx, kafka.Group{
		ID: group, Topic: topic, MaxWait: fetchWait, MinBytes: 1,
		Open: func(ctx context.Context, c kafka.Claim) (kafka.Handler, int64, error) {
			return s.open(ctx, group, c, begin)
		},
		Retrying: func(c kafka.Claim, err error) {
			s.metrics.failures.Inc()
			log(s.o.Log.Warn(), c).Err(err).Msg("detector is trying again")
		},
		Truncated: func(c kafka.Claim, n int64) {
			s.metrics.truncated.Add(float64(n))
			log(s.o.Log.Error(), c).Int64("records", n).Msg("Kafka lost the end of the topic; all of it is looked at again")
		},
		Expired: func(c kafka.Claim, n int64) {
			s.metrics.expired.Add(float64(n))
			log(s.o.Log.Error(), c).Int64("records", n).Msg("records expired in Kafka before they were looked at")
		},
	})
}

// open restores a partition.
func (s *Stage) open(ctx context.Context, group string, c kafka.Claim, begin func(*rule.Set) work) (kafka.Handler, int64, error) {
	h := s.shard(group, c, begin)
	err := h.memory.restore(ctx, s.o.Kafka, c.Metadata, h.apply)
	switch {
	case errors.Is(err, errLost):
		s.metrics.lostStates.Inc()
		s.o.Log.Error().Err(err).Str("topic", c.Topic).Int("partition", c.Partition).Msg("what rules remembered is lost: counts and sequences begin anew")
		h = s.shard(group, c, begin)
		h.full = true
	case err != nil:
		return nil, 0, err
	}
	h.full = h.full || h.memory.manifest.Control != h.set.Hash
	from := h.work.restored(h.memory.manifest.Clock, c.Offset)
	h.out.known.Restored()
	h.held(h.holds())
	s.o.Log.Info().Str("topic", c.Topic).Int("partition", c.Partition).Int64("offset", c.Offset).Int("keys", h.work.keeper().kept().Keys).Msg("partition assigned")
	return h, max(from, c.First), nil
}

func (s *Stage) shard(group string, c kafka.Claim, begin func(*rule.Set) work) *shard {
	set := s.o.Set()
	return &shard{
		stage: s, topic: c.Topic, set: set, work: begin(set), out: newOutbox(s.o, s.metrics, c.Partition), committed: c.Offset, settled: c.Offset,
		memory: checkpoint{group: group, partition: c.Partition, generation: c.Generation, states: s.o.States},
	}
}
