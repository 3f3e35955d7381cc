package kafka_test

import (
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// TestAnOnceProducerSendsOnce holds that a batch which the broker refuses for a moment is sent again by a
// producer, and not by one that sends once.
func TestAnOnceProducerSendsOnce(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "states"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kafka.NewClient(cluster.ListenAddrs(), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	once, err := client.NewOnceProducer(t.Context(), "states")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(once.Close)
	producer, err := client.NewProducer(t.Context(), "states")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	var sent atomic.Int64
	cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if sent.Add(1)%2 == 0 {
			return nil, nil, false // the broker takes it
		}
		answer := r.ResponseKind().(*kmsg.ProduceResponse)
		refused := kmsg.NewProduceResponseTopicPartition()
		refused.ErrorCode = 6 // not the leader
		of := kmsg.NewProduceResponseTopic()
		of.Topic, of.Partitions = "states", append(of.Partitions, refused)
		answer.Topics = append(answer.Topics, of)
		return answer, nil, true
	})
	records := []kafka.Record{{Key: []byte("k"), Value: []byte("v")}}
	if _, err := producer.Append(t.Context(), 0, records); err != nil || sent.Load() != 2 {
		t.Errorf("a producer sent %d times: %v", sent.Load(), err)
	}
	if _, err := once.Append(t.Context(), 0, records); err == nil || sent.Load() != 3 {
		t.Errorf("one that sends once: %d times in all, %v", sent.Load(), err)
	}
}
