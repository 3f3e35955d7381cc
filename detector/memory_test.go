package detector_test

import (
	"fmt"
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
func kinds(t testing.TB) *rule.Set {
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
		"fleet":      "count: {when: 'call.tool == \"read\"', by: [server.id], within: 30s, at_least: 4}\nsummary: 'the read of {call.args.n}'",
		"differs":    "distinct: {of: call.args.path, when: 'call.tool == \"read\"', by: [actor], within: 30s, at_least: 3}",
		"adds":       "sum: {of: event.size, when: 'call.tool == \"send\"', by: [actor, server.id], within: 1m, at_least: 300}",
		"follows":    "sequence: {by: [actor], within: 1m, steps: [{as: read, when: 'call.tool == \"read\"'}, {as: send, when: 'call.tool == \"send\" && server.id != read.server.id', gap: 30s}]}\nsummary: 'read at {read.server.id}, sent to {server.id}'",
		"unanswered": "absence: {by: [actor], after: {as: asked, when: 'call.tool == \"ask\"'}, without: {when: 'call.tool == \"done\" && server.id == asked.server.id'}, within: 15s}",
		"fleet-new":  "first_seen: {of: call.args.path, when: 'call.tool == \"read\"', by: [server.id], learn: 20s}",
		"fleet-asks": "absence: {by: [server.id], after: {as: asked, when: 'call.tool == \"ask\"'}, without: {when: 'call.tool == \"done\"'}, within: 25s}\nsuppress: {by: [server.id], for: 30s}",
		"new-tool":   "first_seen: {of: call.tool, when: 'call.tool != \"\"', by: [actor], learn: 10s}",
		"returned":   "match: 'call.tool == \"ask\" && result.text.contains(\"a key\")'",
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

func countsFolder() rule.Folder {
	return rule.Folder{Name: "test", Files: fstest.MapFS{"counts.yaml": {Data: []byte(`
id: counts
title: Many reads
severity: low
count: {when: 'call.tool == "read_file"', by: [actor], within: 10m, at_least: 3}
`)}}}
}

// countsReads has a rule that finds three reads.
func countsReads(t testing.TB) *rule.Set {
	t.Helper()
	set, err := rule.Load(countsFolder())
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

// sessions draws what a few agents do at a few servers, their clocks and the collectors' a little
// apart, and ticks; some of it is shipped twice.
// At the end one agent does what every rule is about.
func sessions(t *rapid.T) []item {
	var items []item
	now := noon
	call := func(tool, path, actor, server string, late time.Duration) {
		id := len(items)
		e := message(fmt.Sprint("e", id), event.ToServer, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":{"path":%q,"n":%d}}}`, id, tool, path, 9007199254740993+id))
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
		call(rapid.SampledFrom([]string{"read", "read", "Read", "send", "ask", "done"}).Draw(t, "tool"),
			rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "path"),
			rapid.SampledFrom([]string{"agent:a", "agent:b"}).Draw(t, "actor"),
			rapid.SampledFrom([]string{"files", "web"}).Draw(t, "server"),
			time.Duration(rapid.IntRange(0, 3).Draw(t, "late"))*time.Second)
		last := &items[len(items)-1]
		switch rapid.IntRange(0, 9).Draw(t, "what") {
		case 0:
			last.event.Received = now.Add(-20 * time.Second) // another collector's clock is behind
		case 1:
			items = append(items, *last, *last)
		case 2, 3:
			answer := message(fmt.Sprint("a", len(items)), event.ToClient, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"a key"}]}}`, len(items)-1))
			answer.Actor, answer.Server.ID, answer.Time, answer.Received = last.event.Actor, last.event.Server.ID, now, now
			items = append(items, item{event: answer})
		}
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
	answer := message("answer", event.ToClient, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"a key"}]}}`, len(items)-1))
	answer.Actor, answer.Time, answer.Received = "agent:z", now, now
	items = append(items, item{event: answer}) // returned
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
