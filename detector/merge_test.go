package detector

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/detector/rule"
)

// caused are the notices that one partition of mcp.events causes, as its owner sends them.
func caused(t *rapid.T, partition int) []notice {
	var all []notice
	clock := int64(1000)
	for offset := range int64(rapid.IntRange(0, 30).Draw(t, "records")) {
		if rapid.IntRange(0, 3).Draw(t, "tick") == 0 {
			clock += int64(rapid.IntRange(1, 10).Draw(t, "step"))
			all = append(all, notice{partition: partition, from: place{offset: offset}, watermark: clock})
			continue
		}
		ordinals := map[string]int{}
		for n := range rapid.IntRange(0, 3).Draw(t, "observations") {
			of := rapid.SampledFrom([]string{"r", "s"}).Draw(t, "rule")
			at := clock + 1 + int64(rapid.IntRange(0, 15).Draw(t, "at"))
			all = append(all, notice{partition: partition, from: place{offset, ordinals[of]}, observation: &Observation{
				At: at, Rule: of, Key: []string{fmt.Sprint(partition, "/", offset, "/", n)}, Sighting: &rule.Sighting{Event: fmt.Sprint("e", rapid.IntRange(0, 5).Draw(t, "id"))},
			}})
			ordinals[of]++
		}
	}
	return append(all, notice{partition: partition, from: place{offset: 1000}, watermark: 1 << 40})
}

// written are those notices as they may come to lie in mcp.observations: owners follow one
// another, each from a place up to which all was written, and a former owner, paused, goes on later.
func written(t *rapid.T, notices []notice) []notice {
	var log []notice
	done := 0 // so many are written
	var former []notice
	for done < len(notices) {
		begin := rapid.IntRange(0, done).Draw(t, "begin")
		end := rapid.IntRange(done, len(notices)).Draw(t, "end")
		paused := rapid.IntRange(begin, end).Draw(t, "paused")
		log = append(log, notices[begin:paused]...)
		done = max(done, paused)
		log = append(log, former[:rapid.IntRange(0, len(former)).Draw(t, "former")]...)
		former = notices[paused:end]
	}
	return log
}

// TestMergeHasOneOrder holds that observations are applied once and in one order, whoever wrote
// them how often, however the partitions of mcp.events interleave, and whenever the merge is
// written down and read back.
func TestMergeHasOneOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		partitions := rapid.IntRange(1, 3).Draw(t, "partitions")
		var want []notice
		logs := make([][]notice, partitions)
		for p := range partitions {
			notices := caused(t, p)
			want = append(want, notices...)
			logs[p] = written(t, notices)
		}
		want = slices.DeleteFunc(want, func(n notice) bool { return n.observation == nil })
		slices.SortFunc(want, func(a, b notice) int {
			return cmp.Or(cmp.Compare(a.observation.At, b.observation.At), cmp.Compare(a.observation.Sighting.Event, b.observation.Sighting.Event),
				cmp.Compare(a.partition, b.partition), cmp.Compare(a.from.offset, b.from.offset), cmp.Compare(a.observation.Rule, b.observation.Rule), cmp.Compare(a.from.ordinal, b.from.ordinal))
		})

		m := newMerge(partitions)
		var log []notice
		var got []string
		for left := partitions; left > 0; {
			p := rapid.IntRange(0, partitions-1).Draw(t, "from")
			if len(logs[p]) == 0 {
				left = 0
				for _, l := range logs {
					left += len(l)
				}
				continue
			}
			n := logs[p][0]
			logs[p] = logs[p][1:]
			if err := m.take(&n, int64(len(log)), 1); err != nil {
				t.Fatal(err)
			}
			log = append(log, n)
			for o, turn := m.next(); turn; o, turn = m.next() {
				got = append(got, o.Key[0])
			}
			if rapid.IntRange(0, 3).Draw(t, "restore") == 0 {
				m = readBack(t, m, log)
			}
		}
		var keys []string
		for _, n := range want {
			keys = append(keys, n.observation.Key[0])
		}
		if !slices.Equal(got, keys) {
			t.Fatalf("applied %v\nwant %v", got, keys)
		}
	})
}

// readBack restores a merge from what it writes and from the records that wait.
func readBack(t *rapid.T, m *merge, log []notice) *merge {
	next := newMerge(len(m.sources))
	waiting, err := next.restore(m.append(nil))
	if err != nil {
		t.Fatal(err)
	}
	next.clock = m.clock
	for _, offset := range waiting {
		next.push(&log[offset], offset, 1)
	}
	return next
}

// TestMergeIsBounded holds that what waits for a partition that is not read is applied in the end,
// in order, and that both this and what comes too late for it is counted.
func TestMergeIsBounded(t *testing.T) {
	m := newMerge(2)
	for i := range int64(10) {
		n := notice{partition: 0, from: place{offset: i}, observation: &Observation{At: 100 - i, Sighting: &rule.Sighting{}}}
		if err := m.take(&n, i, maxPendingBytes/8); err != nil {
			t.Fatal(err)
		}
	}
	var at []int64
	for o, turn := m.next(); turn; o, turn = m.next() {
		at = append(at, o.At)
	}
	if want := []int64{91, 92}; !slices.Equal(at, want) || m.counts.Hurried != 2 {
		t.Errorf("applied %v, %d hurried, want %v", at, m.counts.Hurried, want)
	}
	n := notice{partition: 1, from: place{}, observation: &Observation{At: 50, Sighting: &rule.Sighting{}}}
	if err := m.take(&n, 10, 1); err != nil {
		t.Fatal(err)
	}
	if o, turn := m.next(); !turn || o.At != 50 || m.counts.Late != 1 {
		t.Errorf("what is late waits (%v), or is not counted: %+v", turn, m.counts)
	}
}

func FuzzMergeRestore(f *testing.F) {
	m := newMerge(2)
	m.push(&notice{observation: &Observation{Sighting: &rule.Sighting{}}}, 7, 1)
	f.Add(m.append(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		if waiting, err := newMerge(2).restore(data); err == nil && len(waiting) > len(data) {
			t.Errorf("%d offsets from %d bytes", len(waiting), len(data))
		}
	})
}
