package alert

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// StreamState is how the stream of findings is.
type StreamState struct {
	// Findings are kept in it, Bytes in all, of MaxBytes.
	Findings, Bytes, MaxBytes uint64
	// Waiting is how many findings each webhook, by its consumer's name, has not been told yet.
	Waiting map[string]uint64
}

// ErrNoStream says that NATS answers and has no stream of findings.
var ErrNoStream = errors.New("NATS has no stream " + Stream)

// Inspect asks a NATS, given as in Options, how the stream of findings is.
func Inspect(ctx context.Context, url string) (StreamState, error) {
	connection, err := nats.Connect(url, nats.Name("mcpwatch-doctor"))
	if err != nil {
		return StreamState{}, fmt.Errorf("connecting to NATS: %w", err)
	}
	defer connection.Close()
	js, err := jetstream.New(connection)
	if err != nil {
		return StreamState{}, fmt.Errorf("opening JetStream: %w", err)
	}
	stream, err := js.Stream(ctx, Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return StreamState{}, ErrNoStream
	}
	if err != nil {
		return StreamState{}, fmt.Errorf("asking NATS for the stream %s: %w", Stream, err)
	}
	info := stream.CachedInfo()
	s := StreamState{Findings: info.State.Msgs, Bytes: info.State.Bytes, MaxBytes: uint64(max(info.Config.MaxBytes, 0)), Waiting: map[string]uint64{}}
	consumers := stream.ListConsumers(ctx)
	for consumer := range consumers.Info() {
		if consumer.Config.Durable != "" {
			s.Waiting[consumer.Name] = consumer.NumPending + uint64(max(consumer.NumAckPending, 0))
		}
	}
	if err := consumers.Err(); err != nil {
		return StreamState{}, fmt.Errorf("asking NATS for the webhooks' places: %w", err)
	}
	return s, nil
}
