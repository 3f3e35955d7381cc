package rules_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/collector/redact"
	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/ruletest"
)

// TestRedactionChangesNoFinding runs every test of every rule through all rules, with the events as
// they are and with secrets taken out of them: the same rules find the same in the same events.
func TestRedactionChangesNoFinding(t *testing.T) {
	set := load(t)
	keys, err := redact.ParseKeys(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	if err != nil {
		t.Fatal(err)
	}
	policy, err := redact.New(keys, redact.Config{})
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for _, p := range set.Programs {
		for _, test := range p.Rule.Tests {
			plain, _ := findings(t, set, test, nil)
			redacted, n := findings(t, set, test, policy.Redactor())
			taken += n
			if strings.Join(plain, "\n") != strings.Join(redacted, "\n") {
				t.Errorf("%s, %q: plain\n\t%s\nredacted\n\t%s", p.Rule.ID, test.Name, strings.Join(plain, "\n\t"), strings.Join(redacted, "\n\t"))
			}
		}
	}
	if taken < 10 {
		t.Errorf("only %d values were taken out: the tests show nothing", taken)
	}
}

// findings runs a test, and counts what was taken out of its events. Ids of findings are left out:
// that of one on a definition hangs on its text.
func findings(t *testing.T, set *rule.Set, test rule.Test, r *redact.Redactor) (found []string, taken int) {
	t.Helper()
	steps, err := ruletest.Steps(test)
	if err != nil {
		t.Fatal(err)
	}
	d := detector.New(set)
	for i := range steps {
		e := steps[i].Event
		if e == nil {
			for _, f := range d.Tick(steps[i].Tick) {
				found = append(found, fmt.Sprint(i, f.Rule, f.Severity, f.Events, f.Suppressed))
			}
			continue
		}
		if r != nil {
			_, counts, err := r.Encode(nil, e)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range counts {
				taken += n
			}
		}
		for _, f := range d.Process(int64(i), e) {
			found = append(found, fmt.Sprint(i, " ", f.Rule, " ", f.Severity, " ", f.Events, " ", f.Suppressed))
		}
	}
	return found, taken
}
