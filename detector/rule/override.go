package rule

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mcpwatch/mcpwatch/finding"
)

// Override is what a site changes of rules that it does not own, such as the built-in ones: it
// turns them off, or gives their findings another mode or severity. It is a file of its own, in a
// folder named "overrides". The rules' own tests are run without it.
type Override struct {
	// Rules are the ids of the rules that it changes.
	Rules []string `yaml:"rules"`
	// Enabled is false where the rules are not judged at all.
	Enabled  *bool            `yaml:"enabled"`
	Mode     finding.Mode     `yaml:"mode"`
	Severity finding.Severity `yaml:"severity"`
	Reason   string           `yaml:"reason"`
	Owner    string           `yaml:"owner"`
	// Expires is the last day, UTC, on which mode and severity hold, by the event's time; "" for
	// no end.
	Expires string `yaml:"expires"`

	document
}

// ParseOverride reads one override. Unknown fields are errors.
func ParseOverride(file string, data []byte) (*Override, error) {
	o := &Override{}
	if err := o.decode(file, data, o, "rules, one of enabled, mode and severity, reason and owner of an override"); err != nil {
		return nil, err
	}
	var problems []error
	problem := func(path, format string, args ...any) {
		problems = append(problems, o.errorAt(path, fmt.Sprintf(format, args...)))
	}
	if len(o.Rules) == 0 {
		problem("$.rules", "rules is missing: the ids of the rules that are changed, such as rules: [path-traversal]")
	}
	changes := o.Mode != "" || o.Severity != ""
	switch {
	case o.Enabled == nil && !changes:
		problem("$.enabled", "nothing is changed: give enabled: false, mode: shadow or a severity")
	case o.Enabled != nil && *o.Enabled:
		problem("$.enabled", "enabled: true changes nothing: leave it out")
	case o.Enabled != nil && changes:
		problem("$.enabled", "a rule that is off has neither mode nor severity: leave out enabled, or these")
	case o.Enabled != nil && o.Expires != "":
		problem("$.expires", "a rule that is off stays off: for a time give mode: shadow in place of enabled: false")
	}
	if o.Mode != "" && o.Mode != finding.Alert && o.Mode != finding.Shadow {
		problem("$.mode", "mode %q must be alert or shadow", o.Mode)
	}
	if o.Severity != "" && o.Severity.Rank() == 0 {
		problem("$.severity", "severity %q must be info, low, medium, high or critical", o.Severity)
	}
	if strings.TrimSpace(o.Reason) == "" {
		problem("$.reason", "reason is missing: the next reader asks why, such as reason: our scanner does this each night")
	}
	if strings.TrimSpace(o.Owner) == "" {
		problem("$.owner", "owner is missing: who is asked about it, such as owner: platform-team@example.com")
	}
	if _, err := time.Parse(time.DateOnly, o.Expires); err != nil && o.Expires != "" {
		problem("$.expires", "expires %q must be a day, such as 2026-12-31, or left out", o.Expires)
	}
	return o, errors.Join(problems...)
}

// Off reports whether it turns its rules off.
func (o *Override) Off() bool { return o.Enabled != nil && !*o.Enabled }

// holds reports whether it changes a finding of a time.
func (o *Override) holds(at time.Time) bool {
	return o.Expires == "" || at.Before(endOf(o.Expires))
}

// endOf is the first moment after a day, UTC.
func endOf(day string) time.Time {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return time.Time{} // refused when it was read
	}
	return t.AddDate(0, 0, 1)
}

// override gives the overrides to their rules, and takes those out that are off.
func (s *Set) override(overrides []*Override, rules map[string]string) (problems []error) {
	slices.SortFunc(overrides, func(a, b *Override) int { return cmp.Compare(a.file, b.file) })
	of := map[string]*Override{}
	for _, o := range overrides {
		for i, id := range o.Rules {
			path := fmt.Sprintf("$.rules[%d]", i)
			if _, known := rules[id]; !known {
				problems = append(problems, o.errorAt(path, noRule(id, rules)))
			} else if first := of[id]; first != nil {
				problems = append(problems, o.errorAt(path, fmt.Sprintf("%s is overridden by %s already: put both into one", id, first.file)))
			} else {
				of[id] = o
			}
		}
	}
	on := make([]*Program, 0, len(s.Programs))
	for _, p := range s.Programs {
		if p.Override = of[p.Rule.ID]; p.Override != nil && p.Override.Off() {
			s.Off = append(s.Off, p)
		} else {
			on = append(on, p)
		}
	}
	s.Programs, s.Overrides = on, overrides
	return problems
}

// ModeAt is the mode of a finding of a time: the rule's, or its override's.
func (p *Program) ModeAt(at time.Time) finding.Mode {
	if o := p.Override; o != nil && o.Mode != "" && o.holds(at) {
		return o.Mode
	}
	return p.Rule.Mode
}

// overrule gives a judgement of a time the override's severity.
func (p *Program) overrule(j Judgement, at time.Time) Judgement {
	if o := p.Override; o != nil && o.Severity != "" && o.holds(at) {
		j.Severity = o.Severity
	}
	return j
}
