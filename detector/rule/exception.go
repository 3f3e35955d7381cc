package rule

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/interpreter"
)

// Exception hides findings that somebody has looked at and accepts, until a day. It is a file
// of its own, in a folder named "exceptions".
type Exception struct {
	ID string `yaml:"id"`
	// Rules are the ids of the rules whose findings it hides.
	Rules []string `yaml:"rules"`
	// When is a CEL expression that is true of the event that concludes a finding.
	When   string `yaml:"when"`
	Reason string `yaml:"reason"`
	Owner  string `yaml:"owner"`
	// Expires is the last day, UTC, such as 2026-12-31. Afterwards findings come through, and say so.
	Expires string `yaml:"expires"`

	document
	reads []string // the names in When, once it is compiled
}

// ParseException reads one exception. Unknown fields are errors.
func ParseException(file string, data []byte) (*Exception, error) {
	x := &Exception{}
	if err := x.decode(file, data, x, "id, rules, when, reason, owner and expires of an exception"); err != nil {
		return nil, err
	}
	var problems []error
	problem := func(path, format string, args ...any) {
		problems = append(problems, x.errorAt(path, fmt.Sprintf(format, args...)))
	}
	if !ruleID.MatchString(x.ID) {
		problem("$.id", "id %q must be lower-case words joined by hyphens, such as backup-job", x.ID)
	}
	if len(x.Rules) == 0 {
		problem("$.rules", "rules is missing: the ids of the rules whose findings are hidden, such as rules: [path-traversal]")
	}
	if strings.TrimSpace(x.Reason) == "" {
		problem("$.reason", "reason is missing: the next reader asks why, such as reason: the nightly backup reads keys")
	}
	if strings.TrimSpace(x.Owner) == "" {
		problem("$.owner", "owner is missing: who is asked when it expires, such as owner: platform-team@example.com")
	}
	if _, err := time.Parse(time.DateOnly, x.Expires); err != nil {
		problem("$.expires", "expires %q must be a day, such as 2026-12-31", x.Expires)
	}
	return x, errors.Join(problems...)
}

// Ends is the first moment at which the exception no longer hides anything.
func (x *Exception) Ends() time.Time { return endOf(x.Expires) }

// exception is an Exception compiled for one program.
type exception struct {
	*Exception
	when expression
	ends time.Time
}

// except compiles the exceptions and gives them to their rules.
func (s *Set) except(env *cel.Env, exceptions []*Exception, rules map[string]string) (problems []error) {
	slices.SortFunc(exceptions, func(a, b *Exception) int { return strings.Compare(a.ID, b.ID) })
	seen := map[string]string{}
	for _, x := range exceptions {
		if first, taken := seen[x.ID]; taken {
			problems = append(problems, x.errorAt("$.id", fmt.Sprintf("id %q is taken by %s: give this one another", x.ID, first)))
			continue
		}
		seen[x.ID] = x.file
		c := compiler{schema: s.schema, env: env, in: &x.document}
		when, err := c.compile("$.when", x.When, cel.BoolType)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		x.reads = when.reads
		for i, id := range x.Rules {
			if _, known := rules[id]; !known {
				problems = append(problems, x.errorAt(fmt.Sprintf("$.rules[%d]", i), noRule(id, rules)))
				continue
			}
			for _, p := range s.Programs {
				if p.Rule.ID == id {
					p.exceptions = append(p.exceptions, &exception{x, when, x.Ends()})
					p.keepFor(when)
					p.vainException(x, when)
				}
			}
		}
		s.Exceptions = append(s.Exceptions, x)
	}
	return problems
}

// noRule says that an id is no rule's, and which may be meant.
func noRule(id string, rules map[string]string) string {
	return strings.TrimSpace(fmt.Sprintf("there is no rule %q: %s", id, cmp.Or(didYouMean(id, slices.Sorted(maps.Keys(rules))), "`mcpwatch rules list` names all")))
}

// keepFor keeps of remembered events what an exception reads.
func (p *Program) keepFor(x expression) {
	if !p.Remembers() {
		return
	}
	for _, name := range x.reads {
		if f, known := p.schema.field(name); known && !f.constant {
			p.kept = keep(p.kept, name)
		}
	}
}

// Excepted says which exception hides a finding on the shown event, "" for none. Expired are
// those that would have, had they not ended before the event.
func (p *Program) Excepted(v *View) (hides string, expired []string) {
	return p.excepted(v, v.event.Time)
}

// ExceptedSighting is Excepted for an event that is gone.
func (p *Program) ExceptedSighting(s *Sighting) (hides string, expired []string) {
	return p.excepted(memory{p.schema, s}, s.Time)
}

func (p *Program) excepted(a interpreter.Activation, at time.Time) (hides string, expired []string) {
	for _, x := range p.exceptions {
		out, _, err := x.when.program.Eval(a)
		switch {
		case err != nil || out != types.True:
		case at.Before(x.ends):
			return x.ID, nil
		default:
			expired = append(expired, x.ID)
		}
	}
	return "", expired
}
