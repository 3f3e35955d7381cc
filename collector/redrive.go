package collector

import (
	"context"
	"fmt"

	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/collector/deadletter"
	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// Redrive takes a dead letter in again, with its bytes unsealed: as what it was sent as, for whom it was
// sent, at the time it came. Its events have the ids that they would have had then, so that a letter
// redriven twice is taken in once. What became of it is written behind it. It reports why it is refused
// again, if it is; nothing of it is taken in then.
func (c *Collector) Redrive(ctx context.Context, l deadletter.Letter, data []byte) (*Refusal, error) {
	b, err := c.reread(l, data)
	if err != nil {
		return nil, err
	}
	change := deadletter.Change{State: deadletter.Redriven, At: c.o.Now()}
	if b.receipt.RefusedCount > 0 {
		change.State, change.Reason = deadletter.Refused, b.receipt.Refused[0].Reason
	} else if _, err := b.commit(ctx); err != nil {
		return nil, fmt.Errorf("redriving dead letter %s: %w", l.ID, err)
	}
	if err := c.o.DeadLetters.Produce(ctx, []kafka.Record{l.Record(change)}); err != nil {
		return nil, fmt.Errorf("noting what became of dead letter %s: %w", l.ID, err)
	}
	if b.receipt.RefusedCount > 0 {
		return &b.receipt.Refused[0], nil
	}
	return nil, nil //nolint:nilnil // it is not refused
}

// Retry says what Redrive would: why a letter is refused again, if it is, and how many events it makes.
func (c *Collector) Retry(l deadletter.Letter, data []byte) (events int, refusal *Refusal, err error) {
	b, err := c.reread(l, data)
	if err != nil {
		return 0, nil, err
	}
	if b.receipt.RefusedCount > 0 {
		return 0, &b.receipt.Refused[0], nil
	}
	return len(b.records), nil, nil
}

// reread makes a batch of a letter.
func (c *Collector) reread(l deadletter.Letter, data []byte) (*batch, error) {
	b := c.batch(credential.Identity{Tenant: l.Origin.Tenant, Source: l.Origin.Source}, l.Origin, l.Received)
	b.repeated = l.Ordinal
	var err error
	if l.Format == "" {
		err = b.line(0, line{data: data}, event.NewDecoder(c.o.Limits))
	} else {
		b.format = format.Format(l.Format)
		err = b.record(0, line{data: data}, format.NewReader(b.format, c.o.Limits))
	}
	if err != nil {
		return nil, fmt.Errorf("reading dead letter %s: %w", l.ID, err)
	}
	return b, nil
}
