package detector_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/state"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// asLogs puts what happens into so many partitions, by actor, ticks into all.
func asLogs(t *rapid.T, items []item, partitions int) [][]kafka.Record {
	logs := make([][]kafka.Record, partitions)
	add := func(p int, r kafka.Record) {
		r.Topic, r.Partition, r.Offset = kafka.Events, p, int64(len(logs[p]))
		logs[p] = append(logs[p], r)
	}
	for i := range items {
		e := &items[i].event
		if e.ID == "" {
			for p := range logs {
				add(p, kafka.Tick{Collector: "c", Time: items[i].tick}.Record())
			}
			continue
		}
		value, err := event.Encode(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		h := fnv.New32a()
		_, _ = h.Write([]byte(e.Actor))
		add(int(h.Sum32())%partitions, kafka.Record{Key: kafka.Key(e.Tenant, e.Actor), Value: value})
	}
	return logs
}

// collected takes findings in, by id.
type collected map[string]string

func (c collected) Produce(_ context.Context, records []kafka.Record) error {
	for _, r := range records {
		found, err := finding.Decode(r.Value)
		if err != nil {
			return err
		}
		if before, twice := c[found.ID]; twice && before != string(r.Value) {
			return fmt.Errorf("finding %s was %s and is %s", found.ID, before, r.Value)
		}
		c[found.ID] = string(r.Value)
	}
	return nil
}

// opener opens a partition.
type opener func(context.Context, kafka.Claim) (kafka.Handler, int64, error)

// workThrough has owners work through the records of a partition, in batches of any size. Each
// dies at any time: the next begins with the last commit that was accepted, and what the one before
// did since was done in vain.
func workThrough(ctx context.Context, t *rapid.T, open opener, claim kafka.Claim, records []kafka.Record) {
	for {
		claim.Generation++
		h, from, err := open(ctx, claim)
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(records, func(r kafka.Record) bool { return r.Offset >= from })
		for at >= 0 && at < len(records) {
			n := min(rapid.IntRange(1, 40).Draw(t, "batch"), len(records)-at)
			commit, err := h.Handle(ctx, records[at:at+n])
			if err != nil {
				t.Fatal(err)
			}
			at += n
			if rapid.IntRange(0, 9).Draw(t, "dies") == 0 {
				break // its commit is refused
			}
			if commit.Metadata != "" {
				claim.Offset, claim.Metadata = commit.Offset, commit.Metadata
			}
		}
		if len(records) == 0 || claim.Offset > records[len(records)-1].Offset {
			return
		}
	}
}

// TestShardsAndDeathsChangeNothing holds that the same events give the same findings, ids and
// bodies, into how many partitions they are put, in what batches they are read, and wherever owners
// of partitions die; and that the index changes nothing, since the plain engine of one partition is
// what they are held against.
func TestShardsAndDeathsChangeNothing(t *testing.T) {
	const most = 3
	b := newBenchOf(t, most)
	set := kinds(t)
	var asked int64
	routers := make([]*kafka.Producer, most+1)
	for n := 1; n <= most; n++ {
		topic := fmt.Sprint("observations.", n)
		if err := b.client.EnsureTopics(t.Context(), kafka.Topic{Name: topic, Partitions: n, Replication: 1}); err != nil {
			t.Fatal(err)
		}
		var err error
		if routers[n], err = b.client.NewProducer(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(routers[n].Close)
	}
	byRule := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		items := sessions(rt)
		n := rapid.IntRange(1, most).Draw(rt, "partitions")
		want := plain(t, set, asLogs(rt, items, 1))
		got := collected{}
		stage := detector.NewStage(detector.Options{
			Kafka: b.client, Findings: got, Annotations: &notes{}, Observations: routers[n], States: b.states,
			Set: func() *rule.Set { return set }, Now: func() time.Time { asked++; return time.Unix(3600*asked, 0) },
			Log: zerolog.Nop(), Registry: prometheus.NewRegistry(),
		})
		ends := make([]int64, n)
		for p := range ends {
			var err error
			if ends[p], err = b.client.End(t.Context(), fmt.Sprint("observations.", n), p); err != nil {
				rt.Fatal(err)
			}
		}
		for p, records := range asLogs(rt, items, n) {
			workThrough(t.Context(), rt, stage.OpenAgents, kafka.Claim{Topic: kafka.Events, Partition: p}, records)
		}
		for p := range n {
			claim := kafka.Claim{Topic: kafka.Observations, Partition: p, Offset: ends[p], First: ends[p]}
			workThrough(t.Context(), rt, stage.OpenFleets, claim, b.since(fmt.Sprint("observations.", n), p, ends[p]))
		}
		for id := range want {
			f, err := finding.Decode([]byte(want[id]))
			if err != nil {
				rt.Fatal(err)
			}
			byRule[f.Rule]++
			if f.SuppressedAfter != "" {
				byRule["suppressed"]++
			}
		}
		if !maps.Equal(got, want) {
			rt.Fatalf("%d partitions: found\n%s\nwant\n%s", n,
				strings.Join(slices.Sorted(maps.Values(got)), "\n"), strings.Join(slices.Sorted(maps.Values(want)), "\n"))
		}
	})
	for _, p := range set.Programs {
		if byRule[p.Rule.ID] == 0 {
			t.Errorf("rule %s found nothing: it was not put to the test", p.Rule.ID)
		}
	}
	if byRule["suppressed"] == 0 {
		t.Error("no quiet time ended with a count: it was not put to the test")
	}
}

