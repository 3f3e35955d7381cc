package detector_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
)

// findings are what a detector finds in events.
func findings(d *detector.Detector, events ...event.Event) (found []finding.Finding) {
	for i := range events {
		found = append(found, d.Process(int64(i), &events[i])...)
	}
	return found
}

// TestAKeyWithoutAValueIsUnkeyed: events of nobody are not one another's.
func TestAKeyWithoutAValueIsUnkeyed(t *testing.T) {
	for _, by := range []string{"[actor, principal.subject]", "[principal.subject]", "[actor, size(principal.scopes)]"} {
		d := detector.New(rulesOf(t, map[string]string{"r": `severity: low
count: {when: 'call.tool == "a"', by: ` + by + `, within: 1m, at_least: 2}`}))
		if found := findings(d, toolCall(1, "s", "a", 0), toolCall(2, "s", "a", 1)); len(found) > 0 {
			t.Errorf("%s: found %v", by, found[0].Key)
		}
		if c := d.Counts(); c.Unkeyed != 2 || c.Keys != 0 {
			t.Errorf("%s: %d unkeyed, %d keys", by, c.Unkeyed, c.Keys)
		}
		named := []event.Event{toolCall(3, "s", "a", 2), toolCall(4, "s", "a", 3)}
		for i := range named {
			named[i].Principal = event.Principal{Subject: "alice", Scopes: []string{"read"}}
		}
		for i := range named {
			if found := d.Process(int64(10+i), &named[i]); len(found) != i {
				t.Errorf("%s: %d findings of event %d of somebody", by, len(found), i)
			}
		}
	}
}

// TestSuppressionKeepsApartWhatAKeyHas: a part of its key that has no value does not make others one.
func TestSuppressionKeepsApartWhatAKeyHas(t *testing.T) {
	d := detector.New(rulesOf(t, map[string]string{"r": `severity: low
match: call.tool == "a"
suppress: {by: [server.id, principal.subject], for: 1h}`}))
	found := findings(d, toolCall(1, "s", "a", 0), toolCall(2, "other", "a", 1), toolCall(3, "s", "a", 2))
	if len(found) != 2 || d.Counts().Suppressed != 1 {
		t.Errorf("%d findings, %d held back; want those of two servers, and one", len(found), d.Counts().Suppressed)
	}
}

// TestTheWordsOfAFindingWithoutAValue holds what severity, risk and texts do where a field is absent.
func TestTheWordsOfAFindingWithoutAValue(t *testing.T) {
	set := rulesOf(t, map[string]string{"r": `severity: 'principal.subject == "root" ? "critical" : call.tool == "a" ? "medium" : "low"'
risk: 'principal.subject == "root" || call.tool == "rm" ? 90 : measured.size > 5 ? int(measured.size) : int(call.args.risk)'
match: call.tool.startsWith("a") || call.tool == "rm"
summary: 'by {principal.subject} at {server.url}'`})
	for i, test := range []struct {
		tool, subject string
		size          int64
		severity      finding.Severity
		risk          int
	}{
		{"a", "", 0, finding.Medium, 0},
		{"ab", "", 0, finding.Low, 0},
		{"a", "root", 0, finding.Critical, 90},
		{"rm", "", 0, finding.Low, 90},
		{"a", "", 7, finding.Medium, 7},
	} {
		e := toolCall(i, "s", test.tool, 0)
		e.Principal.Subject, e.Measured.Size = test.subject, test.size
		found := findings(detector.New(set), e)
		if len(found) != 1 || found[0].Severity != test.severity || found[0].Risk != test.risk {
			t.Errorf("%+v: found %+v", test, found)
			continue
		}
		who := test.subject
		if who == "" {
			who = "?"
		}
		if want := "by " + who + " at ?"; found[0].Summary != want {
			t.Errorf("%+v: summary %q, want %q", test, found[0].Summary, want)
		}
	}
}

// withText is a tool call with a text in its arguments.
func withText(n int, tool, text string, seconds int) event.Event {
	e := toolCall(n, "s", tool, seconds)
	e.Message = fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":{"text":%q}}}`, n, tool, text)
	return e
}

