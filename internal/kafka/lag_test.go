package kafka_test

import (
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

func TestLagCountsWhatIsNotCommitted(t *testing.T) {
	client := start(t)
	producer := topic(t, client, "events", 3)
	lag := func(want int64) {
		t.Helper()
		var got int64
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			var err error
			if got, err = client.Lag(t.Context(), "g", "events"); err != nil {
				t.Fatal(err)
			}
			if got == want {
				return
			}
		}
		t.Fatalf("the lag is %d, want %d", got, want)
	}
	lag(0)
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		if err := producer.Produce(t.Context(), []kafka.Record{{Key: []byte(key), Value: []byte(key)}}); err != nil {
			t.Fatal(err)
		}
	}
	lag(5)
	r := newRecorder(5, 0)
	stop := consume(t, client, r, "events")
	await(t, r.enough)
	lag(0)
	stop()
}
