package kafka_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

func TestARecordArrivesWithKeyHeadersAndPlace(t *testing.T) {
	client := start(t)
	producer := topic(t, client, "events", 1)
	sent := []kafka.Record{
		{Key: []byte("k\x00"), Value: []byte("\x00\xff\n"), Headers: []kafka.Header{{Key: "reason", Value: []byte("é\x00")}, {Key: "reason", Value: []byte("again")}, {Key: "", Value: nil}}},
		{Value: []byte{}},
	}
	if err := producer.Produce(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	got := make(chan kafka.Record, len(sent))
	member(t, client, kafka.Group{Open: func(_ context.Context, c kafka.Claim) (kafka.Handler, int64, error) {
		return handlerFunc(func(records []kafka.Record) error {
			for _, r := range records {
				got <- r
			}
			return nil
		}), c.Offset, nil
	}})
	for i, want := range sent {
		select {
		case r := <-got:
			if !bytes.Equal(r.Key, want.Key) || !bytes.Equal(r.Value, want.Value) || r.Topic != "events" || r.Partition != 0 || r.Offset != int64(i) || r.Time.IsZero() {
				t.Errorf("record %d arrived as %+v", i, r)
			}
			if fmt.Sprintf("%q", r.Headers) != fmt.Sprintf("%q", want.Headers) {
				t.Errorf("record %d has the headers %q, want %q", i, r.Headers, want.Headers)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("waited 30 s in vain")
		}
	}
}

// TestARecordTheBrokerNeverTakesFailsAtOnce: trying again would hold its partition up.
func TestARecordTheBrokerNeverTakesFailsAtOnce(t *testing.T) {
	client := start(t)
	producer := topic(t, client, "events", 1)
	noise := make([]byte, 5<<20) // the topic takes 4 MiB
	source := rand.NewChaCha8([32]byte{})
	_, _ = source.Read(noise)
	err := producer.Produce(t.Context(), []kafka.Record{{Value: noise}})
	if err == nil || !strings.Contains(err.Error(), "producing to Kafka topic events partition 0") {
		t.Errorf("got %v", err)
	}
	produceAll(t, producer, []string{"the next one passes"})
}

func TestOneCallMayWriteToManyPartitions(t *testing.T) {
	client := start(t)
	producer := topic(t, client, "events", 4)
	values := numbered(0, 200)
	produceAll(t, producer, values)
	l := newLedger()
	partitions := make(chan int, 4)
	member(t, client, kafka.Group{Open: func(_ context.Context, c kafka.Claim) (kafka.Handler, int64, error) {
		return handlerFunc(func(records []kafka.Record) error {
			select {
			case partitions <- c.Partition:
			default:
			}
			return l.handle(records)
		}), c.Offset, nil
	}})
	l.await(t, values)
	if len(partitions) < 4 {
		t.Errorf("200 keys lie in %d partitions", len(partitions))
	}
	for v, n := range l.seen {
		if n != 1 {
			t.Errorf("%s was read %d times", v, n)
		}
	}
}

func TestNoTwoTenantsAndActorsShareAKey(t *testing.T) {
	tenant := rapid.StringMatching(`[a-z]{1,3}`)
	actor := rapid.StringOfN(rapid.RuneFrom([]rune{'a', ':', '/', 0}), 0, 4, -1)
	rapid.Check(t, func(t *rapid.T) {
		t1, a1, t2, a2 := tenant.Draw(t, "tenant"), actor.Draw(t, "actor"), tenant.Draw(t, "other tenant"), actor.Draw(t, "other actor")
		if same := t1 == t2 && a1 == a2; bytes.Equal(kafka.Key(t1, a1), kafka.Key(t2, a2)) != same {
			t.Fatalf("%q %q and %q %q", t1, a1, t2, a2)
		}
	})
}

func TestTheLayoutsTopicsAreMadeOnceAndKept(t *testing.T) {
	client := start(t)
	layout := kafka.Layout{Partitions: 3, Replication: 1, Retention: time.Hour}
	for range 2 {
		if err := client.EnsureTopics(t.Context(), layout.Topics()...); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{kafka.Events, kafka.Findings, kafka.DeadLetters, kafka.State, kafka.Observations} {
		if err := client.EnsureTopics(t.Context(), kafka.Topic{Name: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := client.EnsureTopics(t.Context(), kafka.Topic{Name: kafka.Control, Partitions: 1}); err != nil {
		t.Error(err)
	}
	layout.Partitions = 4
	if err := client.EnsureTopics(t.Context(), layout.Topics()...); err == nil || !strings.Contains(err.Error(), "has 3 partitions, 4 are configured") {
		t.Errorf("another number of partitions: %v", err)
	}
}

func TestEachTopicIsCleanedAsItMustBe(t *testing.T) {
	addr, client := broker(t)
	if err := client.EnsureTopics(t.Context(), kafka.Layout{Partitions: 3, Replication: 1, Retention: time.Hour}.Topics()...); err != nil {
		t.Fatal(err)
	}
	transport := &kafkago.Transport{}
	defer transport.CloseIdleConnections()
	direct := &kafkago.Client{Addr: kafkago.TCP(addr), Transport: transport, Timeout: 10 * time.Second}
	for _, test := range []struct{ topic, policy, retention string }{
		{kafka.Events, "delete", "3600000"},
		{kafka.DeadLetters, "delete", "14400000"},
		{kafka.Observations, "delete", "3600000"},
		{kafka.State, "compact,delete", "3600000"},
		{kafka.Control, "compact", "-1"},
	} {
		answer, err := direct.DescribeConfigs(t.Context(), &kafkago.DescribeConfigsRequest{Resources: []kafkago.DescribeConfigRequestResource{{
			ResourceType: kafkago.ResourceTypeTopic, ResourceName: test.topic, ConfigNames: []string{"cleanup.policy", "retention.ms"},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, entry := range answer.Resources[0].ConfigEntries {
			got[entry.ConfigName] = entry.ConfigValue
		}
		if got["cleanup.policy"] != test.policy || got["retention.ms"] != test.retention {
			t.Errorf("%s: %v, want %s and %s", test.topic, got, test.policy, test.retention)
		}
	}
}

func TestWithoutABrokerOrTopicTheErrorSaysSo(t *testing.T) {
	if _, err := kafka.NewClient(nil, "test"); err == nil {
		t.Error("a client of no broker")
	}
	client := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := client.NewProducer(ctx, "missing"); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a producer to no topic: %v", err)
	}
	if err := client.Consume(ctx, kafka.Group{}); err == nil {
		t.Error("a group without a name")
	}
}