// TestALaterStepReadsItsEventWhole: of an earlier event a condition sees what is remembered, of the
// present one all that other conditions see. The second stage has both as they are remembered.
func TestALaterStepReadsItsEventWhole(t *testing.T) {
	far := strings.Repeat("x", 30_000) + " the secret "
	for _, test := range []struct {
		name, by, read, send string
		found                bool
	}{
		{"at the present event's end", "actor", "the secret", far, true},
		{"at the earlier event's end", "actor", far, "the secret", false},
		{"in the second stage", "server.id", "the secret", far, false},
		{"in the second stage, near", "server.id", "the secret", "x the secret", true},
	} {
		for kind, body := range map[string]string{
			"sequence": `sequence: {by: [` + test.by + `], within: 1m, steps: [{as: read, when: 'call.tool == "read"'}, {when: 'call.tool == "send" && call.args_text.contains("secret") == read.call.args_text.contains("secret")'}]}`,
			"absence":  `absence: {by: [` + test.by + `], within: 1m, after: {as: read, when: 'call.tool == "read"'}, without: {when: 'call.tool == "send" && call.args_text.contains("secret") == read.call.args_text.contains("secret")'}}`,
		} {
			d := detector.New(rulesOf(t, map[string]string{"r": "severity: low\n" + body}))
			found := findings(d, withText(1, "read", test.read, 0), withText(2, "send", test.send, 1))
			found = append(found, d.Tick(noon.Add(time.Hour))...)
			if got := (len(found) > 0) == (kind == "sequence"); got != test.found {
				t.Errorf("%s, %s: followed is %v, want %v", kind, test.name, got, test.found)
			}
		}
	}
}

// TestWhatIsRememberedIsShownAsSuch: explaining shows of an earlier event what its rule remembers, and
// says where that is not all; of the present event too, where the second stage decides.
func TestWhatIsRememberedIsShownAsSuch(t *testing.T) {
	const long = 5000
	for by, want := range map[string]map[string]bool{
		"actor":     {"call.args_text": false, "read.call.args_text": true},
		"server.id": {"call.args_text": true, "read.call.args_text": true},
	} {
		set, _ := oneRule(t, `sequence: {by: [`+by+`], within: 1m, steps: [{as: read, when: 'call.tool == "read"'}, {when: 'call.tool == "send" && call.args_text == read.call.args_text'}]}`)
		d := detector.New(set)
		var values []string
		d.OnAsked(func(p *rule.Program, step int, v *rule.View, now *rule.Sighting, earlier []*rule.Sighting) {
			_, leaves, err := p.ExplainAdmits(step, v, now, earlier)
			if err != nil || len(leaves) != 1 {
				t.Fatalf("%s: %+v, %v", by, leaves, err)
			}
			values = leaves[0].Values
		})
		findings(d, withText(1, "read", strings.Repeat("a", long), 0), withText(2, "send", strings.Repeat("b", long), 1))
		for name, cut := range want {
			found := false
			for _, value := range values {
				if strings.HasPrefix(value, name+" = ") {
					found = true
					if got := strings.HasSuffix(value, "(remembered in part)"); got != cut {
						t.Errorf("%s: %s", by, value)
					}
				}
			}
			if !found {
				t.Errorf("%s: nothing is said of %s: %q", by, name, values)
			}
		}
	}
}

// TestLookingBackIsOnTheBudget: many beginnings cannot make one long event be read again and again.
func TestLookingBackIsOnTheBudget(t *testing.T) {
	d := detector.New(rulesOf(t, map[string]string{"r": `severity: low
absence: {by: [actor], within: 1h, after: {as: read, when: 'call.tool == "read"'}, without: {when: 'call.tool == "send" && call.args_text.contains(read.call.args_text)'}}`}))
	for i := range 64 {
		e := withText(i, "read", fmt.Sprint("secret ", i, "."), i)
		d.Process(int64(i), &e)
	}
	e := withText(100, "send", strings.Repeat("y", 60_000), 100)
	d.Process(100, &e)
	if n := d.Counts().UnjudgedRules; n == 0 || n > 60 || !e.HasMark("rules_not_judged") {
		t.Errorf("%d evaluations of 64 were left out, marks %v", n, e.Marks)
	}
}
