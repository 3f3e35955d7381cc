package kafka_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	embedded "github.com/mcpwatch/mcpwatch/internal/embedded/kafka"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// TestALogThatLostItsEndIsReadAgain holds that a group that has committed more than the log
// holds, as after a power cut, says so and reads all there is: records written since may
// have taken the offsets of lost ones.
func TestALogThatLostItsEndIsReadAgain(t *testing.T) {
	broker, err := embedded.Start(embedded.Options{Listen: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	client, err := kafka.NewClient([]string{broker.Addr()}, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	producer := topic(t, client, "events", 1)
	for _, v := range []string{"a", "b", "c"} {
		if err := producer.Produce(t.Context(), []kafka.Record{{Value: []byte(v)}}); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, broker.Addr(), "g", "events", 10)

	r := newRecorder(3, 0)
	var lost []int64
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		_ = client.Consume(ctx, kafka.Group{
			ID: "g", Topic: "events", MaxWait: 100 * time.Millisecond,
			Open:      func(_ context.Context, c kafka.Claim) (kafka.Handler, int64, error) { return r, c.Offset, nil },
			Retrying:  func(_ kafka.Claim, err error) { t.Error(err) },
			Truncated: func(_ kafka.Claim, n int64) { lost = append(lost, n) },
			Expired:   func(_ kafka.Claim, n int64) { t.Errorf("%d records expired", n) },
		})
	})
	await(t, r.enough)
	cancel()
	done.Wait()
	if !slices.Equal(r.got[0], []string{"a", "b", "c"}) || !slices.Equal(lost, []int64{7}) {
		t.Errorf("read %q, lost %v; want a, b and c, and 7 lost", r.got[0], lost)
	}
}

// commit moves a group's offset of partition 0 without being a member.
func commit(t *testing.T, addr, group, topic string, offset int64) {
	t.Helper()
	transport := &kafkago.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafkago.Client{Addr: kafkago.TCP(addr), Transport: transport, Timeout: 10 * time.Second}
	answer, err := client.OffsetCommit(t.Context(), &kafkago.OffsetCommitRequest{
		GroupID: group, GenerationID: -1,
		Topics: map[string][]kafkago.OffsetCommit{topic: {{Partition: 0, Offset: offset}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range answer.Topics[topic] {
		if p.Error != nil {
			t.Fatal(p.Error)
		}
	}
}
