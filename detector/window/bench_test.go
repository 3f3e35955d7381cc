package window_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/detector/window"
)

var unlimited = window.Limits{Bytes: 1 << 40, ShareBytes: 1 << 40}

// credentials is how many shares the keys of the benchmarks have.
const credentials = 1000

// digests are keys as a caller would make them, the same at each run.
func digests(n int) []window.Key {
	random := rand.New(rand.NewPCG(1, 2))
	keys := make([]window.Key, n)
	for i := range keys {
		binary.LittleEndian.PutUint64(keys[i][:8], random.Uint64())
		binary.LittleEndian.PutUint64(keys[i][8:], random.Uint64())
	}
	return keys
}

// counts is a table that has counted one event of each key.
func counts(keys []window.Key) *window.Table[window.Count, *window.Count] {
	table := window.NewTable[window.Count](unlimited)
	span := window.NewSpan(5 * time.Minute)
	for i, key := range keys {
		table.Update(key, uint64(i%credentials), int64(i), func(c *window.Count, _ bool) bool {
			c.Add(int64(i), span)
			return true
		})
	}
	return table
}

// BenchmarkCount is an event counted: the cell of a random key found, marked and added to.
// Beside it stands a plain map of counts, which bounds and writes nothing: what is above it is
// ours, the rest is the machine's memory.
func BenchmarkCount(b *testing.B) {
	span := window.NewSpan(5 * time.Minute)
	for _, n := range []int{20_000, 1_000_000} {
		keys := digests(n)
		table := counts(keys)
		plain := make(map[window.Key]*window.Count, n)
		for _, key := range keys {
			plain[key] = new(window.Count)
		}
		rand.New(rand.NewPCG(3, 4)).Shuffle(n, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		b.Run(fmt.Sprintf("keys=%d/table", n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				table.Update(keys[i%n], 0, int64(i), func(c *window.Count, _ bool) bool {
					c.Add(int64(i), span)
					return true
				})
				i++
			}
		})
		b.Run(fmt.Sprintf("keys=%d/map", n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				plain[keys[i%n]].Add(int64(i), span)
				i++
			}
		})
	}
}

// BenchmarkEvict is an event of a new key in a full table, with a thousand shares that hold
// the same.
func BenchmarkEvict(b *testing.B) {
	keys := digests(2_000_000)
	table := window.NewTable[window.Count](window.Limits{Bytes: 10 << 20, ShareBytes: 10 << 20})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		table.Update(keys[i%len(keys)], uint64(i%credentials), int64(i), use)
		i++
	}
}

// BenchmarkMemory reports the bytes of a count beside its key of 16 bytes, at a million keys and
// at the worst filling of the index, and what its table says that it holds.
func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{800_000, 1_000_000} {
		b.Run("keys="+strconv.Itoa(n), func(b *testing.B) {
			keys := digests(n)
			for b.Loop() {
				before := heap()
				table := counts(keys)
				b.ReportMetric(float64(heap()-before)/float64(n)-float64(len(keys[0])), "B/key")
				b.ReportMetric(float64(table.Bytes())/float64(n)-float64(len(keys[0])), "charged-B/key")
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkState is what a key costs to write and to read back.
func BenchmarkState(b *testing.B) {
	keys := digests(1_000_000)
	table := counts(keys)
	entries := make([][]byte, 0, len(keys))
	var room []byte
	table.All(func(entry []byte) {
		at := len(room)
		room = append(room, entry...)
		entries = append(entries, room[at:len(room):len(room)])
	})
	perKey := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(keys)), "ns/key")
		b.ReportMetric(float64(len(room))/float64(len(keys)), "written-B/key")
	}
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			table.All(func([]byte) {})
		}
		perKey(b)
	})
	b.Run("apply", func(b *testing.B) {
		for b.Loop() {
			restore[window.Count](b, unlimited, entries)
		}
		perKey(b)
	})
}

// BenchmarkCells is an event for a cell that is as full as it gets, and what an attacker makes
// of it: each value is new, each event opens something.
func BenchmarkCells(b *testing.B) {
	no := func(int, []window.Step) bool { return false }
	captured := make([]byte, 8)
	step := func(i int64) window.Step { return window.Step{At: i, Like: uint64(i), Captured: captured} }
	like := func(i int64) window.Step { return window.Step{At: i, Like: 1, Captured: captured} }
	var distinct window.Distinct
	var seen, known window.FirstSeen
	var sequence, lone, second, full window.Sequence
	var absence window.Absence
	var quiet window.Quiet
	var sum window.Sum
	plan := window.Plan{Steps: 2, Within: 1 << 40, Since: []int{0, 0}}
	late := window.Plan{Steps: 2, Within: 1 << 40, Lateness: 1 << 39}
	span := window.NewSpan(5 * time.Minute)
	for _, cell := range []struct {
		name string
		add  func(i int64)
	}{
		{"Sum", func(i int64) { sum.Add(i, span, 1) }},
		{"Distinct=1000", func(i int64) { distinct.Add(i, 1<<40, uint64(i), "/home/alice/notes.txt", window.MaxDistinct) }},
		{"FirstSeen=4096", func(i int64) { seen.Add(i, 0, 1<<40, uint64(i)*0x9e3779b97f4a7c15, 4096) }},
		{"FirstSeen=4096/known", func(i int64) { known.Add(i, 0, 1<<40, uint64(i%4096)*0x9e3779b97f4a7c15, 4096) }},
		{"Sequence/first", func(i int64) { new(window.Sequence).Offer(&late, 1, like(i), yes) }},
		{"Sequence/first again", func(i int64) { lone.Offer(&late, 1, like(i), yes) }},
		{"Sequence/second", func(i int64) { second.Offer(&late, 2, like(i), yes) }},
		{"Sequence/complete", func(i int64) { sequence.Offer(&plan, 1<<(i%2), step(i), yes) }},
		{"Sequence/full", func(i int64) { full.Offer(&plan, 3, step(i), no) }},
		{"Absence/full", func(i int64) { absence.Open(step(i), i, 1<<40, 1, nil) }},
		{"Quiet", func(i int64) { quiet.Admit(i, i, 1<<40, nil) }},
	} {
		i := int64(0) // the cell goes on where the same benchmark is run again
		for ; i < 5000; i++ {
			cell.add(i)
		}
		b.Run(cell.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				cell.add(i)
				i++
			}
		})
	}
}
