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
func asLogs(t rapid.TB, items []item, partitions int) [][]kafka.Record {
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

// owners work on one partition, one after another: each dies at any time, and the next begins with the
// last commit that was accepted. What the one before did since was done in vain.
type owners struct {
	open  opener
	claim kafka.Claim
	owner kafka.Handler // nil: it has died
	next  int64         // the offset that it reads next
}

// workThrough has them work through the records of the partition, in batches of any size.
func (o *owners) workThrough(ctx context.Context, t *rapid.T, records []kafka.Record) {
	for len(records) > 0 && o.claim.Offset <= records[len(records)-1].Offset {
		if o.owner == nil {
			o.claim.Generation++
			var err error
			if o.owner, o.next, err = o.open(ctx, o.claim); err != nil {
				t.Fatal(err)
			}
		}
		at := slices.IndexFunc(records, func(r kafka.Record) bool { return r.Offset >= o.next })
		n := min(rapid.IntRange(1, 40).Draw(t, "batch"), len(records)-at)
		commit, err := o.owner.Handle(ctx, records[at:at+n])
		if err != nil {
			t.Fatal(err)
		}
		o.next = records[at+n-1].Offset + 1
		switch {
		case rapid.IntRange(0, 9).Draw(t, "dies") == 0:
			o.owner = nil // its commit is refused
		case commit.Metadata != "":
			o.claim.Offset, o.claim.Metadata = commit.Offset, commit.Metadata
		}
	}
}

// site has owners for every partition of both stages, and the topic between them.
type site struct {
	bench         *bench
	set           *rule.Set // in force
	findings      collected
	topic         string // of the observations
	from          []int64
	agents, fleet []*owners
}

func newSite(t *rapid.T, b *bench, router *kafka.Producer, topic string) *site {
	s := &site{bench: b, findings: collected{}, topic: topic}
	// A checkpoint is due each time; by the quick clock all of it is written anew each few times, too.
	pace := rapid.SampledFrom([]int64{2, 3600}).Draw(t, "pace")
	var asked int64
	stage := detector.NewStage(detector.Options{
		Kafka: b.client, Findings: s.findings, Annotations: &notes{}, Observations: router, States: b.states,
		Set: func() *rule.Set { return s.set }, Now: func() time.Time { asked++; return time.Unix(pace*asked, 0) },
		Log: zerolog.Nop(), Registry: prometheus.NewRegistry(),
	})
	for p := range router.Partitions() {
		end, err := b.client.End(b.t.Context(), topic, p)
		if err != nil {
			t.Fatal(err)
		}
		s.from = append(s.from, end)
		s.agents = append(s.agents, &owners{open: stage.OpenAgents, claim: kafka.Claim{Topic: kafka.Events, Partition: p}})
		s.fleet = append(s.fleet, &owners{open: stage.OpenFleets, claim: kafka.Claim{Topic: kafka.Observations, Partition: p, Offset: end, First: end}})
	}
	return s
}

// work goes on with what was added to the logs, under a rule set.
func (s *site) work(t *rapid.T, set *rule.Set, logs [][]kafka.Record) {
	s.set = set
	for p, records := range logs {
		s.agents[p].workThrough(s.bench.t.Context(), t, records)
	}
	for p := range logs {
		s.fleet[p].workThrough(s.bench.t.Context(), t, s.bench.since(s.topic, p, s.from[p]))
	}
}

// TestShardsAndDeathsChangeNothing holds that the same events and rules give the same findings, ids and
// bodies, into how many partitions the events are put, in what batches they are read, wherever
// owners of partitions die, and where the rules change; and that the index changes nothing. The
// reference is one engine that evaluates every condition, and knows no partitions or checkpoints.
func TestShardsAndDeathsChangeNothing(t *testing.T) {
	const most = 3
	b := newBenchOf(t, most)
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
	tested := tested{}
	property := func(rt *rapid.T) {
		sets := ruleSets(rt, rapid.IntRange(1, 3).Draw(rt, "sets"))
		items, ends := inParts(rt, withListings(rt, sessions(rt)), len(sets))
		n := rapid.IntRange(1, most).Draw(rt, "partitions")
		plain, site := newReference(sets[0].Plain(), 1), newSite(rt, b, routers[n], fmt.Sprint("observations.", n))
		read := 0 // by the reference
		for i, set := range sets {
			log := asLogs(rt, items[:ends[i]], 1)[0]
			plain.swap(set.Plain())
			plain.take(t, [][]kafka.Record{log[read:]})
			read = len(log)
			site.work(rt, set, asLogs(rt, items[:ends[i]], n))
		}
		want := plain.findings()
		if !maps.Equal(site.findings, want) {
			rt.Fatalf("%d partitions: found\n%s\nwant\n%s", n, described(site.findings), described(want))
		}
		tested.add(t, sets, want)
	}
	for range 2 {
		rapid.Check(t, property)
	}
	tested.check(t)
}

// inParts cuts what happens into parts, and says where each ends. Each begins with a tick that closes
// what was before, so that every partition of both stages has something to read in it.
func inParts(t *rapid.T, items []item, n int) (all []item, ends []int) {
	swaps := rapid.SliceOfN(rapid.IntRange(0, len(items)), n-1, n-1).Draw(t, "swaps")
	clock := noon
	for i := range len(items) + 1 {
		for _, at := range swaps {
			if at == i {
				clock = clock.Add(time.Second)
				ends = append(ends, len(all))
				all = append(all, item{tick: clock})
			}
		}
		if i < len(items) {
			all = append(all, items[i])
			for _, t := range []time.Time{items[i].tick, items[i].event.Received} {
				if t.After(clock) {
					clock = t
				}
			}
		}
	}
	return all, append(ends, len(all))
}

func described(found map[string]string) string {
	return strings.Join(slices.Sorted(maps.Values(found)), "\n")
}

// tested counts findings by what was put to the test.
type tested map[string]int

func (n tested) add(t *testing.T, sets []*rule.Set, found map[string]string) {
	t.Helper()
	for _, text := range found {
		f, err := finding.Decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(sets, func(s *rule.Set) bool { return s.Hash == f.Control })
		p := sets[i].Programs[slices.IndexFunc(sets[i].Programs, func(p *rule.Program) bool { return p.Rule.ID == f.Rule })]
		what := fmt.Sprint(p.Kind, " by actor")
		if p.Fleet {
			what = fmt.Sprint(p.Kind, " by another key")
		}
		n[what]++
		for also, is := range map[string]bool{
			"definition": p.PerDefinition, "end of a quiet time": f.SuppressedAfter != "", "suppressed before": f.Suppressed > 0 && f.SuppressedAfter == "",
			"expired exception": len(f.ExpiredExceptions) > 0, "second set": i == 1, "third set": i == 2,
		} {
			if is {
				n[also]++
			}
		}
	}
}

func (n tested) check(t *testing.T) {
	t.Helper()
	t.Logf("findings: %v", n)
	for _, kind := range []rule.Kind{rule.KindCount, rule.KindDistinct, rule.KindSum, rule.KindSequence, rule.KindAbsence, rule.KindFirstSeen, rule.KindAnomaly} {
		for _, by := range []string{" by actor", " by another key"} {
			if n[string(kind)+by] == 0 {
				t.Errorf("nothing is found of %s%s: it was not put to the test", kind, by)
			}
		}
	}
	for _, what := range []string{"match by actor", "definition", "end of a quiet time", "suppressed before", "expired exception", "second set", "third set"} {
		if n[what] == 0 {
			t.Errorf("nothing is found of %s: it was not put to the test", what)
		}
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
