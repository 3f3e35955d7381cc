package ruletest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/finding"
)

// maxListed bounds how many findings a failure lists.
const maxListed = 10

// compare holds the findings of a test against those that it wants. place says where in the test an
// event stands, by id.
func compare(found []finding.Finding, want []rule.Want, place map[string]int) error {
	if len(found) != len(want) {
		lines := []string{fmt.Sprintf("%d findings, want %d", len(found), len(want))}
		for i := range found[:min(len(found), maxListed)] {
			f := &found[i]
			lines = append(lines, fmt.Sprintf("  finding %d: %s %q, concluded by event %s", i, f.Severity, f.Title, concludedBy(f, place)))
		}
		return errors.New(strings.Join(lines, "\n"))
	}
	var failed []string
	for i := range want {
		if d := differences(&found[i], &want[i], place); len(d) > 0 {
			failed = append(failed, fmt.Sprintf("finding %d is not what is wanted (-), it is (+):\n%s", i, strings.Join(d, "\n")))
		}
	}
	if len(failed) > 0 {
		return errors.New(strings.Join(failed, "\n"))
	}
	return nil
}

// differences are the lines of a diff, two for each field that is not as wanted.
func differences(got *finding.Finding, want *rule.Want, place map[string]int) (lines []string) {
	check := func(name string, asked bool, want, got string) {
		if asked && want != got {
			lines = append(lines, fmt.Sprintf("  - %s: %s", name, want), fmt.Sprintf("  + %s: %s", name, got))
		}
	}
	text := func(name, want, got string) {
		check(name, want != "", fmt.Sprintf("%q", want), fmt.Sprintf("%q", got))
	}
	number := func(name string, want *int, got string) {
		if want != nil {
			check(name, true, fmt.Sprint(*want), got)
		}
	}
	check("severity", want.Severity != "", string(want.Severity), string(got.Severity))
	number("risk", want.Risk, fmt.Sprint(got.Risk))
	text("title", want.Title, got.Title)
	text("summary", want.Summary, got.Summary)
	text("name", want.Name, got.Name)
	if want.Key != nil && !slices.Equal(want.Key, got.Key) {
		check("key", true, fmt.Sprintf("%q", want.Key), fmt.Sprintf("%q", got.Key))
	}
	number("event", want.Event, concludedBy(got, place))
	number("events", want.Events, fmt.Sprint(len(got.Events)))
	number("suppressed", want.Suppressed, fmt.Sprint(got.Suppressed))
	return lines
}

// concludedBy is the place of the event that concludes a finding, "none" where a quiet time's end does.
func concludedBy(f *finding.Finding, place map[string]int) string {
	if len(f.Events) == 0 {
		return "none"
	}
	last := f.Events[len(f.Events)-1]
	if n, known := place[last]; known {
		return fmt.Sprint(n)
	}
	return cmp.Or(last, "none")
}
