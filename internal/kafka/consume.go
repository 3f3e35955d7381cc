package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// Claim is a partition that this process has been assigned, for one generation of its group.
type Claim struct {
	Topic     string
	Partition int
	// Generation is the group's; a later owner of the partition has a higher one.
	Generation int32
	// Offset is the first that the group has not committed.
	Offset int64
	// First is the oldest offset that the broker still holds.
	First int64
}

// Handler is given the records of one partition, in order.
type Handler interface {
	// Handle returns nil once all that the records cause is durable; their offsets are then
	// committed. After an error it is called again with the same records.
	Handle(ctx context.Context, records []Record) error
}

// Group describes a consumer group.
type Group struct {
	ID    string
	Topic string
	// Open makes the handler of a claim and says at which offset to begin reading: the
	// claim's, or an earlier one to rebuild state from. What was committed stays committed.
	Open func(ctx context.Context, claim Claim) (Handler, int64, error)
	// Retrying is told of each failed attempt. It must be quick.
	Retrying func(claim Claim, err error)
	// Truncated is told by how many records the log has become shorter than what the group
	// had committed: the brokers lost its end. Reading begins anew at the oldest record, since
	// nobody knows which of those that came afterwards were read.
	Truncated func(claim Claim, records int64)
	// Expired is told how many records the broker had already deleted before they were read.
	Expired func(claim Claim, records int64)
	// MaxWait is how long a fetch waits for MinBytes to come together.
	MaxWait  time.Duration
	MinBytes int
}

// fetchBytes bounds one fetch, and so the records that one Handle call is given.
const fetchBytes = 4 << 20

// Session timing of a group: a member that died is replaced after about sessionTimeout.
const (
	sessionTimeout    = 6 * time.Second
	heartbeatInterval = time.Second
	joinBackoff       = 500 * time.Millisecond
)

// Consume takes part in the group until ctx ends, and then leaves it in order, so that
// its partitions move at once. It returns an error only where the group cannot be joined
// as configured.
func (c *Client) Consume(ctx context.Context, g Group) error {
	group, err := kafkago.NewConsumerGroup(kafkago.ConsumerGroupConfig{
		ID: g.ID, Brokers: c.brokers, Topics: []string{g.Topic},
		GroupBalancers:    []kafkago.GroupBalancer{kafkago.RangeGroupBalancer{}},
		HeartbeatInterval: heartbeatInterval, SessionTimeout: sessionTimeout,
		RebalanceTimeout: sessionTimeout, JoinGroupBackoff: joinBackoff, Timeout: requestTimeout,
		StartOffset: kafkago.FirstOffset,
	})
	if err != nil {
		return fmt.Errorf("joining Kafka group %s: %w", g.ID, err)
	}
	left := make(chan struct{})
	leave := func() {
		defer close(left)
		_ = group.Close() // a group that cannot be left in order notices within sessionTimeout
	}
	stop := context.AfterFunc(ctx, leave)
	defer func() {
		if stop() {
			leave()
		}
		<-left
	}()
	for {
		generation, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, kafkago.ErrGroupClosed):
			return nil
		case err != nil:
			g.Retrying(Claim{Topic: g.Topic, Partition: -1}, fmt.Errorf("joining Kafka group %s: %w", g.ID, err))
			continue
		}
		for _, assigned := range generation.Assignments[g.Topic] {
			generation.Start(func(life context.Context) {
				life, cancel := context.WithCancel(life)
				defer cancel()
				defer context.AfterFunc(ctx, cancel)()
				c.own(life, g, generation, assigned)
			})
		}
	}
}

