package detector

import (
	"context"
	"errors"

	"github.com/mcpwatch/mcpwatch/detector/window"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// outbox is what the decisions on one partition cause, on its way to Kafka.
type outbox struct {
	o         Options
	metrics   *metrics
	partition int
	known     *known

	// What is not acknowledged yet; notices by partition of mcp.observations.
	findings, annotations []kafka.Record
	notices               [][]kafka.Record
}

// known remembers ids of findings, so that a definition that is listed again and again is
// written once.
type known = window.Table[window.Count, *window.Count]

const knownBytes = 4 << 20 // about 40,000 ids

func newOutbox(o Options, m *metrics, partition int) *outbox {
	return &outbox{
		o: o, metrics: m, partition: partition,
		known:   window.NewTable[window.Count](window.Limits{Bytes: knownBytes, ShareBytes: knownBytes}),
		notices: make([][]kafka.Record, o.Observations.Partitions()),
	}
}

// changes gives the known findings that changed, or all.
func (b *outbox) changes(give func(entry []byte), everything bool) {
	if everything {
		b.known.All(give)
	} else {
		b.known.Changes(give)
	}
}

// isNew remembers a finding, and reports whether it was not known.
func (b *outbox) isNew(f *finding.Finding) (isNew bool) {
	b.known.Update(keyOf(f.Tenant, f.ID), 0, f.Received.UnixMicro(), func(_ *window.Count, fresh bool) bool {
		isNew = fresh
		return true
	})
	return isNew
}

// found sends findings that were not sent before.
func (b *outbox) found(findings []finding.Finding) (failed error) {
	for i := range findings {
		f := &findings[i]
		value, err := finding.Encode(f)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if !b.isNew(f) {
			b.metrics.again.Inc()
			continue
		}
		b.metrics.findings.WithLabelValues(string(f.Severity)).Inc()
		b.findings = append(b.findings, kafka.Record{Key: kafka.Key(f.Tenant, f.Actor), Value: value})
	}
	return failed
}

// annotate restates the event of a record.
func (b *outbox) annotate(r kafka.Record, e *event.Event) error {
	value, err := event.Encode(nil, e)
	if err != nil {
		return err
	}
	b.metrics.annotations.Inc()
	b.annotations = append(b.annotations, kafka.Annotation(r, value))
	return nil
}

// observed sends the observations that the record at an offset causes, each to the partition that
// its key belongs to.
func (b *outbox) observed(offset int64, observations []Observation) error {
	for i := range observations {
		// A rule's place does not hang on what other rules observe.
		ordinal := 0
		for _, before := range observations[:i] {
			if before.Rule == observations[i].Rule {
				ordinal++
			}
		}
		n := notice{from: place{offset, ordinal}, observation: &observations[i]}
		if err := b.notify(b.o.Observations.PartitionOf(n.observation.recordKey()), &n); err != nil {
			return err
		}
		b.metrics.observations.Inc()
	}
	return nil
}

// closed says in every partition that the record at an offset closes this one up to a time.
func (b *outbox) closed(offset, watermark int64) error {
	for to := range b.notices {
		if err := b.notify(to, &notice{from: place{offset: offset}, watermark: watermark}); err != nil {
			return err
		}
	}
	return nil
}

func (b *outbox) notify(to int, n *notice) error {
	n.partition = b.partition
	r, err := n.record()
	if err != nil {
		return err
	}
	b.notices[to] = append(b.notices[to], r)
	return nil
}

// flush writes what is pending. After an error it is called again, and goes on where it was.
func (b *outbox) flush(ctx context.Context) error {
	for _, part := range []struct {
		to      Writer
		pending *[]kafka.Record
	}{{b.o.Findings, &b.findings}, {b.o.Annotations, &b.annotations}} {
		if len(*part.pending) == 0 {
			continue
		}
		if err := part.to.Produce(ctx, *part.pending); err != nil {
			return err
		}
		*part.pending = (*part.pending)[:0]
	}
	for to := range b.notices {
		if _, err := b.o.Observations.Append(ctx, to, b.notices[to]); err != nil {
			return err
		}
		b.notices[to] = b.notices[to][:0]
	}
	return nil
}
