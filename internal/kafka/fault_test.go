package kafka_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	embedded "github.com/mcpwatch/mcpwatch/internal/embedded/kafka"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// member takes part in the group of a topic until it is stopped.
func member(t *testing.T, client *kafka.Client, g kafka.Group) (stop func()) {
	t.Helper()
	g.ID, g.Topic, g.MaxWait = "g", "events", 50*time.Millisecond
	if g.Retrying == nil {
		g.Retrying = func(kafka.Claim, error) {}
	}
	if g.Expired == nil {
		g.Expired = func(_ kafka.Claim, n int64) { t.Errorf("%d records expired", n) }
	}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := client.Consume(ctx, g); err != nil {
			t.Errorf("consume: %v", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	t.Cleanup(stop)
	return stop
}

type handlerFunc func([]kafka.Record) error

func (f handlerFunc) Handle(_ context.Context, records []kafka.Record) (kafka.Commit, error) {
	return kafka.All(records), f(records)
}

// ledger counts what was handled, and says when all of a set is there.
type ledger struct {
	mu      sync.Mutex
	changed sync.Cond
	seen    map[string]int
}

func newLedger() *ledger {
	l := &ledger{seen: map[string]int{}}
	l.changed.L = &l.mu
	return l
}

func (l *ledger) handle(records []kafka.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range records {
		l.seen[string(r.Value)]++
	}
	l.changed.Broadcast()
	return nil
}

// await waits until every value is there.
func (l *ledger) await(t *testing.T, values []string) {
	t.Helper()
	all := make(chan struct{})
	var late bool
	go func() {
		defer close(all)
		l.mu.Lock()
		defer l.mu.Unlock()
		for !late && slices.ContainsFunc(values, func(v string) bool { return l.seen[v] == 0 }) {
			l.changed.Wait()
		}
	}()
	select {
	case <-all:
	case <-time.After(60 * time.Second):
		l.mu.Lock()
		late = true
		missing := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return l.seen[v] > 0 })
		l.mu.Unlock()
		l.changed.Broadcast()
		<-all
		t.Fatalf("%d of %d records were lost: %.300q", len(missing), len(values), missing)
	}
}