// TestALostCheckpointHoldsUpNobody holds that a partition whose memory cannot be read back is opened
// without, and says so, in place of being tried for ever.
func TestALostCheckpointHoldsUpNobody(t *testing.T) {
	b := newBench(t)
	b.set = kinds(t)
	broken, err := b.states.Append(t.Context(), 0, []kafka.Record{{Key: []byte("k"), Value: []byte{state.Version, 77}}})
	if err != nil {
		t.Fatal(err)
	}
	beyond := state.Manifest{Chunks: []int64{broken[0] + 100}}
	unreadable := state.Manifest{Chunks: broken}
	for name, metadata := range map[string]string{
		"another version": "mcpwatch.state.9:AAAA", "beyond the end": beyond.Encode(), "no chunk": unreadable.Encode(),
	} {
		var log strings.Builder
		stage := detector.NewStage(detector.Options{
			Kafka: b.client, Findings: collected{}, Annotations: &notes{}, Observations: b.observations, States: b.states,
			Set: func() *rule.Set { return b.set }, Now: time.Now, Log: zerolog.New(&log), Registry: prometheus.NewRegistry(),
		})
		for _, open := range []opener{stage.OpenAgents, stage.OpenFleets} {
			if _, from, err := open(t.Context(), kafka.Claim{Topic: kafka.Events, Offset: 7, Metadata: metadata}); err != nil || from > 7 {
				t.Errorf("%s: reading from %d, %v", name, from, err)
			}
		}
		if n := strings.Count(log.String(), "what rules remembered is lost"); n != 2 {
			t.Errorf("%s: said %d times that memory is lost", name, n)
		}
	}
}

