package kafka

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"github.com/mcpwatch/mcpwatch/internal/groupcommit"
)

// MaxBatchBytes is the most that Produce puts in one batch, before compression, unless a
// single record is larger. Topics must take as much.
const MaxBatchBytes = 1 << 20

// produceTimeout bounds all attempts at one batch.
const produceTimeout = 8 * time.Second

// Producer writes to one topic. Concurrent writes to a partition are merged into batches;
// one batch a partition is under way at a time, so records cannot overtake one another.
// It is safe for concurrent use.
type Producer struct {
	client     *Client
	topic      string
	partitions []*groupcommit.Committer[entry]
	once       bool // a batch is sent once
}

// entry is a record to write, and where to put its offset, if anybody asks.
type entry struct {
	Record
	offset *int64
}

// NewProducer returns a producer for an existing topic. Close ends it.
func (c *Client) NewProducer(ctx context.Context, topic string) (*Producer, error) {
	counts, err := c.partitions(ctx, []Topic{{Name: topic}})
	if err != nil {
		return nil, err
	}
	p := &Producer{client: c, topic: topic}
	for i := range counts[topic] {
		p.partitions = append(p.partitions, groupcommit.New(groupcommit.Options[entry]{
			Commit: func(ctx context.Context, entries []entry) error { return p.commit(ctx, i, entries) },
			Weight: func(e entry) int { return e.size() },
			Most:   MaxBatchBytes,
		}))
	}
	return p, nil
}

// NewOnceProducer returns a producer that sends each batch once, for records of which the broker keeps the
// last of a key: an attempt that was given up may land after the next one, and take its place. Whoever tries
// again uses other keys.
func (c *Client) NewOnceProducer(ctx context.Context, topic string) (*Producer, error) {
	p, err := c.NewProducer(ctx, topic)
	if err != nil {
		return nil, err
	}
	p.once = true
	return p, nil
}

// Close fails what is still waiting and stops the producer.
func (p *Producer) Close() {
	for _, c := range p.partitions {
		c.Close()
	}
}

// Produce writes the records and returns when all are acknowledged by all in-sync
// replicas. On an error some may have been written: writing all again is safe, since
// readers recognise a record's id.
func (p *Producer) Produce(ctx context.Context, records []Record) error {
	byPartition := make(map[int][]entry)
	for _, r := range records {
		n := p.PartitionOf(r.Key)
		byPartition[n] = append(byPartition[n], entry{Record: r})
	}
	if len(byPartition) == 1 {
		for n, rs := range byPartition {
			return p.partitions[n].Do(ctx, rs)
		}
	}
	var group errgroup.Group
	for n, rs := range byPartition {
		group.Go(func() error { return p.partitions[n].Do(ctx, rs) })
	}
	return group.Wait()
}

// Append writes the records to one partition, whatever their keys, as Produce does, and
// returns their offsets, which ascend. A record with a nil Value is a tombstone. What a
// failed or repeated attempt has written may lie at other offsets too, even later ones.
func (p *Producer) Append(ctx context.Context, partition int, records []Record) ([]int64, error) {
	if partition < 0 || partition >= len(p.partitions) {
		return nil, fmt.Errorf("appending to Kafka topic %s: it has no partition %d", p.topic, partition)
	}
	if len(records) == 0 {
		return nil, nil
	}
	offsets, entries := make([]int64, len(records)), make([]entry, len(records))
	for i, r := range records {
		entries[i] = entry{Record: r, offset: &offsets[i]}
	}
	if err := p.partitions[partition].Do(ctx, entries); err != nil {
		return nil, err
	}
	return offsets, nil
}

// Broadcast writes the record to every partition, as Produce does.
func (p *Producer) Broadcast(ctx context.Context, r Record) error {
	var group errgroup.Group
	for n := range p.partitions {
		group.Go(func() error { return p.partitions[n].Do(ctx, []entry{{Record: r}}) })
	}
	return group.Wait()
}

// Partitions is how many partitions the topic has.
func (p *Producer) Partitions() int { return len(p.partitions) }

// PartitionOf is the partition that Produce writes records of a key to. It hashes the key with
// FNV-1a: stable over time and processes, which is what keeps an actor's events in one partition.
func (p *Producer) PartitionOf(key []byte) int {
	h := fnv.New32a()
	h.Write(key)
	return int(h.Sum32() % uint32(len(p.partitions)))
}

// commit writes the records in batches of bounded size, one after the other.
func (p *Producer) commit(ctx context.Context, partition int, entries []entry) error {
	ctx, cancel := context.WithTimeout(ctx, produceTimeout)
	defer cancel()
	for len(entries) > 0 {
		n, size := 0, 0
		for n < len(entries) && (n == 0 || size+entries[n].size() <= MaxBatchBytes) {
			size += entries[n].size()
			n++
		}
		first, err := p.write(ctx, partition, entries[:n])
		if err != nil {
			return err
		}
		for i, e := range entries[:n] {
			if e.offset != nil {
				*e.offset = first + int64(i)
			}
		}
		entries = entries[n:]
	}
	return nil
}

// write sends one batch until it is acknowledged, fails for good, or ctx ends, or just once, and
// returns its first offset.
func (p *Producer) write(ctx context.Context, partition int, entries []entry) (int64, error) {
	for wait := backoff(); ; {
		first, err := p.send(ctx, partition, entries)
		if err == nil {
			return first, nil
		}
		if p.once || !temporary(err) || !wait(ctx) {
			return 0, fmt.Errorf("producing to Kafka topic %s partition %d: %w", p.topic, partition, err)
		}
	}
}

func (p *Producer) send(ctx context.Context, partition int, entries []entry) (int64, error) {
	batch := make([]kafkago.Record, len(entries))
	now := time.Now()
	for i, r := range entries {
		batch[i] = kafkago.Record{Time: now, Key: kafkago.NewBytes(r.Key), Value: kafkago.NewBytes(r.Value)}
		for _, h := range r.Headers {
			batch[i].Headers = append(batch[i].Headers, kafkago.Header{Key: h.Key, Value: h.Value})
		}
	}
	answer, err := p.client.client.Produce(ctx, &kafkago.ProduceRequest{
		Topic: p.topic, Partition: partition, RequiredAcks: kafkago.RequireAll,
		Records: kafkago.NewRecordReader(batch...), Compression: kafkago.Snappy,
	})
	if err != nil {
		return 0, err
	}
	return answer.BaseOffset, answer.Error
}

// temporary reports whether trying again can help: the broker says so, or it could not be
// reached or did not answer.
func temporary(err error) bool {
	if code, ok := errors.AsType[kafkago.Error](err); ok {
		return code.Temporary()
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe)
}

// backoff returns a function that waits, each time longer, from 50 ms to 2 s; it reports
// false if ctx ended first.
func backoff() func(context.Context) bool {
	const most = 2 * time.Second
	wait := 50 * time.Millisecond
	return func(ctx context.Context) bool {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		wait = min(2*wait, most)
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		}
	}
}
