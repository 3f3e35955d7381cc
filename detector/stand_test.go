package detector_test

import (
	"fmt"
	"reflect"
	"testing"
	"testing/fstest"
	"time"

	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
)

func oneRule(t *testing.T, text string) (*rule.Set, *rule.Program) {
	t.Helper()
	set, err := rule.Load(rule.Folder{Name: "test", Files: fstest.MapFS{
		"r.yaml":            {Data: []byte("id: r\ntitle: R\nseverity: high\n" + text)},
		"exceptions/x.yaml": {Data: []byte("id: x\nrules: [r]\nwhen: server.id == \"trusted\"\nreason: It may.\nowner: ops\nexpires: 2026-12-31\n")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return set, set.Programs[0]
}

// toolCall is a tool call, so many seconds after noon.
func toolCall(n int, server, tool string, seconds int) event.Event {
	e := message(fmt.Sprintf("e%d", n), event.ToServer, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":{"n":%d}}}`, n, tool, n))
	e.Server.ID = server
	e.Time = noon.Add(time.Duration(seconds) * time.Second)
	e.Received = e.Time
	return e
}

// TestStand holds what each kind says of a key after some events.
func TestStand(t *testing.T) {
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	underWay := func(until int, events ...string) []detector.UnderWay {
		return []detector.UnderWay{{Events: events, Until: at(until)}}
	}
	for name, test := range map[string]struct {
		rule   string
		events []event.Event
		want   detector.Stand
	}{
		"a count": {
			`count: {when: call.tool == "a", by: [actor], within: 1m, at_least: 3}`,
			[]event.Event{toolCall(1, "s", "a", 0), toolCall(2, "s", "a", 1), toolCall(3, "s", "b", 2)},
			detector.Stand{Count: 2, Until: at(60)},
		},
		"a count that found": {
			`count: {when: call.tool == "a", by: [actor], within: 1m, at_least: 2}`,
			[]event.Event{toolCall(1, "s", "a", 0), toolCall(2, "s", "a", 1)},
			detector.Stand{},
		},
		"a count in the second stage": {
			`count: {when: call.tool == "a", by: [server.id], within: 1m, at_least: 3}`,
			[]event.Event{toolCall(1, "s", "a", 0), toolCall(2, "other", "a", 1), toolCall(3, "s", "a", 2)},
			detector.Stand{Count: 2, Until: at(60)},
		},
		"different values": {
			`distinct: {of: server.id, when: call.tool == "a", by: [actor], within: 1m, at_least: 3}`,
			[]event.Event{toolCall(1, "s", "a", 0), toolCall(2, "t", "a", 1), toolCall(3, "s", "a", 2)},
			detector.Stand{Count: 2, Until: at(61), Values: []string{"t", "s"}},
		},
		"a sum": {
			`sum: {of: int(call.args.n), when: call.tool == "a", by: [actor], within: 1m, at_least: 100}`,
			[]event.Event{toolCall(1, "s", "a", 0), toolCall(2, "s", "a", 1)},
			detector.Stand{Sum: 3, Until: at(60)},
		},
		"a value that is learnt": {
			`first_seen: {of: call.tool, when: call.tool != "", by: [actor], learn: 1h}`,
			[]event.Event{toolCall(1, "s", "a", 0), toolCall(2, "s", "b", 1)},
			detector.Stand{Known: 2, Learns: at(3600)},
		},
		"a sequence": {
			`sequence: {by: [actor], within: 1m, steps: [{when: call.tool == "a"}, {when: call.tool == "b"}]}`,
			[]event.Event{toolCall(1, "s", "a", 0)},
			detector.Stand{UnderWay: underWay(60, "e1")},
		},
		"a sequence with a gap": {
			`sequence: {by: [actor], within: 1m, steps: [{when: call.tool == "a"}, {when: call.tool == "b"}, {when: call.tool == "c", gap: 5s}]}`,
			[]event.Event{toolCall(1, "s", "a", 0), toolCall(2, "s", "b", 9)},
			detector.Stand{UnderWay: underWay(14, "e1", "e2")},
		},
		"an absence": {
			`absence: {by: [actor], within: 1m, after: {when: call.tool == "a"}, without: {when: call.tool == "b"}}`,
			[]event.Event{toolCall(1, "s", "a", 0)},
			detector.Stand{UnderWay: underWay(60, "e1")},
		},
		"an absence whose event has come": {
			`absence: {by: [actor], within: 1m, after: {when: call.tool == "a"}, without: {when: call.tool == "b"}}`,
			[]event.Event{toolCall(1, "s", "a", 0), toolCall(2, "s", "b", 1)},
			detector.Stand{},
		},
		"a quiet time": {
			"match: call.tool == \"a\"\nsuppress: {by: [server.id], for: 1m}",
			[]event.Event{toolCall(1, "s", "a", 0), toolCall(2, "s", "a", 1)},
			detector.Stand{QuietUntil: at(60), Held: 1},
		},
		"a rule that remembers nothing": {`match: call.tool == "a"`, []event.Event{toolCall(1, "s", "a", 0)}, detector.Stand{}},
	} {
		set, p := oneRule(t, test.rule)
		d := detector.New(set)
		for i := range test.events {
			d.Decide(int64(i), &test.events[i], nil)
		}
		if got := standOf(t, d, p, &test.events[len(test.events)-1]); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: stands at %+v, want %+v", name, got, test.want)
		}
	}
}

func standOf(t *testing.T, d *detector.Detector, p *rule.Program, e *event.Event) detector.Stand {
	t.Helper()
	x, err := d.Engine.Explain(p)
	if err != nil || len(x) != 1 {
		t.Fatalf("%v, %v", x, err)
	}
	return d.Stand(p, e, &x[0])
}

// TestWhatIsAskedOfEarlierStepsIsTold holds that each condition on earlier steps is told, in both stages and
// of both kinds, with the values of both events.
func TestWhatIsAskedOfEarlierStepsIsTold(t *testing.T) {
	type asked struct {
		step    int
		earlier []string
		is      bool
		leaves  []rule.Leaf
	}
	leaf := func(server string, is bool) []rule.Leaf {
		return []rule.Leaf{{Text: "server.id != read.server.id", True: is, Values: []string{fmt.Sprintf("server.id = %q", server), `read.server.id = "s"`}}}
	}
	want := []asked{{1, []string{"e1"}, false, leaf("s", false)}, {1, []string{"e1"}, true, leaf("other", true)}}
	for name, text := range map[string]string{
		"a sequence":                      `sequence: {by: [actor], within: 1m, steps: [{as: read, when: call.tool == "a"}, {when: call.tool == "b" && server.id != read.server.id}]}`,
		"one of the second stage":         `sequence: {by: [tenant], within: 1m, steps: [{as: read, when: call.tool == "a"}, {when: call.tool == "b" && server.id != read.server.id}]}`,
		"an absence":                      `absence: {by: [actor], within: 1m, after: {as: read, when: call.tool == "a"}, without: {when: call.tool == "b" && server.id != read.server.id}}`,
		"a step that is all about others": `absence: {by: [actor], within: 1m, after: {as: read, when: call.tool == "a"}, without: {when: server.id != read.server.id}}`,
	} {
		set, p := oneRule(t, text)
		d := detector.New(set)
		var got []asked
		d.OnAsked(func(p *rule.Program, step int, v *rule.View, now *rule.Sighting, earlier []*rule.Sighting) {
			is, leaves, err := p.ExplainAdmits(step, v, now, earlier)
			if err != nil {
				t.Fatal(err)
			}
			a := asked{step: step, is: is, leaves: leaves}
			for _, s := range earlier {
				a.earlier = append(a.earlier, s.Event)
			}
			got = append(got, a)
		})
		for i, server := range []string{"s", "s", "other"} {
			e := toolCall(i+1, server, []string{"a", "b", "b"}[i], i)
			d.Decide(int64(i), &e, nil)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %s\nwant %+v", name, got, p.Rule.ID, want)
		}
	}
}

// TestWhatIsHeldBackIsTold holds that a finding which is not given out says why.
func TestWhatIsHeldBackIsTold(t *testing.T) {
	set, _ := oneRule(t, "match: call.tool == \"a\"\nsuppress: {for: 1m}")
	d := detector.New(set)
	for i, test := range []struct {
		server              string
		found, held, hidden int
	}{{"s", 1, 0, 0}, {"s", 0, 1, 0}, {"trusted", 0, 0, 1}} {
		e := toolCall(i, test.server, "a", i)
		out := d.Decide(int64(i), &e, nil)
		found, held, hidden := len(out.Findings), 0, 0
		for _, h := range out.Held {
			switch h.Exception {
			case "":
				held++
			case "x":
				hidden++
			}
			if h.Finding.ID == "" || h.Finding.Rule != "r" {
				t.Errorf("event %d: what is held back is %+v", i, h.Finding)
			}
		}
		if found != test.found || held != test.held || hidden != test.hidden {
			t.Errorf("event %d: %d found, %d held back, %d hidden; want %+v", i, found, held, hidden, test)
		}
	}
	if c := d.Counts(); c.Events != 3 || c.Suppressed != 1 || c.Excepted != 1 {
		t.Errorf("counts are %+v", c)
	}
}
