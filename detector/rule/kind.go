package rule

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Count finds when so many events of a key lie within a time.
type Count struct {
	// When is true of the events that count.
	When string `yaml:"when"`
	// By are the expressions that make the key. A key with `actor` in it is kept where the
	// actor's events are read; any other is kept in the second stage.
	By []string `yaml:"by"`
	// Within is the time, such as 5m; it slides in steps of a twelfth and never spans more.
	Within string `yaml:"within"`
	// AtLeast is the number of events that is found, at most 65,535. A finding uses up its
	// events: the next needs as many new ones.
	AtLeast int `yaml:"at_least"`
}

// Distinct finds when so many different values of a key lie within a time.
type Distinct struct {
	// Of is the value that differs.
	Of      string   `yaml:"of"`
	When    string   `yaml:"when"`
	By      []string `yaml:"by"`
	Within  string   `yaml:"within"`
	AtLeast int      `yaml:"at_least"` // at most 1,000
}

// Sum finds when a number adds up to so much within a time.
type Sum struct {
	// Of is the number that is added.
	Of      string   `yaml:"of"`
	When    string   `yaml:"when"`
	By      []string `yaml:"by"`
	Within  string   `yaml:"within"`
	AtLeast float64  `yaml:"at_least"`
}

// Sequence finds events that follow one another, others in between or not.
type Sequence struct {
	By     []string `yaml:"by"`
	Within string   `yaml:"within"`
	// Lateness is how much later than events after it an event may arrive: a step that has nothing
	// to follow is kept so long. At most Within; where not given a minute, or Within if that is less.
	Lateness string `yaml:"lateness"`
	Steps    []Step `yaml:"steps"` // two to eight
}

// Step is one event of a sequence. Its condition may read what an earlier step saw, as
// NAME.FIELD, such as read.server.id.
type Step struct {
	As   string `yaml:"as"`
	When string `yaml:"when"`
	// Gap is the most time since the step before, where it is less than the sequence's.
	Gap string `yaml:"gap"`
}

// Absence finds an event that another does not follow in time.
type Absence struct {
	By []string `yaml:"by"`
	// After is the event that waits; Without the one that must come. It may read After's fields.
	After   Step   `yaml:"after"`
	Without Step   `yaml:"without"`
	Within  string `yaml:"within"`
	// Lateness is how much later than events after it an event may arrive: so much longer than
	// Within it takes to find. Its bounds are those of a sequence's.
	Lateness string `yaml:"lateness"`
}

// FirstSeen finds a value that an entity has not had before.
type FirstSeen struct {
	Of   string `yaml:"of"`
	When string `yaml:"when"`
	// By names the entity.
	By []string `yaml:"by"`
	// Learn is how long after the entity's first event new values are only learnt.
	Learn string `yaml:"learn"`
	// Memory is how long a value is known after it was last seen; 90d where not given.
	Memory string `yaml:"memory"`
}

// Anomaly finds a measure that an entity's baseline does not expect.
type Anomaly struct {
	// Of is the number that is measured.
	Of   string   `yaml:"of"`
	When string   `yaml:"when"`
	By   []string `yaml:"by"`
	// Baseline names what judges the measure.
	Baseline string `yaml:"baseline"`
	// FalseAlarms is how many a day are accepted for each entity; more than 0.
	FalseAlarms float64 `yaml:"false_alarms"`
}

// Suppress keeps a rule quiet for a time after a finding. What it held back is counted on the
// next finding, or in one of its own when the time is over.
type Suppress struct {
	// By are the expressions that make the key; the rule's own key where not given.
	By  []string `yaml:"by"`
	For string   `yaml:"for"`
}

// Bounds of kinds.
const (
	maxCount    = 65_535
	maxDistinct = 1_000
	maxSteps    = 8
	maxKeyParts = 8
	minWithin   = time.Second
	maxWithin   = 90 * day

	usualLateness = time.Minute

	day           = 24 * time.Hour
	defaultMemory = 90 * day
)

