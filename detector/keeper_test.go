package detector_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/state"
	"github.com/mcpwatch/mcpwatch/detector/window"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// call is a call of a tool by an actor, so long after noon.
func call(id int, tool, actor string, after time.Duration) event.Event {
	e := message(fmt.Sprint("e", id), event.ToServer, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":{"path":"a"}}}`, id, tool))
	e.Actor, e.Time, e.Received = actor, noon.Add(after), noon.Add(after)
	return e
}

// counting is a set of so many rules that count calls by actor.
func counting(tb testing.TB, rules int) *rule.Set {
	tb.Helper()
	files := fstest.MapFS{}
	for i := range rules {
		files[fmt.Sprintf("count-%d.yaml", i)] = &fstest.MapFile{Data: fmt.Appendf(nil,
			"id: count-%d\ntitle: Many calls\nseverity: low\ncount: {when: 'call.tool == \"tool-%d\"', by: [actor], within: 10m, at_least: 60000}\n", i, i)}
	}
	set, err := rule.Load(rule.Folder{Name: "test", Files: files})
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

// TestAFindingUsesUpItsEvents holds that after a finding as many new events are needed for the next.
func TestAFindingUsesUpItsEvents(t *testing.T) {
	engine := detector.NewEngine(kinds(t))
	found := map[string][]int{}
	for i := range 12 {
		for n, tool := range []string{"read", "send"} {
			e := message(fmt.Sprint(tool, i), event.ToServer, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":{"path":"path-%d"}}}`, 2*i+n, tool, i))
			e.Time = noon.Add(time.Duration(i) * time.Second)
			e.Received = e.Time
			for _, f := range engine.Process(int64(2*i+n), &e).Findings {
				found[f.Rule] = append(found[f.Rule], i)
			}
		}
	}
	for id, want := range map[string][]int{
		"counts":  {2, 5, 8, 11}, // three reads
		"differs": {2, 5, 8, 11}, // three paths
		"adds":    {2, 5, 8, 11}, // 300 bytes, in messages of a little more than 100
	} {
		if !slices.Equal(found[id], want) {
			t.Errorf("%s: found at %v, want %v", id, found[id], want)
		}
	}
}

// TestSwapChangesTheLimits holds that a rule which stays gives room to those that come, and that
// what it forgot stays counted when it goes.
func TestSwapChangesTheLimits(t *testing.T) {
	const actors, share = 5000, 256 << 20 / 400 / 4 // of 200 rules one may have so much of one credential
	engine := detector.NewEngine(counting(t, 1))
	for i := range actors {
		e := call(i, "tool-0", fmt.Sprint("agent:", i), 0)
		engine.Process(int64(i), &e)
	}
	before := engine.Memory()
	if len(before) != 1 || before[0].Keys != actors || before[0].Bytes < share || before[0].Evicted != 0 {
		t.Fatalf("%+v", before)
	}
	engine.Swap(counting(t, 200))
	after := engine.Memory()[0]
	if after.Bytes > share || after.Bytes < share-200 || after.Keys+int(after.Evicted) != actors {
		t.Errorf("after the swap %+v", after)
	}
	engine.Swap(countsReads(t))
	if got := engine.Counts(); got.Forgotten != after.Evicted || got.Keys != 0 {
		t.Errorf("forgotten %d with %d keys, want %d", got.Forgotten, got.Keys, after.Evicted)
	}
}

// TestMemoryIsToldByRule holds that rules' memory adds up to the whole, in both stages.
func TestMemoryIsToldByRule(t *testing.T) {
	d := detector.New(kinds(t))
	for i, tool := range []string{"read", "read", "send", "ask", "new"} {
		e := call(i, tool, "agent:a", time.Duration(i)*time.Second)
		d.Process(int64(i), &e)
	}
	for name, stage := range map[string]struct {
		memory []detector.RuleMemory
		kept   detector.Kept
		rules  string
	}{
		"engine": {d.Engine.Memory(), d.Engine.Counts().Kept, "adds counts differs follows new-tool quiet unanswered"},
		"fleet":  {d.Fleet.Memory(), d.Fleet.Kept(), "fleet fleet-asks fleet-new"},
	} {
		var rules []string
		keys, bytes := 0, 0
		for _, m := range stage.memory {
			rules = append(rules, m.Rule)
			keys, bytes = keys+m.Keys, bytes+m.Bytes
			if m.Keys == 0 || m.Bytes < 50*m.Keys {
				t.Errorf("%s: %+v", name, m)
			}
		}
		if got := strings.Join(rules, " "); got != stage.rules {
			t.Errorf("%s: rules %s, want %s", name, got, stage.rules)
		}
		if keys != stage.kept.Keys || bytes != stage.kept.Bytes {
			t.Errorf("%s: %d keys and %d bytes by rule, %d and %d together", name, keys, bytes, stage.kept.Keys, stage.kept.Bytes)
		}
	}
}

// chunkOf is a chunk of state with one cell of a rule.
func chunkOf[C any, P window.Cell[C]](t *testing.T, set *rule.Set, id string, change func(P)) [][]byte {
	t.Helper()
	i := slices.IndexFunc(set.Programs, func(p *rule.Program) bool { return p.Rule.ID == id })
	table := window.NewTable[C, P](window.Limits{Bytes: 1 << 20, ShareBytes: 1 << 20})
	table.Update(detector.KeyOf("acme", "agent:a"), 1, noon.UnixMicro(), func(cell P, _ bool) bool { change(cell); return true })
	var w state.Writer
	table.All(func(entry []byte) { w.Add(state.Table{Rule: id, Version: set.Programs[i].Version}, entry) })
	return w.Chunks()
}

// TestWhatCannotBeReadIsCounted holds that a remembered event which this version cannot read makes
// no finding of nothing.
func TestWhatCannotBeReadIsCounted(t *testing.T) {
	set := kinds(t)
	bad := window.Step{At: noon.UnixMicro(), Captured: []byte("{")}
	engine := detector.NewEngine(set)
	chunks := append(
		chunkOf(t, set, "follows", func(s *window.Sequence) {
			s.Offer(&window.Plan{Steps: 2, Within: 1e9}, 1, bad, nil)
		}),
		chunkOf(t, set, "unanswered", func(a *window.Absence) { a.Open(bad, noon.UnixMicro(), 15e6, 0, nil) })...)
	if err := engine.Restore(chunks, noon); err != nil {
		t.Fatal(err)
	}
	if m := engine.Memory(); m[3].Keys != 1 || m[6].Keys != 1 {
		t.Fatalf("restored %+v", m)
	}
	e := call(1, "send", "agent:a", time.Second)
	e.Server.ID = "web"
	found := engine.Process(1, &e).Findings
	found = append(found, engine.Tick(noon.Add(time.Minute)).Findings...)
	for _, f := range found {
		if f.Rule == "follows" || f.Rule == "unanswered" {
			t.Errorf("found %+v", f)
		}
	}
	if got := engine.Counts().Unread; got != 2 {
		t.Errorf("%d are counted, want 2", got)
	}
}

// TestEachWaitEndsAtItsOwnTime holds that the tick which ends one of a key's waits leaves those
// that began later.
func TestEachWaitEndsAtItsOwnTime(t *testing.T) {
	engine := detector.NewEngine(kinds(t))
	for i := range 2 {
		e := call(i, "ask", "agent:a", time.Duration(i)*10*time.Second)
		engine.Process(int64(i), &e)
	}
	var got []string
	for _, after := range []time.Duration{30 * time.Second, 31 * time.Second, 39 * time.Second, 41 * time.Second} {
		var events []string
		for _, f := range engine.Tick(noon.Add(after)).Findings {
			events = append(events, f.Events...)
		}
		got = append(got, strings.Join(events, " "))
	}
	if want := []string{"", "e0", "", "e1"}; !slices.Equal(got, want) {
		t.Errorf("found at each tick: %q, want %q", got, want)
	}
}

// TestAHitThatConcludesNothingCostsNoAllocation holds it for keys that are known.
func TestAHitThatConcludesNothingCostsNoAllocation(t *testing.T) {
	const actors = 100
	offer := detector.Offers(counting(t, 1), actors)
	for i := range actors {
		offer(i)
	}
	i := 0
	if n := testing.AllocsPerRun(1000, func() { offer(i % actors); i++ }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkOffer is the keeper's part of an event that is counted by actor, with 20,000 actors.
func BenchmarkOffer(b *testing.B) {
	const actors = 20_000
	set := counting(b, 1)
	offer := detector.Offers(set, actors)
	for i := range actors {
		offer(i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		offer(i * 7919 % actors)
		i++
	}
}

// BenchmarkRestore is what a key of a count costs to write to chunks and to read back, of a million.
// BenchmarkRestore writes and reads back a million keys, in memory and from Kafka.
func BenchmarkRestore(b *testing.B) {
	const keys = 1_000_000
	set := counting(b, 1)
	engine := detector.NewEngine(set)
	detector.Fill(engine, keys)
	chunks := engine.Checkpoint(true)
	if n := engine.Counts().Keys; n != keys {
		b.Fatalf("%d keys", n)
	}
	perKey := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/keys, "ns/key")
	}
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			engine.Checkpoint(true)
		}
		perKey(b)
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := detector.NewEngine(set).Restore(chunks, noon); err != nil {
				b.Fatal(err)
			}
		}
		perKey(b)
	})
	b.Run("kafka", func(b *testing.B) {
		site := newBench(b)
		var manifest state.Manifest
		for n, chunk := range chunks {
			offsets, err := site.states.Append(b.Context(), 0, []kafka.Record{{Key: fmt.Append(nil, n), Value: chunk}})
			if err != nil {
				b.Fatal(err)
			}
			manifest.Chunks = append(manifest.Chunks, offsets...)
		}
		claim := kafka.Claim{Topic: kafka.Events, Metadata: manifest.Encode()}
		for b.Loop() {
			stage := detector.NewStage(detector.Options{
				Kafka: site.client, Findings: collected{}, Annotations: &notes{}, Observations: site.observations, States: site.states,
				Set: func() *rule.Set { return set }, Now: time.Now, Log: zerolog.Nop(), Registry: prometheus.NewRegistry(),
			})
			if _, _, err := stage.OpenAgents(b.Context(), claim); err != nil {
				b.Fatal(err)
			}
		}
		perKey(b)
	})
}