// own reads one partition for the life of its generation. It returns early, which ends
// the generation, only where the partition cannot be opened.
func (c *Client) own(ctx context.Context, g Group, generation *kafkago.Generation, assigned kafkago.PartitionAssignment) {
	claim := Claim{Topic: g.Topic, Partition: assigned.ID, Generation: generation.ID, Offset: assigned.Offset}
	var handler Handler
	var next int64
	var end int64
	found := retry(ctx, g, claim, func() (err error) {
		claim.First, end, err = c.bounds(ctx, g.Topic, assigned.ID)
		return err
	})
	if !found {
		return
	}
	claim.Offset = max(assigned.Offset, claim.First)
	switch {
	case assigned.Offset > end:
		g.Truncated(claim, assigned.Offset-end)
		claim.Offset = claim.First
	case assigned.Offset >= 0 && assigned.Offset < claim.First:
		g.Expired(claim, claim.First-assigned.Offset)
	}
	opened := retry(ctx, g, claim, func() (err error) {
		handler, next, err = g.Open(ctx, claim)
		return err
	})
	if !opened {
		return
	}
	p := partition{client: c, group: g, claim: claim, next: max(next, claim.First), committed: claim.Offset}
	batches := make(chan []Record, 1) // the next batch is fetched while this one is handled
	var fetcher sync.WaitGroup
	fetcher.Go(func() {
		defer close(batches)
		p.fetch(ctx, batches)
	})
	defer fetcher.Wait()
	for batch := range batches {
		end := batch[len(batch)-1].Offset + 1
		if !retry(ctx, g, claim, func() error { return handler.Handle(ctx, batch) }) {
			break
		}
		if end <= p.committed {
			continue
		}
		committed := retry(ctx, g, claim, func() error {
			return generation.CommitOffsets(map[string]map[int]int64{g.Topic: {assigned.ID: end}})
		})
		if !committed {
			break
		}
		p.committed = end
	}
	for range batches { // let the fetcher end
	}
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

type partition struct {
	client    *Client
	group     Group
	claim     Claim
	next      int64
	committed int64
}

// fetch sends batches until ctx ends.
func (p *partition) fetch(ctx context.Context, batches chan<- []Record) {
	for ctx.Err() == nil {
		var batch []Record
		truncated := false
		read := retry(ctx, p.group, p.claim, func() (err error) {
			batch, err = p.read(ctx)
			if truncated = errors.Is(err, errTruncated); truncated {
				return nil
			}
			return err
		})
		if truncated {
			p.group.Retrying(p.claim, fmt.Errorf("reading Kafka %s/%d: offset %d is beyond its end: %w", p.claim.Topic, p.claim.Partition, p.next, errTruncated))
			return
		}
		if !read {
			return
		}
		if len(batch) == 0 {
			continue
		}
		p.next = batch[len(batch)-1].Offset + 1
		select {
		case batches <- batch:
		case <-ctx.Done():
			return
		}
	}
}

// read fetches once. No record is not an error.
func (p *partition) read(ctx context.Context) ([]Record, error) {
	answer, err := p.client.client.Fetch(ctx, &kafkago.FetchRequest{
		Topic: p.claim.Topic, Partition: p.claim.Partition, Offset: p.next,
		MinBytes: int64(max(p.group.MinBytes, 1)), MaxBytes: fetchBytes, MaxWait: p.group.MaxWait,
	})
	if err != nil {
		return nil, fmt.Errorf("fetching from Kafka %s/%d at %d: %w", p.claim.Topic, p.claim.Partition, p.next, err)
	}
	if errors.Is(answer.Error, kafkago.OffsetOutOfRange) {
		return nil, p.skipExpired(ctx)
	}
	if answer.Error != nil {
		return nil, fmt.Errorf("fetching from Kafka %s/%d at %d: %w", p.claim.Topic, p.claim.Partition, p.next, answer.Error)
	}
	var batch []Record
	for {
		r, err := answer.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return batch, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading Kafka %s/%d at %d: %w", p.claim.Topic, p.claim.Partition, p.next, err)
		}
		record, err := p.copy(r)
		if err != nil {
			return nil, fmt.Errorf("reading Kafka %s/%d at %d: %w", p.claim.Topic, p.claim.Partition, r.Offset, err)
		}
		if r.Offset >= p.next { // a broker returns whole batches, which may begin earlier
			batch = append(batch, record)
		}
	}
}

// errTruncated ends a partition's generation: it is opened anew, where its log begins.
var errTruncated = errors.New("the log has become shorter than what was read")

// skipExpired goes on with the oldest record there is, and reports what was lost.
func (p *partition) skipExpired(ctx context.Context) error {
	first, end, err := p.client.bounds(ctx, p.claim.Topic, p.claim.Partition)
	if err != nil {
		return err
	}
	if p.next > end {
		return errTruncated
	}
	if first > p.next {
		p.group.Expired(p.claim, first-p.next)
		p.next = first
	}
	return nil
}

func (p *partition) copy(r *kafkago.Record) (Record, error) {
	key, err := kafkago.ReadAll(r.Key)
	if err != nil {
		return Record{}, err
	}
	value, err := kafkago.ReadAll(r.Value)
	if err != nil {
		return Record{}, err
	}
	record := Record{Key: key, Value: value, Topic: p.claim.Topic, Partition: p.claim.Partition, Offset: r.Offset, Time: r.Time}
	for _, h := range r.Headers {
		record.Headers = append(record.Headers, Header{Key: h.Key, Value: h.Value})
	}
	return record, nil
}

// retry calls do until it succeeds, and reports false if ctx ended first.
func retry(ctx context.Context, g Group, claim Claim, do func() error) bool {
	for wait := backoff(); ; {
		err := do()
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		g.Retrying(claim, err)
		if !wait(ctx) {
			return false
		}
	}
}
