package detector_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
)

// kinds are rules of every kind that remembers, with short times, in both stages.
func kinds(t *testing.T) *rule.Set {
	t.Helper()
	set, err := loadKinds()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func loadKinds() (*rule.Set, error) {
	files := fstest.MapFS{}
	for id, body := range map[string]string{
		"counts":     "count: {when: 'call.tool == \"read\"', by: [actor], within: 20s, at_least: 3}\ntitle: '{actor} reads'",
		"fleet":      "count: {when: 'call.tool == \"read\"', by: [server.id], within: 30s, at_least: 4}",
		"differs":    "distinct: {of: call.args.path, when: 'call.tool == \"read\"', by: [actor], within: 30s, at_least: 3}",
		"adds":       "sum: {of: event.size, when: 'call.tool == \"send\"', by: [actor, server.id], within: 1m, at_least: 300}",
		"follows":    "sequence: {by: [actor], within: 1m, steps: [{as: read, when: 'call.tool == \"read\"'}, {as: send, when: 'call.tool == \"send\" && server.id != read.server.id', gap: 30s}]}\nsummary: 'read at {read.server.id}, sent to {server.id}'",
		"unanswered": "absence: {by: [actor], after: {as: asked, when: 'call.tool == \"ask\"'}, without: {when: 'call.tool == \"done\" && server.id == asked.server.id'}, within: 15s}",
		"fleet-new":  "first_seen: {of: call.args.path, when: 'call.tool == \"read\"', by: [server.id], learn: 20s}",
		"fleet-asks": "absence: {by: [server.id], after: {as: asked, when: 'call.tool == \"ask\"'}, without: {when: 'call.tool == \"done\"'}, within: 25s}\nsuppress: {by: [server.id], for: 30s}",
		"new-tool":   "first_seen: {of: call.tool, when: 'call.tool != \"\"', by: [actor], learn: 10s}",
		"quiet":      "match: 'call.tool == \"send\"'\nsuppress: {by: [actor], for: 20s}",
	} {
		text := "id: " + id + "\nseverity: 'call.tool == \"send\" ? \"high\" : \"low\"'\n" + body + "\n"
		if !strings.Contains(body, "title:") {
			text += "title: A rule\n"
		}
		files[id+".yaml"] = &fstest.MapFile{Data: []byte(text)}
	}
	return rule.Load(rule.Folder{Name: "test", Files: files})
}

// countsReads has a rule that finds three reads.
func countsReads(t *testing.T) *rule.Set {
	t.Helper()
	set, err := rule.Load(rule.Folder{Name: "test", Files: fstest.MapFS{"counts.yaml": {Data: []byte(`
id: counts
title: Many reads
severity: low
count: {when: 'call.tool == "read_file"', by: [actor], within: 10m, at_least: 3}
`)}}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestTimersOfWhatWasAnsweredAreDropped holds that asking and answering leaves nothing behind.
func TestTimersOfWhatWasAnsweredAreDropped(t *testing.T) {
	engine := detector.NewEngine(kinds(t))
	for i := range 10_000 {
		tool := []string{"ask", "done"}[i%2]
		e := message(fmt.Sprint("e", i), event.ToServer, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q}}`, i, tool))
		e.Time = noon.Add(time.Duration(i) * time.Millisecond)
		e.Received = e.Time
		engine.Process(int64(i), &e)
	}
	if n := engine.Timers(); n > 1100 {
		t.Errorf("%d timers", n)
	}
}

// item is an event or a tick.
type item struct {
	event event.Event
	tick  time.Time
}

// sessions draws what a few agents do at a few servers, their clocks a little apart, and ticks.
// At the end one agent does what every rule is about.
func sessions(t *rapid.T) []item {
	var items []item
	now := noon
	call := func(tool, path, actor, server string, late time.Duration) {
		id := len(items)
		e := message(fmt.Sprint("e", id), event.ToServer, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":{"path":%q}}}`, id, tool, path))
		e.Actor, e.Server.ID = actor, server
		e.Time, e.Received = now.Add(-late), now
		items = append(items, item{event: e})
	}
	for range rapid.IntRange(1, 60).Draw(t, "n") {
		now = now.Add(time.Duration(rapid.IntRange(0, 8).Draw(t, "pause")) * time.Second)
		if rapid.IntRange(0, 5).Draw(t, "tick") == 0 {
			items = append(items, item{tick: now})
			continue
		}
		call(rapid.SampledFrom([]string{"read", "read", "send", "ask", "done"}).Draw(t, "tool"),
			rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "path"),
			rapid.SampledFrom([]string{"agent:a", "agent:b"}).Draw(t, "actor"),
			rapid.SampledFrom([]string{"files", "web"}).Draw(t, "server"),
			time.Duration(rapid.IntRange(0, 3).Draw(t, "late"))*time.Second)
	}
	now = now.Add(time.Hour)
	for _, does := range []struct{ tool, path, server string }{
		{"read", "a", "files"}, {"read", "b", "files"}, {"read", "c", "files"}, {"read", "a", "files"}, // counts, differs, fleet
		{"send", "a", "web"}, {"send", "b", "web"}, {"send", "c", "web"}, {"send", "d", "web"}, // follows, adds, quiet
		{"ask", "a", "files"}, // unanswered
	} {
		now = now.Add(time.Second)
		call(does.tool, does.path, "agent:z", does.server, 0)
	}
	now = now.Add(time.Minute)
	call("new", "a", "agent:z", "files", 0)
	call("read", "z", "agent:z", "files", 0)
	return append(items, item{tick: now.Add(time.Hour)})
}

