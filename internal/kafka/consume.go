package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// Claim is a partition that this process has been assigned, for one generation of its group.
type Claim struct {
	Topic     string
	Partition int
	// Generation is the group's; a later claim of the partition has a higher one. Numbers
	// begin anew only where the brokers have forgotten the group and what it had committed.
	Generation int32
	// Offset is the first that the group has not committed.
	Offset int64
	// Metadata is what was committed with Offset; nothing where the log has lost its end.
	Metadata string
	// First is the oldest offset that the broker still holds.
	First int64
}

// Handler is given the records of one partition, in order. One that is an io.Closer is closed when
// its claim is over.
type Handler interface {
	// Handle does the work of the records and says what is done and durable. It is not
	// called again before that commit has been accepted; an offset below that of the commit
	// before, such as 0, commits nothing. A commit that is refused, because the claim's
	// generation has ended, or not answered ends the claim. After an error Handle is called
	// again with the same records.
	Handle(ctx context.Context, records []Record) (Commit, error)
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
	for ctx.Err() == nil {
		if err := c.join(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// join is a member of the group until ctx ends or its generation comes twice.
func (c *Client) join(ctx context.Context, g Group) error {
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
	before := int32(-1)
	for {
		generation, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, kafkago.ErrGroupClosed):
			return nil
		case err != nil:
			g.Retrying(Claim{Topic: g.Topic, Partition: -1}, fmt.Errorf("joining Kafka group %s: %w", g.ID, err))
			continue
		case generation.ID == before:
			// A member that joins again may get the generation it had. A commit that it has
			// given up may still arrive and would be accepted: leaving ends the generation.
			return nil
		}
		before = generation.ID
		for _, assigned := range generation.Assignments[g.Topic] {
			generation.Start(func(life context.Context) {
				life, cancel := context.WithCancel(life)
				defer cancel()
				defer context.AfterFunc(ctx, cancel)()
				p := &partition{client: c, group: g, member: generation.MemberID, claim: Claim{Topic: g.Topic, Partition: assigned.ID, Generation: generation.ID}}
				p.own(life)
			})
		}
	}
}