func produceAll(t *testing.T, producer *kafka.Producer, values []string) {
	t.Helper()
	var records []kafka.Record
	for _, v := range values {
		records = append(records, kafka.Record{Key: []byte(v), Value: []byte(v)})
	}
	if err := producer.Produce(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

func numbered(from, to int) []string {
	var values []string
	for i := from; i < to; i++ {
		values = append(values, fmt.Sprint(i))
	}
	return values
}

func TestPartitionsMoveBetweenMembersAndNothingIsLost(t *testing.T) {
	client := start(t)
	producer := topic(t, client, "events", 4)
	l := newLedger()
	claims := make(chan kafka.Claim, 100)
	open := func(handle handlerFunc) func(context.Context, kafka.Claim) (kafka.Handler, int64, error) {
		return func(_ context.Context, c kafka.Claim) (kafka.Handler, int64, error) {
			claims <- c
			return handle, c.Offset, nil
		}
	}
	next := func() kafka.Claim {
		t.Helper()
		select {
		case c := <-claims:
			return c
		case <-time.After(30 * time.Second):
			t.Fatal("no partition was claimed for 30 s")
			return kafka.Claim{}
		}
	}
	stopFirst := member(t, client, kafka.Group{Open: open(l.handle)})
	produceAll(t, producer, numbered(0, 500))
	var alone int32
	for range 4 {
		alone = next().Generation
	}
	l.await(t, numbered(0, 500))

	second := make(chan struct{}, 1) // told when the second member has handled something
	member(t, client, kafka.Group{Open: open(func(records []kafka.Record) error {
		select {
		case second <- struct{}{}:
		default:
		}
		return l.handle(records)
	})})
	produced := 500
	for shared := false; !shared; {
		produceAll(t, producer, numbered(produced, produced+20))
		produced += 20
		select {
		case <-second:
			shared = true
		case c := <-claims:
			if c.Generation <= alone {
				t.Errorf("partition %d is claimed again in generation %d, was %d", c.Partition, c.Generation, alone)
			}
		}
	}
	l.await(t, numbered(0, produced))

	stopFirst()
	produceAll(t, producer, numbered(produced, produced+500))
	l.await(t, numbered(0, produced+500))
}

func TestAHandlersErrorLeavesItsRecordsToTheNextMember(t *testing.T) {
	client := start(t)
	producer := topic(t, client, "events", 1)
	produceAll(t, producer, []string{"a", "b"})
	l := newLedger()
	failed := make(chan error, 100)
	stop := member(t, client, kafka.Group{
		Open: func(_ context.Context, c kafka.Claim) (kafka.Handler, int64, error) {
			return handlerFunc(func(records []kafka.Record) error {
				if string(records[0].Value) == "c" {
					return errors.New("ClickHouse is away")
				}
				return l.handle(records)
			}), c.Offset, nil
		},
		Retrying: func(_ kafka.Claim, err error) { failed <- err },
	})
	l.await(t, []string{"a", "b"})
	produceAll(t, producer, []string{"c", "d"})
	for range 2 { // it is tried again, and fails again
		select {
		case err := <-failed:
			if err.Error() != "ClickHouse is away" {
				t.Fatal(err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("the handler's error was not reported for 30 s")
		}
	}
	stop()

	var claimed kafka.Claim
	again := newLedger()
	member(t, client, kafka.Group{Open: func(_ context.Context, c kafka.Claim) (kafka.Handler, int64, error) {
		claimed = c
		return handlerFunc(again.handle), c.Offset, nil
	}})
	again.await(t, []string{"c", "d"})
	if claimed.Offset != 2 || len(again.seen) != 2 {
		t.Errorf("the next member begins at %d and is given %v; want 2, c and d", claimed.Offset, again.seen)
	}
}

// TestABrokerRestartLosesNothingThatWasAcknowledged ends the broker while it is written to
// and read from, and starts it again with the same data.
func TestABrokerRestartLosesNothingThatWasAcknowledged(t *testing.T) {
	options := embedded.Options{Listen: "127.0.0.1:0", Data: t.TempDir()}
	broker, err := embedded.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { broker.Close() }()
	options.Listen = broker.Addr()
	client, err := kafka.NewClient([]string{broker.Addr()}, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	producer := topic(t, client, "events", 2)
	l := newLedger()
	member(t, client, kafka.Group{Open: func(_ context.Context, c kafka.Claim) (kafka.Handler, int64, error) {
		return handlerFunc(l.handle), c.Offset, nil
	}})

	const writers, each = 4, 100
	acknowledged := make(chan string)
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				v := fmt.Sprint(w, ":", i)
				for { // as a shipper does: what was not acknowledged is sent again
					err := producer.Produce(t.Context(), []kafka.Record{{Key: []byte(v), Value: []byte(v)}})
					if err == nil {
						break
					}
					if t.Context().Err() != nil {
						return
					}
				}
				acknowledged <- v
			}
		})
	}
	var values []string
	for range writers * each {
		values = append(values, <-acknowledged)
		if n := len(values); n == 100 || n == 250 {
			broker.Close()
			if broker, err = embedded.Start(options); err != nil {
				t.Fatal(err)
			}
		}
	}
	group.Wait()
	l.await(t, values)
}

func TestExpiredRecordsAreReported(t *testing.T) {
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
	produceAll(t, producer, numbered(0, 2))
	l := newLedger()
	stop := member(t, client, kafka.Group{Open: func(_ context.Context, c kafka.Claim) (kafka.Handler, int64, error) {
		return handlerFunc(l.handle), c.Offset, nil
	}})
	l.await(t, numbered(0, 2))
	stop()

	// Committed is 2. Records 2 to 4 expire before the group is back, 5 and 6 while it opens.
	produceAll(t, producer, numbered(2, 10))
	deleteRecords(t.Context(), t, broker.Addr(), "events", 5)
	var claimed kafka.Claim
	var expired []int64
	later := newLedger()
	stop = member(t, client, kafka.Group{
		Open: func(ctx context.Context, c kafka.Claim) (kafka.Handler, int64, error) {
			claimed = c
			deleteRecords(ctx, t, broker.Addr(), "events", 7)
			return handlerFunc(later.handle), c.Offset, nil
		},
		Truncated: func(_ kafka.Claim, _ int64) {},
		Expired:   func(_ kafka.Claim, n int64) { expired = append(expired, n) },
	})
	later.await(t, numbered(7, 10))
	stop()
	if claimed.First != 5 || claimed.Offset != 5 || !slices.Equal(expired, []int64{3, 2}) || len(later.seen) != 3 {
		t.Errorf("first %d, offset %d, expired %v, handled %v", claimed.First, claimed.Offset, expired, later.seen)
	}
}

func TestAnOffsetBeyondTheEndIsReportedAndNotSkipped(t *testing.T) {
	client := start(t)
	topic(t, client, "events", 1)
	reported := make(chan error, 100)
	stop := member(t, client, kafka.Group{
		Open:     func(context.Context, kafka.Claim) (kafka.Handler, int64, error) { return nil, 100, nil },
		Retrying: func(_ kafka.Claim, err error) { reported <- err },
	})
	select {
	case err := <-reported:
		if !strings.Contains(err.Error(), "beyond its end") {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("not reported for 30 s")
	}
	stop()
}

func TestReadyTellsWhetherABrokerIsThere(t *testing.T) {
	broker, err := embedded.Start(embedded.Options{Listen: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	client, err := kafka.NewClient([]string{broker.Addr()}, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	topic(t, client, "events", 1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := client.Ready(ctx, "events"); err != nil {
		t.Error(err)
	}
	if err := client.Ready(ctx, "no-such-topic"); err == nil {
		t.Error("ready for a topic that is not there")
	}
	broker.Close()
	if err := client.Ready(ctx, "events"); err == nil {
		t.Error("ready without a broker")
	}
}

// deleteRecords makes the broker forget what lies before an offset of partition 0, as
// retention does. It speaks Kafka's DeleteRecords version 0, which kafka-go does not.
func deleteRecords(ctx context.Context, t *testing.T, address, topic string, before int64) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	text := func(b []byte, s string) []byte {
		return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	be := binary.BigEndian
	b := be.AppendUint32(be.AppendUint16(be.AppendUint16(nil, 21), 0), 1) // key, version, correlation
	b = text(b, "test")
	b = text(be.AppendUint32(b, 1), topic)
	b = be.AppendUint64(be.AppendUint32(be.AppendUint32(b, 1), 0), uint64(before)) // partition 0
	b = be.AppendUint32(b, 5000)                                                   // timeout
	if _, err := conn.Write(append(be.AppendUint32(nil, uint32(len(b))), b...)); err != nil {
		t.Fatal(err)
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, be.Uint32(size[:]))
	if _, err := io.ReadFull(conn, answer); err != nil {
		t.Fatal(err)
	}
	if code := be.Uint16(answer[len(answer)-2:]); code != 0 {
		t.Fatalf("deleting records: error %d", code)
	}
}