// TestRulesChangeWhereAnOwnerDies holds that what the next owner does again under other rules is neither
// counted twice nor lost.
func TestRulesChangeWhereAnOwnerDies(t *testing.T) {
	counts := func(severity string, atLeast int) string {
		return fmt.Sprintf("severity: %s\ncount: {when: 'call.tool == \"read\"', by: [server.id], within: 10m, at_least: %d}", severity, atLeast)
	}
	for name, c := range map[string]struct{ before, after map[string]string }{
		"another beside it": {map[string]string{"x": counts("low", 3)}, map[string]string{"x": counts("low", 3), "y": counts("high", 2)}},
		"another for it":    {map[string]string{"x": counts("low", 1000), "y": counts("high", 1000)}, map[string]string{"z": counts("low", 2)}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBenchOf(t, 1)
			set, after := rulesOf(t, c.before), rulesOf(t, c.after)
			got := collected{}
			stage := detector.NewStage(detector.Options{
				Kafka: b.client, Findings: got, Annotations: &notes{}, Observations: b.observations, States: b.states,
				Set: func() *rule.Set { return set }, Now: time.Now, Log: zerolog.Nop(), Registry: prometheus.NewRegistry(),
			})
			var records []kafka.Record
			for i := range 2 {
				e := call(i, "read", fmt.Sprint("agent:", i), time.Duration(i)*time.Second)
				e.Server.ID = "files"
				value, err := event.Encode(nil, &e)
				if err != nil {
					t.Fatal(err)
				}
				records = append(records, kafka.Record{Offset: int64(i), Value: value})
			}
			tick := kafka.Tick{Collector: "c", Time: noon.Add(time.Hour)}.Record()
			tick.Offset = 2
			records = append(records, tick)
			handle := func(open opener, records []kafka.Record) {
				t.Helper()
				h, _, err := open(t.Context(), kafka.Claim{})
				if err == nil {
					_, err = h.Handle(t.Context(), records)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			handle(stage.OpenAgents, records[:2]) // it dies before its commit
			set = after
			handle(stage.OpenAgents, records)
			handle(stage.OpenFleets, b.since(kafka.Observations, 0, 0))
			if want := plain(t, after, [][]kafka.Record{records}); !maps.Equal(got, want) {
				t.Errorf("found %v, want %v", got, want)
			}
		})
	}
}

// rulesOf is a set of rules by their id.
func rulesOf(t *testing.T, bodies map[string]string) *rule.Set {
	t.Helper()
	files := fstest.MapFS{}
	for id, body := range bodies {
		files[id+".yaml"] = &fstest.MapFile{Data: []byte("id: " + id + "\ntitle: A rule\n" + body + "\n")}
	}
	set, err := rule.Load(rule.Folder{Name: "test", Files: files})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestADefinitionCostsTheSameEachTime holds that what a process remembers of definitions changes
// nothing that is found: not with a budget that they use up, either.
func TestADefinitionCostsTheSameEachTime(t *testing.T) {
	rules := map[string]string{}
	for i := range 60 {
		rules[fmt.Sprint("d", i)] = fmt.Sprintf("severity: low\nmatch: 'definition.normal.contains(\"word%d \")'", i)
	}
	set := rulesOf(t, rules)
	listing := func(id string, words ...int) event.Event {
		var all []string
		for tool, n := range words {
			var text strings.Builder
			for i := range n {
				_, _ = fmt.Fprintf(&text, "word%d ", i)
			}
			all = append(all, fmt.Sprintf(`{"name":"tool%d","description":%q}`, tool, text.String()))
		}
		return message(id, event.ToClient, `{"jsonrpc":"2.0","id":1,"result":{"tools":[`+strings.Join(all, ",")+`]}}`)
	}
	cold, warm := detector.NewEngine(set), detector.NewEngine(set)
	first := listing("e1", 8)
	warm.Process(0, &first)
	second, again := listing("e2", 8, 60, 60), listing("e2", 8, 60, 60)
	want, got := len(cold.Process(1, &second).Findings), len(warm.Process(1, &again).Findings)
	if want != got || cold.Counts().UnjudgedRules == 0 {
		t.Errorf("%d findings by an engine that knows a definition, %d by one that does not, which left out %d", got, want, cold.Counts().UnjudgedRules)
	}
}

// TestAClockThatIsAheadBlindsNobody holds that one event from the future does not make those that
// follow late.
func TestAClockThatIsAheadBlindsNobody(t *testing.T) {
	engine := detector.NewEngine(countsReads(t))
	ahead := keyRead("e0", 0)
	ahead.Time = noon.Add(59 * time.Minute)
	engine.Process(0, &ahead)
	found := 0
	for i := range 6 {
		e := keyRead(fmt.Sprint("e", i+1), i+1)
		e.Time, e.Received = noon.Add(time.Duration(i)*time.Second), noon.Add(time.Duration(i+1)*time.Second)
		found += len(engine.Process(int64(i+1), &e).Findings)
	}
	if found != 2 || engine.Counts().Late != 0 {
		t.Errorf("%d findings of seven reads, three each; %d late", found, engine.Counts().Late)
	}
}
