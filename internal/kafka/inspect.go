package kafka

import (
	"context"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"
)

// TopicState is how a topic is.
type TopicState struct {
	Name       string
	Partitions int
	// Leaderless partitions can be neither read nor written; Behind ones have replicas that do
	// not follow.
	Leaderless, Behind int
	// Replicas is the fewest that a partition has.
	Replicas int
	// Settings are those that the brokers tell of, by name.
	Settings map[string]string
	// Records is how many lie there, about.
	Records int64
}

// Inspect says how topics are. One that is not there has no partitions.
func (c *Client) Inspect(ctx context.Context, names ...string) ([]TopicState, error) {
	answer, err := c.client.Metadata(ctx, &kafkago.MetadataRequest{Topics: names})
	if err != nil {
		return nil, fmt.Errorf("asking Kafka for its topics: %w", err)
	}
	states := make([]TopicState, 0, len(names))
	for _, topic := range answer.Topics {
		s := TopicState{Name: topic.Name}
		if topic.Error == nil {
			if err := c.inspect(ctx, &s, topic.Partitions); err != nil {
				return nil, err
			}
		}
		states = append(states, s)
	}
	return states, nil
}

func (c *Client) inspect(ctx context.Context, s *TopicState, partitions []kafkago.Partition) error {
	s.Partitions = len(partitions)
	for i, p := range partitions {
		if i == 0 || len(p.Replicas) < s.Replicas {
			s.Replicas = len(p.Replicas)
		}
		if len(p.Isr) < len(p.Replicas) {
			s.Behind++
		}
		if p.Leader.Host == "" {
			s.Leaderless++
			continue
		}
		first, end, err := c.bounds(ctx, s.Name, p.ID)
		if err != nil {
			return err
		}
		s.Records += end - first
	}
	answer, err := c.client.DescribeConfigs(ctx, &kafkago.DescribeConfigsRequest{
		Resources: []kafkago.DescribeConfigRequestResource{{ResourceType: kafkago.ResourceTypeTopic, ResourceName: s.Name}},
	})
	if err != nil {
		return fmt.Errorf("asking Kafka for the settings of %s: %w", s.Name, err)
	}
	s.Settings = map[string]string{}
	for _, resource := range answer.Resources {
		if resource.Error != nil {
			return fmt.Errorf("asking Kafka for the settings of %s: %w", s.Name, resource.Error)
		}
		for _, e := range resource.ConfigEntries {
			s.Settings[e.ConfigName] = e.ConfigValue
		}
	}
	return nil
}