var (
	spanForm = regexp.MustCompile(`^([0-9]+)(ms|s|m|h|d)$`)
	stepName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// ParseSpan reads a length of time as rules write it: a whole number and ms, s, m, h or d, at
// most 90 days.
func ParseSpan(text string) (time.Duration, error) {
	form := spanForm.FindStringSubmatch(text)
	if form == nil {
		return 0, fmt.Errorf("%q must be a whole number and ms, s, m, h or d, such as 5m", text)
	}
	unit := map[string]time.Duration{"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": day}[form[2]]
	n, err := strconv.ParseInt(form[1], 10, 64)
	if err != nil || n > int64(maxWithin/unit) {
		return 0, fmt.Errorf("%q is longer than %d days, the most", text, maxWithin/day)
	}
	return time.Duration(n) * unit, nil
}

// kindChecks collects what is wrong with a rule's kind, expressions aside.
type kindChecks struct {
	rule     *Rule
	problems []error
}

func (c *kindChecks) problem(path, format string, args ...any) {
	reason := fmt.Sprintf(format, args...)
	if !strings.HasPrefix(reason, "is missing") {
		path += ":"
	}
	c.problems = append(c.problems, c.rule.errorAt("$."+strings.TrimSuffix(path, ":"), path+" "+reason))
}

func (c *kindChecks) span(path, text string, least time.Duration) {
	d, err := ParseSpan(text)
	switch {
	case text == "":
		c.problem(path, "is missing: a length of time, such as 5m")
	case err != nil:
		c.problem(path, "%v", err)
	case d < least:
		c.problem(path, "%s is shorter than %s, the least", text, least)
	}
}

// lateness checks a lateness beside the time that it belongs to.
func (c *kindChecks) lateness(path, text, within string) {
	if text == "" {
		return
	}
	c.span(path, text, 0)
	late, err := ParseSpan(text)
	if most, wrong := ParseSpan(within); err == nil && wrong == nil && late > most {
		c.problem(path, "%s is longer than within, %s", text, within)
	}
}

func (c *kindChecks) by(path string, by []string) {
	switch {
	case len(by) == 0:
		c.problem(path, "is missing: the expressions that make the key, such as [actor]")
	case len(by) > maxKeyParts:
		c.problem(path, "%d expressions, at most %d make a key", len(by), maxKeyParts)
	}
}

func (c *kindChecks) within(path string, n, most int) {
	switch {
	case n == 0 && c.rule.nodeAt("$."+path) == nil:
		c.problem(path, "is missing: a whole number from 1 to %d", most)
	case n < 1 || n > most:
		c.problem(path, "%d must be from 1 to %d", n, most)
	}
}

// validateKind reports what is wrong with the rule's kind, expressions aside.
func (r *Rule) validateKind() []error {
	c := &kindChecks{rule: r}
	switch {
	case r.Count != nil:
		c.by("count.by", r.Count.By)
		c.span("count.within", r.Count.Within, minWithin)
		c.within("count.at_least", r.Count.AtLeast, maxCount)
	case r.Distinct != nil:
		c.by("distinct.by", r.Distinct.By)
		c.span("distinct.within", r.Distinct.Within, minWithin)
		c.within("distinct.at_least", r.Distinct.AtLeast, maxDistinct)
	case r.Sum != nil:
		c.by("sum.by", r.Sum.By)
		c.span("sum.within", r.Sum.Within, minWithin)
		if r.Sum.AtLeast <= 0 {
			c.problem("sum.at_least", "%v must be a number above 0", r.Sum.AtLeast)
		}
	case r.Sequence != nil:
		c.by("sequence.by", r.Sequence.By)
		c.span("sequence.within", r.Sequence.Within, minWithin)
		c.lateness("sequence.lateness", r.Sequence.Lateness, r.Sequence.Within)
		c.steps(r.Sequence.Steps)
	case r.Absence != nil:
		c.by("absence.by", r.Absence.By)
		c.span("absence.within", r.Absence.Within, minWithin)
		c.lateness("absence.lateness", r.Absence.Lateness, r.Absence.Within)
		if r.Absence.After.Gap != "" || r.Absence.Without.Gap != "" {
			c.problem("absence", "gap has no meaning here: within is the time")
		}
	case r.FirstSeen != nil:
		c.by("first_seen.by", r.FirstSeen.By)
		c.span("first_seen.learn", r.FirstSeen.Learn, 0)
		if r.FirstSeen.Memory != "" {
			c.span("first_seen.memory", r.FirstSeen.Memory, minWithin)
		}
	case r.Anomaly != nil:
		c.by("anomaly.by", r.Anomaly.By)
		if !(r.Anomaly.FalseAlarms > 0) {
			c.problem("anomaly.false_alarms", "%v must be more than 0: how many a day are accepted for each entity", r.Anomaly.FalseAlarms)
		}
	}
	if r.Suppress != nil {
		c.span("suppress.for", r.Suppress.For, minWithin)
		if len(r.Suppress.By) > maxKeyParts {
			c.by("suppress.by", r.Suppress.By)
		}
	}
	return c.problems
}

func (c *kindChecks) steps(steps []Step) {
	if len(steps) < 2 || len(steps) > maxSteps {
		c.problem("sequence.steps", "%d steps, must be from 2 to %d: one event alone is a match", len(steps), maxSteps)
	}
	names := map[string]bool{}
	for i, s := range steps {
		path := fmt.Sprintf("sequence.steps[%d]", i)
		if s.As != "" && !stepName.MatchString(s.As) {
			c.problem(path+".as", "%q must be lower-case letters, digits and _, such as read", s.As)
		}
		if s.As != "" && names[s.As] {
			c.problem(path+".as", "%q names a step already: give this one another name", s.As)
		}
		names[s.As] = true
		switch {
		case s.Gap != "" && i == 0:
			c.problem(path+".gap", "the first step follows none: put gap into the second")
		case s.Gap != "":
			c.span(path+".gap", s.Gap, time.Millisecond)
		}
	}
}
