package detector_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// gauges are the values of a metric, by its labels.
func gauges(t *testing.T, of prometheus.Gatherer, name string) map[string]float64 {
	t.Helper()
	families, err := of.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			values[strings.Join(labels, " ")] = m.GetGauge().GetValue()
		}
	}
	return values
}

// TestMemoryIsReportedByKindAndBounded holds that each partition at work says what it takes, that the
// bound is that of all held, that it is said once where it is over what the process may use, and
// that nothing stays of a partition that is given back.
func TestMemoryIsReportedByKindAndBounded(t *testing.T) {
	b := newBenchOf(t, 2)
	set := kinds(t)
	var log strings.Builder
	registry := prometheus.NewRegistry()
	const limit = 1 << 30 // one partition of mcp.events fits
	stage := detector.NewStage(detector.Options{
		Kafka: b.client, Findings: collected{}, Annotations: &notes{}, Observations: b.observations, States: b.states,
		Set: func() *rule.Set { return set }, Now: time.Now, Log: zerolog.New(&log), Registry: registry, Memory: limit,
	})
	var handlers []kafka.Handler
	open := func(open opener, topic string, partition int) {
		t.Helper()
		h, _, err := open(t.Context(), kafka.Claim{Topic: topic, Partition: partition})
		if err != nil {
			t.Fatal(err)
		}
		handlers = append(handlers, h)
	}
	said := func() int { return strings.Count(log.String(), "start more detectors") }
	open(stage.OpenAgents, kafka.Events, 0)
	items := []item{{event: call(1, "ask", "agent:a", 0)}, {tick: noon.Add(time.Second)}}
	one := gauges(t, registry, "mcpwatch_detector_memory_bound_bytes")[""]
	if one == 0 || one > limit || said() != 0 {
		t.Fatalf("one partition is bounded by %v; said %d times", one, said())
	}
	var records []kafka.Record
	for i := range items {
		records = append(records, asLogs(t, items[i:i+1], 1)[0]...)
		records[i].Offset = int64(i)
	}
	if _, err := handlers[0].Handle(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	bytes := gauges(t, registry, "mcpwatch_detector_memory_bytes")
	for _, kind := range []string{"rules", "timers", "requests", "events"} {
		if n := bytes[kind+" 0 "+kafka.Events]; n <= 0 || n > one {
			t.Errorf("%s take %v bytes: %v", kind, n, bytes)
		}
	}
	open(stage.OpenAgents, kafka.Events, 1)
	open(stage.OpenFleets, kafka.Observations, 0)
	open(stage.OpenFleets, kafka.Observations, 1)
	if all := gauges(t, registry, "mcpwatch_detector_memory_bound_bytes")[""]; all <= limit || said() != 1 {
		t.Errorf("all are bounded by %v; said %d times", all, said())
	}
	for _, h := range handlers {
		if err := h.(io.Closer).Close(); err != nil {
			t.Error(err)
		}
	}
	if left := gauges(t, registry, "mcpwatch_detector_memory_bytes"); len(left) > 0 || gauges(t, registry, "mcpwatch_detector_memory_bound_bytes")[""] != 0 {
		t.Errorf("left: %v", left)
	}
}
