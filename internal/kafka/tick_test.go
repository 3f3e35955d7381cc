package kafka_test

import (
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

func TestBroadcastReachesEveryPartition(t *testing.T) {
	client := start(t)
	producer := topic(t, client, "events", 4)
	want := kafka.Tick{Collector: "c1", Time: time.Date(2026, 11, 25, 9, 0, 0, 123456000, time.FixedZone("", 3600))}
	if err := producer.Broadcast(t.Context(), want.Record()); err != nil {
		t.Fatal(err)
	}
	for partition := range 4 {
		err := client.Read(t.Context(), "events", partition, 0, 1, func(r kafka.Record) error {
			if got, ok := kafka.ReadTick(r); !ok || got.Collector != want.Collector || !got.Time.Equal(want.Time) {
				t.Errorf("partition %d holds %+v, %v", partition, got, ok)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestNoEventPassesForATick(t *testing.T) {
	tick := kafka.Tick{Collector: "c1", Time: time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)}.Record()
	for name, r := range map[string]kafka.Record{
		"an event":        {Key: kafka.Key("acme", "a"), Value: []byte(`{"tick":"2026-11-25T09:00:00Z"}`)},
		"a tick's value":  {Value: tick.Value},
		"an annotation":   kafka.Annotation(kafka.Record{}, nil),
		"no time":         {Headers: []kafka.Header{{Key: "tick"}}},
		"an unclear time": {Headers: []kafka.Header{{Key: "tick", Value: []byte("today")}}},
	} {
		if got, ok := kafka.ReadTick(r); ok {
			t.Errorf("%s is read as %+v", name, got)
		}
	}
}

func FuzzReadTick(f *testing.F) {
	f.Add("tick", []byte("2026-11-25T09:00:00.5Z"), []byte("c1"))
	f.Add("tick", []byte("9999-12-31T23:59:59.999999999+23:59"), []byte(""))
	f.Add("offset", []byte("12"), []byte("{}"))
	f.Fuzz(func(t *testing.T, header string, at, value []byte) {
		tick, ok := kafka.ReadTick(kafka.Record{Value: value, Headers: []kafka.Header{{Key: header, Value: at}}})
		if !ok {
			return
		}
		if again, ok := kafka.ReadTick(tick.Record()); ok && again != tick {
			t.Errorf("%+v is read again as %+v", tick, again)
		}
	})
}
