package kafka_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	embedded "github.com/mcpwatch/mcpwatch/internal/embedded/kafka"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// step is what a scripted handler does with a batch.
type step func([]kafka.Record) (kafka.Commit, error)

func (f step) Handle(_ context.Context, records []kafka.Record) (kafka.Commit, error) {
	return f(records)
}

// claims is an Open that tells of each claim and gives it the handler.
func claims(handle step) (chan kafka.Claim, func(context.Context, kafka.Claim) (kafka.Handler, int64, error)) {
	opened := make(chan kafka.Claim, 100)
	return opened, func(_ context.Context, c kafka.Claim) (kafka.Handler, int64, error) {
		opened <- c
		return handle, c.Offset, nil
	}
}

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(30 * time.Second):
		t.Fatalf("waited 30 s for %s in vain", what)
		panic("not reached")
	}
}

// stored is what the brokers hold as the commit of the group g in a partition of events.
func stored(t *testing.T, addr string, partition int) kafka.Commit {
	t.Helper()
	transport := &kafkago.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafkago.Client{Addr: kafkago.TCP(addr), Transport: transport, Timeout: 10 * time.Second}
	answer, err := client.OffsetFetch(t.Context(), &kafkago.OffsetFetchRequest{GroupID: "g", Topics: map[string][]int{"events": {partition}}})
	if err != nil {
		t.Fatal(err)
	}
	p := answer.Topics["events"][0]
	return kafka.Commit{Offset: p.CommittedOffset, Metadata: p.Metadata}
}

func TestAClaimBeginsWithWhatWasCommitted(t *testing.T) {
	addr, client := broker(t)
	producer := topic(t, client, "events", 1)
	produceAll(t, producer, numbered(0, 4))
	manifest := strings.Repeat("m", 3000)
	var handled []int64 // the first offset of each batch
	all := make(chan struct{})
	opened, open := claims(func(records []kafka.Record) (kafka.Commit, error) {
		handled = append(handled, records[0].Offset)
		if end := kafka.All(records).Offset; end == 6 {
			close(all)
			return kafka.Commit{}, nil // nothing yet
		}
		return kafka.Commit{Offset: 3, Metadata: manifest}, nil
	})
	stop := member(t, client, kafka.Group{Open: open})
	if c := receive(t, opened, "the first claim"); c.Offset != 0 || c.Metadata != "" {
		t.Errorf("the first claim begins at %d with %q", c.Offset, c.Metadata)
	}
	for stored(t, addr, 0).Offset != 3 {
		time.Sleep(10 * time.Millisecond)
	}
	produceAll(t, producer, numbered(4, 6))
	receive(t, all, "the last record")
	stop()
	if got := stored(t, addr, 0); got != (kafka.Commit{Offset: 3, Metadata: manifest}) {
		t.Errorf("stored is offset %d with %d bytes", got.Offset, len(got.Metadata))
	}

	opened, open = claims(func(records []kafka.Record) (kafka.Commit, error) { return kafka.All(records), nil })
	stop = member(t, client, kafka.Group{Open: open})
	if c := receive(t, opened, "the second claim"); c.Offset != 3 || c.Metadata != manifest {
		t.Errorf("the second claim begins at %d with %d bytes", c.Offset, len(c.Metadata))
	}
	stop()
}

// TestAPausedOwnersCommitIsRefused holds a member in its work until another has taken its
// partition over and committed: the former owner's commit must change nothing.
func TestAPausedOwnersCommitIsRefused(t *testing.T) {
	addr, client := broker(t)
	producer := topic(t, client, "events", 1)
	produceAll(t, producer, []string{"a"})
	paused, goOn := make(chan struct{}), make(chan struct{})
	firstOpened, open := claims(func(records []kafka.Record) (kafka.Commit, error) {
		if kafka.All(records).Offset == 1 {
			return kafka.Commit{Offset: 1, Metadata: "first's"}, nil
		}
		close(paused)
		<-goOn
		return kafka.Commit{Offset: 2, Metadata: "late"}, nil
	})
	refused := make(chan error, 100)
	stopFirst := member(t, client, kafka.Group{Open: open, Retrying: func(_ kafka.Claim, err error) { refused <- err }})
	first := receive(t, firstOpened, "the first claim")
	for stored(t, addr, 0).Offset != 1 {
		time.Sleep(10 * time.Millisecond)
	}
	produceAll(t, producer, []string{"b"})
	receive(t, paused, "the pause")

	secondOpened, open := claims(func(records []kafka.Record) (kafka.Commit, error) {
		return kafka.Commit{Offset: kafka.All(records).Offset, Metadata: "second's"}, nil
	})
	stopSecond := member(t, client, kafka.Group{Open: open})
	second := receive(t, secondOpened, "the takeover")
	if second.Offset != 1 || second.Metadata != "first's" || second.Generation <= first.Generation {
		t.Errorf("the takeover is %+v after %+v", second, first)
	}
	want := kafka.Commit{Offset: 2, Metadata: "second's"}
	for stored(t, addr, 0) != want {
		time.Sleep(10 * time.Millisecond)
	}

	close(goOn)
	err := receive(t, refused, "the refusal")
	if !errors.Is(err, kafkago.UnknownMemberId) && !errors.Is(err, kafkago.IllegalGeneration) {
		t.Errorf("refused with %v", err)
	}
	if got := stored(t, addr, 0); got != want {
		t.Errorf("after the late commit %+v is stored", got)
	}
	stopSecond()
	if c := receive(t, firstOpened, "the first member's next claim"); c.Offset != 2 || c.Metadata != "second's" || c.Generation <= second.Generation {
		t.Errorf("the next claim is %+v", c)
	}
	stopFirst()
}

