package detector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

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
	snapshot    int       // how many of the manifest's chunks are its first segment
	began       time.Time // when that was written
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
// everything takes more. It is written anew each renewEvery too: the topic deletes what is old.
const (
	leastDeltas = 32
	renewEvery  = 24 * time.Hour
)

// restore reads back what a claim's manifest names, and gives it to apply.
func (c *checkpoint) restore(ctx context.Context, from Reader, metadata string, apply func(state.Table, []byte) error) error {
	manifest, err := state.DecodeManifest(metadata)
	if err != nil {
		return fmt.Errorf("restoring partition %d: %w: %w", c.partition, errLost, err)
	}
	for _, run := range runs(manifest.Chunks) {
		if err := c.read(ctx, from, run, apply); err != nil {
			return fmt.Errorf("restoring partition %d from %s/%d: %w", c.partition, kafka.State, c.partition, err)
		}
	}
	c.manifest, c.snapshot = manifest, len(manifest.Chunks)
	return nil
}

// maxSkipped is how many records of others between two chunks are read rather than asked past.
const maxSkipped = 8

// runs cuts ascending offsets into runs that lie close together, each of which is read at once.
func runs(offsets []int64) [][]int64 {
	var all [][]int64
	begin := 0
	for i := 1; i <= len(offsets); i++ {
		if i == len(offsets) || offsets[i] < offsets[i-1] || offsets[i] > offsets[i-1]+maxSkipped {
			all = append(all, offsets[begin:i])
			begin = i
		}
	}
	return all
}

// read gives the chunks at a run of offsets to apply. What lies there has to be this partition's: a
// topic that has lost its end gives offsets a second time.
func (c *checkpoint) read(ctx context.Context, from Reader, run []int64, apply func(state.Table, []byte) error) error {
	own := fmt.Appendf(nil, "%s/%d/", c.group, c.partition)
	next := 0
	err := from.Read(ctx, kafka.State, c.partition, run[0], run[len(run)-1]+1, func(r kafka.Record) error {
		if next == len(run) || r.Offset < run[next] {
			return nil
		}
		if r.Offset > run[next] || r.Value == nil || !bytes.HasPrefix(r.Key, own) {
			return fmt.Errorf("the chunk at offset %d is gone: %w", run[next], errLost)
		}
		if len(c.keys) == 0 {
			c.began = r.Time
		}
		c.keys = append(c.keys, r.Key)
		next++
		if err := state.Read(r.Value, apply); err != nil {
			return fmt.Errorf("the chunk at offset %d: %w: %w", r.Offset, errLost, err)
		}
		return nil
	})
	switch {
	case errors.Is(err, kafka.ErrTruncated):
		return fmt.Errorf("%w: %w", errLost, err)
	case err == nil && next < len(run):
		return fmt.Errorf("the chunk at offset %d is gone: %w", run[next], errLost)
	}
	return err
}

// write makes what changed since the last one durable, and returns the manifest to commit. After
// an error it is called again, and goes on where it was.
func (c *checkpoint) write(ctx context.Context, of memory, full bool, now time.Time) (string, error) {
	if c.pending == nil {
		deltas, old := len(c.manifest.Chunks)-c.snapshot, len(c.manifest.Chunks) > 0 && now.Sub(c.began) > renewEvery
		c.pendingFull = full || old || deltas > max(leastDeltas, 2*c.snapshot) || len(c.manifest.Chunks) > state.MaxChunks/2
		var w state.Writer
		of.changes(&w, c.pendingFull)
		c.pending = w.Chunks()
		if n := len(c.pending); c.pendingFull && n > state.MaxChunks {
			return "", fmt.Errorf("writing a checkpoint of partition %d: %d chunks, at most %d can be named", c.partition, n, state.MaxChunks)
		}
	}
	offsets, keys, err := c.append(ctx)
	if err != nil {
		return "", err
	}
	if len(c.manifest.Chunks) == 0 {
		c.began = now
	}
	if c.pendingFull {
		c.stale = append(c.stale, c.keys...)
		c.keys, c.manifest.Chunks, c.snapshot, c.began = nil, nil, len(offsets), now
	}
	c.manifest.Chunks = append(slices.Clip(c.manifest.Chunks), offsets...)
	c.keys = append(c.keys, keys...)
	c.manifest.Clock, c.manifest.Control = of.stands()
	c.pending, c.pendingFull = nil, false
	return c.manifest.Encode(), nil
}

// append writes the pending chunks. A chunk's key is never used twice, nor when it is written again after
// an error: it names who writes, and a number.
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
