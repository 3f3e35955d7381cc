package kafka_test

import (
	"testing"

	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

func TestInspectSaysHowTopicsAre(t *testing.T) {
	c := start(t)
	if err := c.EnsureTopics(t.Context(), kafka.Layout{Partitions: 3, Replication: 1}.Topics()...); err != nil {
		t.Fatal(err)
	}
	p, err := c.NewProducer(t.Context(), kafka.State)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Produce(t.Context(), []kafka.Record{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("b"), Value: []byte("2")}}); err != nil {
		t.Fatal(err)
	}
	states, err := c.Inspect(t.Context(), kafka.State, "no.such.topic")
	if err != nil || len(states) != 2 {
		t.Fatalf("%+v, %v", states, err)
	}
	for _, s := range states {
		switch s.Name {
		case kafka.State:
			if s.Partitions != 3 || s.Records != 2 || s.Leaderless+s.Behind != 0 || s.Replicas != 1 || s.Settings["cleanup.policy"] == "delete" {
				t.Errorf("%+v", s)
			}
		default:
			if s.Partitions != 0 {
				t.Errorf("%+v", s)
			}
		}
	}
}
