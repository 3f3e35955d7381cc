package collector

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// Topic is one that others write MCP logs to.
type Topic struct {
	Name string
	// Format of its records, of which a value may hold several; "" finds it for each.
	Format format.Format
	// Of is whom its records stand for.
	Of credential.Identity
}

// Group is the consumer group that reads the topic. All collectors share it.
func (t Topic) Group() string { return "mcpwatch-in-" + t.Name }

// topicWait is how long a fetch waits for records.
const topicWait = 250 * time.Millisecond

// Consume takes a topic's records in until ctx ends, from the oldest on that the group has not
// committed. A record is committed when what was made of it is durable; ids are made of where a
// record lies, so that one that is read twice is the same events.
func (c *Collector) Consume(ctx context.Context, from *kafka.Client, t Topic) error {
	log := c.o.Log.With().Str("topic", t.Name).Logger()
	err := from.Consume(ctx, kafka.Group{
		ID: t.Group(), Topic: t.Name, MaxWait: topicWait, MinBytes: 1,
		Open: func(_ context.Context, claim kafka.Claim) (kafka.Handler, int64, error) {
			return &topicHandler{c, t}, claim.Offset, nil
		},
		Retrying: func(claim kafka.Claim, err error) {
			log.Warn().Err(err).Int("partition", claim.Partition).Msg("reading a topic: trying again")
		},
		Truncated: func(claim kafka.Claim, records int64) {
			log.Error().Int("partition", claim.Partition).Int64("records", records).Msg("a topic has lost its end: reading it anew")
		},
		Expired: func(claim kafka.Claim, records int64) {
			c.metrics.topic.WithLabelValues(t.Name, "expired").Add(float64(records))
			log.Error().Int("partition", claim.Partition).Int64("records", records).Msg("records of a topic expired before they were read")
		},
	})
	if err != nil {
		return fmt.Errorf("taking in the topic %s: %w", t.Name, err)
	}
	return nil
}

// topicHandler takes the records of one partition in.
type topicHandler struct {
	collector *Collector
	topic     Topic
}

// Handle implements kafka.Handler.
func (h *topicHandler) Handle(ctx context.Context, records []kafka.Record) (kafka.Commit, error) {
	var lines []line
	for _, r := range records {
		lines = append(lines, h.lines(r)...)
	}
	if len(lines) > 0 {
		if err := h.collector.deliver(ctx, h.topic.Of, "", h.topic.Format, lines); err != nil {
			return kafka.Commit{}, err
		}
	}
	h.collector.metrics.topic.WithLabelValues(h.topic.Name, "read").Add(float64(len(records)))
	return kafka.All(records), nil
}

// lines are the records of a format in one of Kafka.
func (h *topicHandler) lines(r kafka.Record) []line {
	if len(r.Value) == 0 {
		return nil // a tombstone
	}
	lines, err := h.collector.cut(h.topic.Format, r.Value)
	if err != nil {
		lines = []line{{data: r.Value, problem: err.Error()}}
	}
	// A topic that is made anew has its offsets anew: the time tells its records from the old ones.
	where := fmt.Appendf(nil, "%s\x00%d\x00%d\x00", r.Topic, r.Partition, r.Offset)
	where = binary.AppendVarint(where, r.Time.UnixMilli())
	for i := range lines {
		lines[i].key, lines[i].at = event.DeriveID(event.Origin{}, where, i), r.Time
	}
	return lines
}
