package detector

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mcpwatch/mcpwatch/detector/state"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// Reader reads records back. *kafka.Client is the one there is.
type Reader interface {
	Read(ctx context.Context, topic string, partition int, from, to int64, each func(kafka.Record) error) error
}

// errLost says that a checkpoint names what Kafka no longer has, or what this version cannot read.
// Trying again does not bring it back.
var errLost = errors.New("it is lost")

// checkpoint is where the memory of one partition lies in the state topic.
type checkpoint struct {
	group      string
	partition  int
	generation int32
	states     Appender

	manifest state.Manifest
	// keys are those of the manifest's chunks, stale those of chunks that no manifest names any
	// more once the next commit is accepted.
	keys, stale [][]byte
	snapshot    int // how many of the manifest's chunks are its first segment
	sequence    int

	// pending is a segment that was made and not written yet.
	pending     [][]byte
	pendingFull bool
}

// memory is what a checkpoint writes.
type memory interface {
	// changes adds to a segment what changed since it was last called, or everything.
	changes(w *state.Writer, everything bool)
	// stands says to which time of the collectors' clock it has come, and under which rules.
	stands() (clock int64, control string)
}

// leastDeltas is how many chunks of changes are written before everything is written anew, unless
// everything takes more.
const leastDeltas = 32

// restore reads back what a claim's manifest names, and gives it to apply.
func (c *checkpoint) restore(ctx context.Context, from Reader, metadata string, apply func(state.Table, []byte) error) error {
	manifest, err := state.DecodeManifest(metadata)
	if err != nil {
		return fmt.Errorf("restoring partition %d: %w: %w", c.partition, errLost, err)
	}
	for _, offset := range manifest.Chunks {
		found := false
		err := from.Read(ctx, kafka.State, c.partition, offset, offset+1, func(r kafka.Record) error {
			found = r.Offset == offset && r.Value != nil
			if !found {
				return nil
			}
			c.keys = append(c.keys, r.Key)
			if err := state.Read(r.Value, apply); err != nil {
				return fmt.Errorf("%w: %w", errLost, err)
			}
			return nil
		})
		if errors.Is(err, kafka.ErrTruncated) {
			err = fmt.Errorf("%w: %w", errLost, err)
		}
		if err != nil {
			return fmt.Errorf("restoring partition %d: the chunk at %s/%d offset %d: %w", c.partition, kafka.State, c.partition, offset, err)
		}
		if !found {
			return fmt.Errorf("restoring partition %d: the chunk at %s/%d offset %d is gone: %w", c.partition, kafka.State, c.partition, offset, errLost)
		}
	}
	c.manifest, c.snapshot = manifest, len(manifest.Chunks)
	return nil
}

// write makes what changed since the last one durable, and returns the manifest to commit. After
// an error it is called again, and goes on where it was.
func (c *checkpoint) write(ctx context.Context, of memory, full bool) (string, error) {
	if c.pending == nil {
		deltas := len(c.manifest.Chunks) - c.snapshot
		c.pendingFull = full || deltas > max(leastDeltas, 2*c.snapshot) || len(c.manifest.Chunks) > state.MaxChunks/2
		var w state.Writer
		of.changes(&w, c.pendingFull)
		c.pending = w.Chunks()
	}
	offsets, keys, err := c.append(ctx)
	if err != nil {
		return "", err
	}
	if c.pendingFull {
		c.stale = append(c.stale, c.keys...)
		c.keys, c.manifest.Chunks, c.snapshot = nil, nil, len(offsets)
	}
	c.manifest.Chunks = append(slices.Clip(c.manifest.Chunks), offsets...)
	c.keys = append(c.keys, keys...)
	c.manifest.Clock, c.manifest.Control = of.stands()
	c.pending, c.pendingFull = nil, false
	return c.manifest.Encode(), nil
}

// append writes the pending chunks. A chunk's key is never used twice: it names who writes.
func (c *checkpoint) append(ctx context.Context) (offsets []int64, keys [][]byte, err error) {
	if len(c.pending) == 0 {
		return nil, nil, nil
	}
	records := make([]kafka.Record, len(c.pending))
	for i, chunk := range c.pending {
		c.sequence++
		key := fmt.Appendf(nil, "%s/%d/%d/%d", c.group, c.partition, c.generation, c.sequence)
		records[i] = kafka.Record{Key: key, Value: chunk}
		keys = append(keys, key)
	}
	offsets, err = c.states.Append(ctx, c.partition, records)
	if err != nil {
		return nil, nil, fmt.Errorf("writing a checkpoint of partition %d: %w", c.partition, err)
	}
	return offsets, keys, nil
}

// clean deletes the chunks that the accepted commit no longer names. It is called before the
// next work: the commit of the work before has been accepted then, so nobody can be given an
// older manifest any more.
func (c *checkpoint) clean(ctx context.Context) error {
	if len(c.stale) == 0 {
		return nil
	}
	records := make([]kafka.Record, len(c.stale))
	for i, key := range c.stale {
		records[i] = kafka.Record{Key: key}
	}
	if _, err := c.states.Append(ctx, c.partition, records); err != nil {
		return fmt.Errorf("deleting old checkpoints of partition %d: %w", c.partition, err)
	}
	c.stale = nil
	return nil
}
