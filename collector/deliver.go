package collector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/collector/format"
)

// deliver takes records in from a source that cannot be told to send them again: it tries until
// they are durable, and waits as a shipper would have to. What is too much at once it takes in
// halves. The error is ctx's, or one that nobody expects.
func (c *Collector) deliver(ctx context.Context, who credential.Identity, address string, form format.Format, lines []line) error {
	for {
		err := c.attempt(ctx, who, address, form, lines)
		f, told := errors.AsType[*failure](err)
		switch {
		case err == nil:
			return nil
		case told && f.code == http.StatusRequestEntityTooLarge && len(lines) > 1:
			half := len(lines) / 2
			if err := c.deliver(ctx, who, address, form, lines[:half]); err != nil {
				return err
			}
			lines = lines[half:]
			continue
		case told && f.code == http.StatusRequestEntityTooLarge && lines[0].problem == "":
			lines[0].problem = f.reason
			continue
		case !told || f.retryAfter == 0:
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("taking in records: %w", ctx.Err())
		case <-time.After(f.retryAfter):
		}
	}
}

// attempt takes records in, once.
func (c *Collector) attempt(ctx context.Context, who credential.Identity, address string, form format.Format, lines []line) error {
	b, err := c.begin(who, address)
	if err != nil {
		return err
	}
	defer b.end()
	bytes := 0
	for _, l := range lines {
		bytes += len(l.data)
	}
	if lone := len(lines) == 1 && lines[0].problem != ""; !lone { // one that is over its source's burst could never be kept
		if err := b.charge(len(lines), bytes); err != nil {
			return err
		}
	}
	c.metrics.bytes.Add(float64(bytes))
	b.format = form
	reader := format.NewReader(form, c.o.Limits)
	for i, l := range lines {
		if err := b.record(i, l, reader); err != nil {
			return err
		}
	}
	_, err = b.commit(ctx)
	return err
}
