package kafka

import (
	"context"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"
)

// Lag is how many records of a topic a group has not committed yet.
func (c *Client) Lag(ctx context.Context, group, topic string) (int64, error) {
	counts, err := c.partitions(ctx, []Topic{{Name: topic}})
	if err != nil {
		return 0, err
	}
	partitions := make([]int, counts[topic])
	var wanted []kafkago.OffsetRequest
	for i := range partitions {
		partitions[i] = i
		wanted = append(wanted, kafkago.FirstOffsetOf(i), kafkago.LastOffsetOf(i))
	}
	logs, err := c.client.ListOffsets(ctx, &kafkago.ListOffsetsRequest{Topics: map[string][]kafkago.OffsetRequest{topic: wanted}})
	if err != nil {
		return 0, fmt.Errorf("asking Kafka for the offsets of %s: %w", topic, err)
	}
	committed, err := c.client.OffsetFetch(ctx, &kafkago.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: partitions}})
	if err != nil {
		return 0, fmt.Errorf("asking Kafka what group %s has committed of %s: %w", group, topic, err)
	}
	position := make(map[int]int64, len(partitions))
	for _, p := range committed.Topics[topic] {
		position[p.Partition] = p.CommittedOffset
	}
	var lag int64
	for _, p := range logs.Topics[topic] {
		lag += max(p.LastOffset-max(position[p.Partition], p.FirstOffset), 0)
	}
	return lag, nil
}
