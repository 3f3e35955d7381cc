package detector

import (
	"encoding/binary"
	"runtime"
	"testing"
	"testing/fstest"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/state"
)

// BenchmarkRestore reads back what a count keeps of 200,000 keys. ns/key is the time of one, the aim
// 1,000; B/key is what one takes in memory beside its digest: the aim is 100.
func BenchmarkRestore(b *testing.B) {
	const keys = 200_000
	set, err := rule.Load(rule.Folder{Name: "count", Files: fstest.MapFS{"count.yaml": {Data: []byte(`
id: many-calls
title: Many calls
severity: high
count: {when: event.method == "tools/call", by: [actor], within: 5m, at_least: 60000}
`)}}})
	if err != nil {
		b.Fatal(err)
	}
	before := heapInUse()
	k := newKeeper(set, false)
	var out Outcome
	for n := range keys {
		id := binary.BigEndian.AppendUint64(nil, uint64(n))
		k.offer(set.Programs[0], hit{key: []string{string(id)}, tenant: "t", source: string(id[7:]), time: 1e15, received: 1e15}, &out)
	}
	if got := k.kept().Keys; got != keys {
		b.Fatalf("%d keys are kept, want %d", got, keys)
	}
	perKey := float64(heapInUse()-before)/keys - 16
	var w state.Writer
	k.changes(&w, true)
	chunks := w.Chunks()
	b.ReportAllocs()
	for b.Loop() {
		restored := newKeeper(set, false)
		for _, chunk := range chunks {
			if err := state.Read(chunk, restored.apply); err != nil {
				b.Fatal(err)
			}
		}
		restored.restored(1e15)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/keys, "ns/key")
	b.ReportMetric(perKey, "B/key")
}

// heapInUse is what is in use after a collection.
func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
