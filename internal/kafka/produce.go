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
	partitions []*groupcommit.Committer[Record]
}

// NewProducer returns a producer for an existing topic. Close ends it.
func (c *Client) NewProducer(ctx context.Context, topic string) (*Producer, error) {
	counts, err := c.partitions(ctx, []Topic{{Name: topic}})
	if err != nil {
		return nil, err
	}
	p := &Producer{client: c, topic: topic}
	for i := range counts[topic] {
		p.partitions = append(p.partitions, groupcommit.New(groupcommit.Options[Record]{
			Commit: func(ctx context.Context, records []Record) error { return p.commit(ctx, i, records) },
			Weight: Record.size,
			Most:   MaxBatchBytes,
		}))
	}
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
	byPartition := make(map[int][]Record)
	for _, r := range records {
		n := p.partition(r.Key)
		byPartition[n] = append(byPartition[n], r)
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

// partition hashes a key with FNV-1a: stable over time and processes, which is what keeps
// an actor's events in one partition.
func (p *Producer) partition(key []byte) int {
	h := fnv.New32a()
	h.Write(key)
	return int(h.Sum32() % uint32(len(p.partitions)))
}

// commit writes the records in batches of bounded size, one after the other.
func (p *Producer) commit(ctx context.Context, partition int, records []Record) error {
	ctx, cancel := context.WithTimeout(ctx, produceTimeout)
	defer cancel()
	for len(records) > 0 {
		n, size := 0, 0
		for n < len(records) && (n == 0 || size+records[n].size() <= MaxBatchBytes) {
			size += records[n].size()
			n++
		}
		if err := p.write(ctx, partition, records[:n]); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

// write sends one batch until it is acknowledged, fails for good, or ctx ends.
func (p *Producer) write(ctx context.Context, partition int, records []Record) error {
	for wait := backoff(); ; {
		err := p.send(ctx, partition, records)
		if err == nil {
			return nil
		}
		if !temporary(err) || !wait(ctx) {
			return fmt.Errorf("producing to Kafka topic %s partition %d: %w", p.topic, partition, err)
		}
	}
}

func (p *Producer) send(ctx context.Context, partition int, records []Record) error {
	batch := make([]kafkago.Record, len(records))
	now := time.Now()
	for i, r := range records {
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
		return err
	}
	return answer.Error
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
