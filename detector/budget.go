package detector

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// budget adds up what the partitions that this process holds take, and can take at the most. What one
// partition may take does not hang on how many there are here: it decides what rules forget, and a
// partition must find the same wherever it is. So where too many come together nothing is forgotten; it is
// said, and the mend is another process.
type budget struct {
	limit int // bytes; 0: none is set

	mu   sync.Mutex
	most int
	over bool // it has been said

	bytes *prometheus.GaugeVec
	bound prometheus.Gauge
	warn  func(most, limit int)
}

func newBudget(limit int, r prometheus.Registerer, warn func(most, limit int)) *budget {
	b := &budget{
		limit: limit, warn: warn,
		bytes: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "mcpwatch_detector_memory_bytes", Help: "About how much memory a partition at work takes, by kind, as of its last checkpoint.",
		}, []string{"topic", "partition", "kind"}),
		bound: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mcpwatch_detector_memory_bound_bytes", Help: "The most that the partitions held here can take together.",
		}),
	}
	stated := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "mcpwatch_detector_memory_limit_bytes", Help: "What this detector was told that it may use.",
	})
	stated.Set(float64(limit))
	r.MustRegister(b.bytes, b.bound, stated)
	return b
}

// move replaces what a partition was last said to take; nothing says that it is gone.
func (b *budget) move(topic, partition string, now, last []holding) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, h := range last {
		b.most -= h.most
	}
	for _, h := range now {
		b.most += h.most
		b.bytes.WithLabelValues(topic, partition, h.what).Set(float64(h.bytes))
	}
	if len(now) == 0 {
		b.bytes.DeletePartialMatch(prometheus.Labels{"topic": topic, "partition": partition})
	}
	b.bound.Set(float64(b.most))
	over := b.limit > 0 && b.most > b.limit
	if over && !b.over {
		b.warn(b.most, b.limit)
	}
	b.over = over
}
