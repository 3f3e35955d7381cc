// Package kafka is our thin layer over kafka-go: topics, keys, acknowledged writes and
// consumer generations.
//
// What it promises:
//
//   - Produce returns nil only after every record is acknowledged by all in-sync replicas.
//     Records of one key keep the order in which one caller wrote them. A retry may write a
//     record twice: kafka-go has no idempotent producer, so every reader recognises what it
//     has already seen by id.
//   - Consume gives each assigned partition to one Handler and commits what the Handler says
//     is done: an offset, and a text that is kept with it. A Handler's error is retried, with
//     backoff, until it succeeds or the partition is taken away.
//   - A commit that was accepted is what every later claim of its partition begins with. A
//     former owner that was paused cannot change it: brokers take a commit only from a member
//     of the present generation, and from all members until the last has joined the next.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// Record is one Kafka record.
type Record struct {
	Key     []byte
	Value   []byte
	Headers []Header
	// Topic, Partition, Offset and Time are set on records that were read.
	Topic     string
	Partition int
	Offset    int64
	Time      time.Time
}

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

// size is what the record weighs in a batch, in bytes, about.
func (r Record) size() int {
	n := len(r.Key) + len(r.Value) + 64
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// Client speaks to one Kafka cluster. It is safe for concurrent use.
type Client struct {
	brokers   []string
	transport *kafkago.Transport
	client    *kafkago.Client
}

// dialTimeout bounds one attempt to reach a broker; requestTimeout one request without a
// deadline of its own.
const (
	dialTimeout    = 3 * time.Second
	requestTimeout = 10 * time.Second
)

// NewClient returns a client for the brokers, given as host:port. It connects on first use.
func NewClient(brokers []string, clientID string) (*Client, error) {
	if len(brokers) == 0 {
		return nil, errors.New("no Kafka broker address given")
	}
	transport := &kafkago.Transport{ClientID: clientID, DialTimeout: dialTimeout, IdleTimeout: time.Minute, MetadataTTL: 5 * time.Second}
	return &Client{
		brokers:   slices.Clone(brokers),
		transport: transport,
		client:    &kafkago.Client{Addr: kafkago.TCP(brokers...), Timeout: requestTimeout, Transport: transport},
	}, nil
}

// Close drops idle connections. Producers are closed apart, before.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Topic is a topic as it must be.
type Topic struct {
	Name string
	// Partitions is fixed at creation: keys must stay where they are.
	Partitions int
	// Replication is the replication factor; min.insync.replicas is one less, at least 1.
	Replication int
	// Retention is how long records are kept; 0 leaves it to the broker.
	Retention time.Duration
	// Compact keeps the newest record of each key; with a Retention, no longer than that.
	Compact bool
	// MaxBytes is the largest batch the topic takes; 0 leaves it to the broker.
	MaxBytes int
}

// EnsureTopics creates the topics that are missing. One that exists must have the stated
// number of partitions (any, where 0 is stated).
func (c *Client) EnsureTopics(ctx context.Context, topics ...Topic) error {
	create := &kafkago.CreateTopicsRequest{}
	for _, t := range topics {
		if t.Partitions == 0 {
			continue
		}
		create.Topics = append(create.Topics, t.config())
	}
	if len(create.Topics) > 0 {
		answer, err := c.createTopics(ctx, create)
		if err != nil {
			return err
		}
		for name, err := range answer.Errors {
			if err != nil && !errors.Is(err, kafkago.TopicAlreadyExists) {
				return fmt.Errorf("creating Kafka topic %s: %w", name, err)
			}
		}
	}
	return c.checkTopics(ctx, topics)
}

// createTopics asks until a broker answers or ctx ends: parts are started beside brokers.
func (c *Client) createTopics(ctx context.Context, create *kafkago.CreateTopicsRequest) (*kafkago.CreateTopicsResponse, error) {
	for wait := backoff(); ; {
		answer, err := c.client.CreateTopics(ctx, create)
		if err == nil {
			return answer, nil
		}
		if !temporary(err) || !wait(ctx) {
			return nil, fmt.Errorf("creating topics in Kafka at %s: %w", strings.Join(c.brokers, ","), err)
		}
	}
}

// checkTopics waits until the brokers know the topics, then compares partition counts.
func (c *Client) checkTopics(ctx context.Context, topics []Topic) error {
	for {
		counts, err := c.partitions(ctx, topics)
		if err == nil {
			for _, t := range topics {
				if t.Partitions != 0 && counts[t.Name] != t.Partitions {
					return fmt.Errorf("the Kafka topic %s has %d partitions, %d are configured: partition counts are fixed when a topic is made",
						t.Name, counts[t.Name], t.Partitions)
				}
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (c *Client) partitions(ctx context.Context, topics []Topic) (map[string]int, error) {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name
	}
	answer, err := c.client.Metadata(ctx, &kafkago.MetadataRequest{Topics: names})
	if err != nil {
		return nil, fmt.Errorf("asking Kafka at %s for its topics: %w", strings.Join(c.brokers, ","), err)
	}
	counts := make(map[string]int, len(topics))
	for _, t := range answer.Topics {
		if t.Error != nil {
			return nil, fmt.Errorf("asking Kafka for topic %s: %w", t.Name, t.Error)
		}
		counts[t.Name] = len(t.Partitions)
	}
	for _, name := range names {
		if counts[name] == 0 {
			return nil, fmt.Errorf("the Kafka topic %s has no partitions", name)
		}
	}
	return counts, nil
}

// Ready reports whether a broker answers for the topic. It asks for an offset: kafka-go
// may answer a question for metadata itself, from what it knew when the broker was there.
func (c *Client) Ready(ctx context.Context, topic string) error {
	_, _, err := c.bounds(ctx, topic, 0)
	return err
}

// compactedSegment is the size of a compacted topic's segments: brokers never compact the
// newest one, and their default of 1 GiB would be read at each takeover.
const compactedSegment = 64 << 20

func (t Topic) config() kafkago.TopicConfig {
	config := kafkago.TopicConfig{Topic: t.Name, NumPartitions: t.Partitions, ReplicationFactor: max(t.Replication, 1)}
	set := func(name, value string) {
		config.ConfigEntries = append(config.ConfigEntries, kafkago.ConfigEntry{ConfigName: name, ConfigValue: value})
	}
	set("min.insync.replicas", fmt.Sprint(max(t.Replication-1, 1)))
	if t.Retention > 0 {
		set("retention.ms", fmt.Sprint(t.Retention.Milliseconds()))
	}
	switch {
	case t.Compact && t.Retention > 0:
		set("cleanup.policy", "compact,delete")
	case t.Compact:
		set("cleanup.policy", "compact")
		set("retention.ms", "-1") // the embedded broker applies its default to compacted topics too
	}
	if t.Compact {
		set("segment.bytes", fmt.Sprint(compactedSegment))
	}
	if t.MaxBytes > 0 {
		set("max.message.bytes", fmt.Sprint(t.MaxBytes))
	}
	return config
}