func describeFindings(found []finding.Finding) []string {
	var all []string
	for i := range found {
		data, err := finding.Encode(&found[i])
		if err != nil {
			panic(err)
		}
		all = append(all, string(data))
	}
	return all
}

// TestMemorySurvives holds that an engine and a fleet that are written and read back at any
// time find, byte for byte, what they find undisturbed.
func TestMemorySurvives(t *testing.T) {
	set := kinds(t)
	byRule := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		items := sessions(t)
		run := func(disturb func(d *detector.Detector, clock time.Time) *detector.Detector) []string {
			d := detector.New(set)
			var found []finding.Finding
			clock := time.UnixMicro(0)
			for i := range items {
				if e := items[i].event; e.ID != "" {
					found = append(found, d.Process(int64(i), &e)...)
					if e.Received.Sub(clock) >= 5*time.Second {
						clock = e.Received
					}
				} else {
					found = append(found, d.Tick(items[i].tick)...)
					clock = items[i].tick
				}
				d = disturb(d, clock)
			}
			for _, f := range found {
				byRule[f.Rule]++
				if f.SuppressedAfter != "" {
					byRule["suppressed"]++
				}
			}
			return describeFindings(found)
		}
		undisturbed := run(func(d *detector.Detector, _ time.Time) *detector.Detector { return d })
		var engine, fleet [][]byte
		disturbed := run(func(d *detector.Detector, clock time.Time) *detector.Detector {
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				engine, fleet = d.Engine.Checkpoint(true), d.Fleet.Checkpoint(true)
			case 1, 2:
				engine, fleet = append(engine, d.Engine.Checkpoint(false)...), append(fleet, d.Fleet.Checkpoint(false)...)
			default:
				return d
			}
			if rapid.Bool().Draw(t, "restore") {
				next := detector.Resumed(set, clock)
				if err := next.Engine.Restore(engine, clock); err != nil {
					t.Fatal(err)
				}
				if err := next.Fleet.Restore(fleet, clock); err != nil {
					t.Fatal(err)
				}
				return next
			}
			return d
		})
		if !slices.Equal(undisturbed, disturbed) {
			t.Fatalf("undisturbed:\n%s\ndisturbed:\n%s", strings.Join(undisturbed, "\n"), strings.Join(disturbed, "\n"))
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
