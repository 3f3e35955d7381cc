package collector_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/collector"
	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// TestATopicIsTakenInOnce reads a topic while Kafka refuses a write.
func TestATopicIsTakenInOnce(t *testing.T) {
	f := &faulty{}
	s := start(t, func(o *collector.Options) { f.Writer, o.Events = o.Events, f })
	topic := collector.Topic{Name: "gateway.logs", Format: format.JSONRPC, Of: credential.Identity{Tenant: "acme", Source: "gateway"}}
	if err := s.kafka.EnsureTopics(t.Context(), kafka.Topic{Name: topic.Name, Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	producer, err := s.kafka.NewProducer(t.Context(), topic.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	var records []kafka.Record
	for n := range 100 {
		records = append(records, kafka.Record{Key: fmt.Append(nil, n), Value: []byte(pinged(n % 50))}) // genuine repeats
	}
	records = append(records, kafka.Record{Value: []byte(pinged(100) + "\n" + pinged(101) + "\n")}, kafka.Record{Value: []byte("no JSON")}, kafka.Record{})
	if err := producer.Produce(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	f.left.Store(1)
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := s.collector.Consume(ctx, s.kafka, topic); err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		lag, err := s.kafka.Lag(t.Context(), topic.Group(), topic.Name)
		if err == nil && lag == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("the lag is %d (%v)", lag, err)
			break
		}
	}
	cancel()
	done.Wait()
	ids := map[string]bool{}
	for _, e := range s.events(102) {
		ids[e.ID] = true
		if e.Source.Name != "gateway" || e.Time.IsZero() {
			t.Errorf("%+v", e)
		}
	}
	if len(ids) != 102 {
		t.Errorf("%d ids of 102 events", len(ids))
	}
	s.records(kafka.DeadLetters, 2) // of the attempt that failed, too: one with the same key
}