// stolen holds the first OffsetCommit request that passes any of its connections, which it
// then cuts.
type stolen struct {
	armed   atomic.Bool
	request chan []byte
}

func (s *stolen) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	return thief{conn, s}, err
}

type thief struct {
	net.Conn
	*stolen
}

func (c thief) Write(b []byte) (int, error) {
	const offsetCommit = 8
	if len(b) > 6 && binary.BigEndian.Uint16(b[4:]) == offsetCommit && c.armed.CompareAndSwap(true, false) {
		c.request <- bytes.Clone(b)
		return 0, io.ErrUnexpectedEOF
	}
	return c.Conn.Write(b)
}

// TestACommitThatArrivesLateTakesNothingBack: a commit that nobody answered reaches the
// broker after the next one. The member is no leader, whose generation would not change when
// it joins again.
func TestACommitThatArrivesLateTakesNothingBack(t *testing.T) {
	addr, leader := broker(t)
	producer := topic(t, leader, "events", 2)
	fromLeader, open := claims(func(records []kafka.Record) (kafka.Commit, error) { return kafka.All(records), nil })
	member(t, leader, kafka.Group{Open: open})
	for range 2 {
		receive(t, fromLeader, "the leader's claims")
	}

	client, err := kafka.NewClient([]string{addr}, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	thief := &stolen{request: make(chan []byte, 1)}
	client.SetDial(thief.dial)
	opened := make(chan kafka.Claim, 100)
	refused := make(chan error, 100)
	stop := member(t, client, kafka.Group{
		Open: func(_ context.Context, c kafka.Claim) (kafka.Handler, int64, error) {
			opened <- c
			return step(func(records []kafka.Record) (kafka.Commit, error) {
				return kafka.Commit{Offset: kafka.All(records).Offset, Metadata: fmt.Sprint("generation ", c.Generation)}, nil
			}), c.Offset, nil
		},
		Retrying: func(_ kafka.Claim, err error) { refused <- err },
	})
	claim := receive(t, opened, "the member's claim")
	thief.armed.Store(true)
	write := func(value string) {
		t.Helper()
		if _, err := producer.Append(t.Context(), claim.Partition, []kafka.Record{{Value: []byte(value)}}); err != nil {
			t.Fatal(err)
		}
	}
	write("a")
	late := receive(t, thief.request, "the request")
	if err := receive(t, refused, "the missing answer"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the commit failed with %v", err)
	}
	if again := receive(t, opened, "the next claim"); again.Generation <= claim.Generation {
		t.Errorf("generation %d comes after %d", again.Generation, claim.Generation)
	}
	write("b")
	var now kafka.Commit // by whoever owns the partition now
	for now.Offset != 2 {
		time.Sleep(10 * time.Millisecond)
		now = stored(t, addr, claim.Partition)
	}
	send(t, addr, late)
	if got := stored(t, addr, claim.Partition); got != now {
		t.Errorf("after the late commit %+v is stored, was %+v", got, now)
	}
	stop()
}

// send gives the broker a request as it is, and waits for its answer.
func send(t *testing.T, addr string, request []byte) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
}

func broker(t *testing.T) (addr string, client *kafka.Client) {
	t.Helper()
	b, err := embedded.Start(embedded.Options{Listen: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if client, err = kafka.NewClient([]string{b.Addr()}, "test"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return b.Addr(), client
}
