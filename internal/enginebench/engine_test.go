package main

import (
	"testing"

	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/detector"
	detectrule "github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
)

// BenchmarkRules goes the whole way of an event on one core, from its bytes to the bytes of
// findings: of the event as the detector reads it from Kafka, and of the flat line that it was
// made of. An operation is one event. What is found is what the reference finds.
func BenchmarkRules(b *testing.B) {
	for _, name := range []string{"10", "1000", "1000-nometh", "1000-lit", "10000-lit"} {
		b.Run(name+"/event", func(b *testing.B) {
			l, c := theSet(b, name), theCorpus(b)
			w := newWorker(l.set)
			measure(b, func() error { return w.event(c.events[w.place()]) })
			w.check(b, l)
		})
		b.Run(name+"/flat", func(b *testing.B) {
			l, c := theSet(b, name), theCorpus(b)
			w := newWorker(l.set)
			reader := format.NewReader(format.Flat, event.DefaultLimits())
			measure(b, func() error {
				line := c.lines[w.place()]
				events, err := reader.Read(line)
				if err != nil {
					return err
				}
				e := &events[0]
				accept(e, line)
				return w.encode(w.engine.Process(w.next(), e).Findings)
			})
			w.check(b, l)
		})
	}
}

// BenchmarkCores shares the work among as many engines as there are cores: run it with -cpu 1,2.
func BenchmarkCores(b *testing.B) {
	l, c := theSet(b, "1000-lit"), theCorpus(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		w := newWorker(l.set)
		for pb.Next() {
			if err := w.event(c.events[w.place()]); err != nil {
				b.Error(err)
				return
			}
		}
		w.check(b, l)
	})
}

// measure times an operation by the clock and by the processor.
func measure(b *testing.B, do func() error) {
	b.Helper()
	b.ReportAllocs()
	begin := cpuTime()
	for b.Loop() {
		if err := do(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpuTime()-begin).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// worker is an engine at work on the checked events, again and again.
type worker struct {
	engine  *detector.Engine
	decoder *event.Decoder
	done    int
	found   int
}

func newWorker(set *detectrule.Set) *worker {
	return &worker{engine: detector.NewEngine(set), decoder: event.NewDecoder(event.StoredLimits())}
}

// place is the next event.
func (w *worker) place() int { return w.done % checkedCount }

func (w *worker) event(data []byte) error {
	e, m, err := w.decoder.Decode(data)
	if err != nil {
		return err
	}
	return w.encode(w.engine.Decide(w.next(), e, m).Findings)
}

// next is the position of the next event. Each time around it lies so far behind that it is no
// repeat.
func (w *worker) next() int64 {
	position := w.done + w.done/checkedCount*(detector.Window+1)
	w.done++
	return int64(position)
}

func (w *worker) encode(found []finding.Finding) error {
	for i := range found {
		if _, err := finding.Encode(&found[i]); err != nil {
			return err
		}
	}
	w.found += len(found)
	return nil
}

// check holds that what rules find was found, but for what the budget of an event cut.
func (w *worker) check(b *testing.B, l *loaded) {
	b.Helper()
	passes, rest := w.done/checkedCount, w.done%checkedCount
	want := passes*l.found[checkedCount] + l.found[rest]
	if cut := int(w.engine.Counts().UnjudgedRules); w.found > want || w.found+cut < want {
		b.Errorf("%d findings in %d events and %d conditions cut, want %d", w.found, w.done, cut, want)
	}
}
