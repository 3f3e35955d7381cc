package kafka

import (
	"context"
	"errors"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"
)

// Commit is what a Handler has done of its partition.
type Commit struct {
	// Offset is the first that is not done yet.
	Offset int64
	// Metadata is kept with the offset: both change together or not at all. Brokers take up
	// to 4,096 bytes where nothing else is configured (offset.metadata.max.bytes).
	Metadata string
}

// All is the commit of a batch of which nothing is left to do.
func All(records []Record) Commit { return Commit{Offset: records[len(records)-1].Offset + 1} }

// committed is the group's last accepted commit of a partition; the offset is below 0
// where there is none.
func (c *Client) committed(ctx context.Context, group, topic string, partition int) (Commit, error) {
	answer, err := c.client.OffsetFetch(ctx, &kafkago.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {partition}}})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		return Commit{}, fmt.Errorf("asking Kafka what group %s has committed of %s/%d: %w", group, topic, partition, err)
	}
	for _, p := range answer.Topics[topic] {
		if p.Partition == partition {
			if p.Error != nil {
				return Commit{}, fmt.Errorf("asking Kafka what group %s has committed of %s/%d: %w", group, topic, partition, p.Error)
			}
			return Commit{Offset: p.CommittedOffset, Metadata: p.Metadata}, nil
		}
	}
	return Commit{}, fmt.Errorf("asking Kafka what group %s has committed of %s/%d: no answer", group, topic, partition)
}

// commit asks once for a commit in the claim's generation.
func (p *partition) commit(ctx context.Context, commit Commit) error {
	topic, number := p.claim.Topic, p.claim.Partition
	answer, err := p.client.client.OffsetCommit(ctx, &kafkago.OffsetCommitRequest{
		GroupID: p.group.ID, GenerationID: int(p.claim.Generation), MemberID: p.member,
		Topics: map[string][]kafkago.OffsetCommit{topic: {{Partition: number, Offset: commit.Offset, Metadata: commit.Metadata}}},
	})
	if err != nil {
		return fmt.Errorf("committing offset %d of %s/%d to Kafka: %w", commit.Offset, topic, number, err)
	}
	for _, answered := range answer.Topics[topic] {
		if answered.Partition == number {
			if answered.Error != nil {
				return fmt.Errorf("committing offset %d of %s/%d to Kafka: %w", commit.Offset, topic, number, answered.Error)
			}
			return nil
		}
	}
	return fmt.Errorf("committing offset %d of %s/%d to Kafka: no answer", commit.Offset, topic, number)
}

// final reports whether no further attempt at a commit may follow in its claim. Either the
// generation has ended: others own the partition. Or no broker has answered: the request may
// still arrive, and would take back the commits that followed it, had it not been fenced by
// the end of its generation.
func final(err error) bool {
	code, answered := errors.AsType[kafkago.Error](err)
	ended := code == kafkago.IllegalGeneration || code == kafkago.UnknownMemberId || code == kafkago.RebalanceInProgress
	return !answered || ended
}
