package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	embedded "github.com/mcpwatch/mcpwatch/internal/embedded/kafka"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t testing.TB) *kafka.Client {
	t.Helper()
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
	return client
}

func topic(t testing.TB, client *kafka.Client, name string, partitions int) *kafka.Producer {
	t.Helper()
	if err := client.EnsureTopics(t.Context(), kafka.Topic{Name: name, Partitions: partitions, MaxBytes: 4 << 20}); err != nil {
		t.Fatal(err)
	}
	producer, err := client.NewProducer(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	return producer
}

// recorder collects what its partitions are given, and fails the first attempts.
type recorder struct {
	mu       sync.Mutex
	got      map[int][]string
	failures int
	enough   chan struct{}
	want     int
	total    int
}

func newRecorder(want, failures int) *recorder {
	return &recorder{got: map[int][]string{}, failures: failures, enough: make(chan struct{}), want: want}
}

func (r *recorder) Handle(_ context.Context, records []kafka.Record) (kafka.Commit, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures > 0 {
		r.failures--
		return kafka.Commit{}, errors.New("not yet")
	}
	for _, rec := range records {
		r.got[rec.Partition] = append(r.got[rec.Partition], string(rec.Value))
		r.total++
	}
	if r.total == r.want {
		close(r.enough)
	}
	return kafka.All(records), nil
}

func consume(t *testing.T, client *kafka.Client, r *recorder, topic string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		err := client.Consume(ctx, kafka.Group{
			ID: "g", Topic: topic, MaxWait: 100 * time.Millisecond,
			Open:      func(_ context.Context, c kafka.Claim) (kafka.Handler, int64, error) { return r, c.Offset, nil },
			Retrying:  func(kafka.Claim, error) {},
			Truncated: func(_ kafka.Claim, _ int64) {},
			Expired:   func(_ kafka.Claim, n int64) { t.Errorf("%d records expired", n) },
		})
		if err != nil {
			t.Errorf("consume: %v", err)
		}
	})
	return func() { cancel(); done.Wait() }
}

func await(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("waited 30 s in vain")
	}
}

func TestProduceThenConsumeKeepsOrderPerKeyAndLosesNothing(t *testing.T) {
	client := start(t)
	producer := topic(t, client, "events", 4)
	const keys, each = 20, 200
	var group sync.WaitGroup
	for k := range keys {
		group.Go(func() {
			for i := range each {
				r := kafka.Record{Key: fmt.Appendf(nil, "key-%d", k), Value: fmt.Appendf(nil, "%d:%d", k, i)}
				if err := producer.Produce(t.Context(), []kafka.Record{r}); err != nil {
					t.Errorf("produce: %v", err)
				}
			}
		})
	}
	group.Wait()

	r := newRecorder(keys*each, 3)
	stop := consume(t, client, r, "events")
	await(t, r.enough)
	stop()

	next := map[int]int{}
	for _, values := range r.got {
		for _, v := range values {
			var k, i int
			if _, err := fmt.Sscanf(v, "%d:%d", &k, &i); err != nil {
				t.Fatal(err)
			}
			if next[k] != i {
				t.Fatalf("key %d: got %d, want %d", k, i, next[k])
			}
			next[k]++
		}
	}
	for k := range keys {
		if next[k] != each {
			t.Errorf("key %d: %d records, want %d", k, next[k], each)
		}
	}
}

func TestCommittedOffsetsAreNotReadAgain(t *testing.T) {
	client := start(t)
	producer := topic(t, client, "events", 1)
	produce := func(values ...string) {
		var records []kafka.Record
		for _, v := range values {
			records = append(records, kafka.Record{Key: []byte("k"), Value: []byte(v)})
		}
		if err := producer.Produce(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	produce("a", "b")
	first := newRecorder(2, 0)
	stop := consume(t, client, first, "events")
	await(t, first.enough)
	stop()

	produce("c")
	second := newRecorder(1, 0)
	stop = consume(t, client, second, "events")
	await(t, second.enough)
	stop()
	if got := second.got[0]; !slices.Equal(got, []string{"c"}) {
		t.Errorf("the second consumer got %q, want [c]", got)
	}
}

func TestOpenMayRewindWithoutMovingTheCommit(t *testing.T) {
	client := start(t)
	producer := topic(t, client, "events", 1)
	for _, v := range []string{"a", "b", "c"} {
		if err := producer.Produce(t.Context(), []kafka.Record{{Value: []byte(v)}}); err != nil {
			t.Fatal(err)
		}
	}
	r := newRecorder(3, 0)
	stop := consume(t, client, r, "events")
	await(t, r.enough)
	stop()

	again := newRecorder(2, 0)
	ctx, cancel := context.WithCancel(t.Context())
	var claimed kafka.Claim
	var done sync.WaitGroup
	done.Go(func() {
		_ = client.Consume(ctx, kafka.Group{
			ID: "g", Topic: "events", MaxWait: 100 * time.Millisecond,
			Open: func(_ context.Context, c kafka.Claim) (kafka.Handler, int64, error) {
				claimed = c
				return again, c.Offset - 2, nil
			},
			Retrying:  func(kafka.Claim, error) {},
			Truncated: func(_ kafka.Claim, _ int64) {},
			Expired:   func(kafka.Claim, int64) {},
		})
	})
	await(t, again.enough)
	cancel()
	done.Wait()
	if claimed.Offset != 3 {
		t.Errorf("claimed offset %d, want 3", claimed.Offset)
	}
	if got := again.got[0]; !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("after the rewind: %q, want [b c]", got)
	}
}

func TestRecordsLargerThanABatchArePassed(t *testing.T) {
	client := start(t)
	producer := topic(t, client, "events", 1)
	var records []kafka.Record
	for i := range 12 {
		value := make([]byte, 700_000)
		for j := range value {
			value[j] = byte(j*7 + i) // compresses little
		}
		records = append(records, kafka.Record{Value: value})
	}
	if err := producer.Produce(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	r := newRecorder(len(records), 0)
	stop := consume(t, client, r, "events")
	await(t, r.enough)
	stop()
}

func TestAWrongPartitionCountIsRefused(t *testing.T) {
	client := start(t)
	topic(t, client, "events", 2)
	err := client.EnsureTopics(t.Context(), kafka.Topic{Name: "events", Partitions: 3})
	if err == nil {
		t.Fatal("a topic of 2 partitions passed for one of 3")
	}
}

func TestProduceFailsWhenTheBrokerIsGone(t *testing.T) {
	broker, err := embedded.Start(embedded.Options{Listen: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	client, err := kafka.NewClient([]string{broker.Addr()}, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	producer := topic(t, client, "events", 1)
	broker.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := producer.Produce(ctx, []kafka.Record{{Value: []byte("x")}}); err == nil {
		t.Fatal("a record was acknowledged by nobody")
	}
}
