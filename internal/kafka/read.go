package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// readWait bounds one fetch of Read: there is always something to come.
const readWait = 500 * time.Millisecond

// Read gives each the records of one partition in [from, to), in order, and returns when
// there are no more. Offsets whose record was compacted away or has expired are left out.
// A range that ends beyond the partition's end is an error, as is one of each, which ends
// the reading. Brokers that cannot be reached are asked again until ctx ends.
func (c *Client) Read(ctx context.Context, topic string, partition int, from, to int64, each func(Record) error) error {
	if from >= to {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan []Record, 1) // the next batch is fetched while this one is handled
	fetched := make(chan error, 1)
	go func() {
		defer close(batches)
		fetched <- c.fetchRange(ctx, topic, partition, from, to, batches)
	}()
	err := handle(batches, to, each)
	if err != nil {
		cancel()
		for range batches { // let the fetcher end
		}
		return err
	}
	return <-fetched
}

// Follow gives each the records of one partition from an offset on, as they come, until ctx ends.
// It goes on where the oldest record is, if those before have expired, and begins anew where the log
// has become shorter. Brokers that cannot be reached are asked again.
func (c *Client) Follow(ctx context.Context, topic string, partition int, next int64, each func(Record)) error {
	for wait := backoff(); ctx.Err() == nil; {
		batch, err := c.fetch(ctx, fetchRequest{topic: topic, partition: partition, offset: next, minBytes: 1, wait: readWait})
		if errors.Is(err, kafkago.OffsetOutOfRange) {
			var first, end int64
			if first, end, err = c.bounds(ctx, topic, partition); err == nil && (next < first || next > end) {
				next = first
			}
		}
		if err != nil {
			if ctx.Err() == nil && !temporary(err) {
				return err
			}
			wait(ctx)
			continue
		}
		wait = backoff()
		for _, r := range batch {
			each(r)
			next = r.Offset + 1
		}
	}
	return nil
}

func handle(batches <-chan []Record, to int64, each func(Record) error) error {
	for batch := range batches {
		for _, r := range batch {
			if r.Offset >= to {
				break // what follows is of the same batch
			}
			if err := each(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// fetchRange sends what there is from next up to an offset, and what comes with it.
func (c *Client) fetchRange(ctx context.Context, topic string, partition int, next, to int64, batches chan<- []Record) error {
	for wait := backoff(); next < to; {
		batch, err := c.fetch(ctx, fetchRequest{topic: topic, partition: partition, offset: next, minBytes: 1, wait: readWait})
		if err == nil && len(batch) == 0 || errors.Is(err, kafkago.OffsetOutOfRange) {
			next, err = c.skip(ctx, topic, partition, next, to)
		}
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("reading Kafka %s/%d at %d: %w", topic, partition, next, ctx.Err())
		case err != nil && temporary(err) && wait(ctx):
			continue
		case err != nil:
			return err
		case len(batch) == 0:
			continue
		}
		wait = backoff()
		next = batch[len(batch)-1].Offset + 1
		select {
		case batches <- batch:
		case <-ctx.Done():
			return fmt.Errorf("reading Kafka %s/%d at %d: %w", topic, partition, next, ctx.Err())
		}
	}
	return nil
}

// skip is where to go on when a broker has nothing at next: at the oldest record there is,
// if that comes later.
func (c *Client) skip(ctx context.Context, topic string, partition int, next, to int64) (int64, error) {
	first, end, err := c.bounds(ctx, topic, partition)
	if err != nil {
		return next, err
	}
	if end < to {
		return next, fmt.Errorf("reading Kafka %s/%d up to %d: %w: it ends at %d", topic, partition, to, ErrTruncated, end)
	}
	return max(next, first), nil
}

// End is the offset after the newest record of a partition.
func (c *Client) End(ctx context.Context, topic string, partition int) (int64, error) {
	_, end, err := c.bounds(ctx, topic, partition)
	return end, err
}

// bounds are the oldest offset of a partition and the one after its newest.
func (c *Client) bounds(ctx context.Context, topic string, partition int) (first, end int64, err error) {
	answer, err := c.client.ListOffsets(ctx, &kafkago.ListOffsetsRequest{
		Topics: map[string][]kafkago.OffsetRequest{topic: {kafkago.FirstOffsetOf(partition), kafkago.LastOffsetOf(partition)}},
	})
	if err != nil {
		return 0, 0, fmt.Errorf("asking Kafka for the offsets of %s/%d: %w", topic, partition, err)
	}
	for _, p := range answer.Topics[topic] {
		if p.Partition == partition {
			if p.Error != nil {
				return 0, 0, fmt.Errorf("asking Kafka for the offsets of %s/%d: %w", topic, partition, p.Error)
			}
			return p.FirstOffset, p.LastOffset, nil
		}
	}
	return 0, 0, fmt.Errorf("asking Kafka for the offsets of %s/%d: no answer", topic, partition)
}

// fetchBytes bounds one fetch, and so the records that one Handle call is given.
const fetchBytes = 4 << 20

// fetchRequest asks for the records of a partition from an offset on, at least minBytes of
// them unless wait passes.
type fetchRequest struct {
	topic     string
	partition int
	offset    int64
	minBytes  int
	wait      time.Duration
}

// fetch asks a broker once. No record is not an error.
func (c *Client) fetch(ctx context.Context, q fetchRequest) ([]Record, error) {
	answer, err := c.client.Fetch(ctx, &kafkago.FetchRequest{
		Topic: q.topic, Partition: q.partition, Offset: q.offset,
		MinBytes: int64(max(q.minBytes, 1)), MaxBytes: fetchBytes, MaxWait: q.wait,
	})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		return nil, fmt.Errorf("fetching from Kafka %s/%d at %d: %w", q.topic, q.partition, q.offset, err)
	}
	var batch []Record
	for {
		r, err := answer.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return batch, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading Kafka %s/%d at %d: %w", q.topic, q.partition, q.offset, err)
		}
		record, err := q.copy(r)
		if err != nil {
			return nil, fmt.Errorf("reading Kafka %s/%d at %d: %w", q.topic, q.partition, r.Offset, err)
		}
		if r.Offset >= q.offset { // a broker returns whole batches, which may begin earlier
			batch = append(batch, record)
		}
	}
}

// copy takes a record out of kafka-go's buffers. A nil value stays nil.
func (q fetchRequest) copy(r *kafkago.Record) (Record, error) {
	key, err := kafkago.ReadAll(r.Key)
	if err != nil {
		return Record{}, err
	}
	value, err := kafkago.ReadAll(r.Value)
	if err != nil {
		return Record{}, err
	}
	record := Record{Key: key, Value: value, Topic: q.topic, Partition: q.partition, Offset: r.Offset, Time: r.Time}
	for _, h := range r.Headers {
		record.Headers = append(record.Headers, Header{Key: h.Key, Value: h.Value})
	}
	return record, nil
}
