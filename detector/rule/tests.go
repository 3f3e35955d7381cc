package rule

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
)

// validateTests reports what is wrong with the rule's tests as they are written: what cannot be read as
// an event, a field that no event has, and a finding that no rule could make.
func (r *Rule) validateTests() (problems []error) {
	for i, t := range r.Tests {
		path := fmt.Sprintf("$.tests[%d]", i)
		for n, written := range t.Events {
			problems = append(problems, r.validateEvent(fmt.Sprintf("%s.events[%d]", path, n), written)...)
		}
		for n, want := range t.Want {
			problem := func(field, format string, args ...any) {
				at := fmt.Sprintf("%s.want[%d].%s", path, n, field)
				problems = append(problems, r.errorAt(at, strings.TrimPrefix(at, "$.")+": "+fmt.Sprintf(format, args...)))
			}
			if want.Severity != "" && want.Severity.Rank() == 0 {
				problem("severity", "%q must be one of %s", want.Severity, wordsOf(finding.Severities()))
			}
			if want.Risk != nil && (*want.Risk < 0 || *want.Risk > maxRisk) {
				problem("risk", "%d must be from 0 to %d", *want.Risk, maxRisk)
			}
			if want.Event != nil && (*want.Event < 0 || *want.Event >= len(t.Events)) {
				problem("event", "%d is no place in events: there are %d, counted from 0", *want.Event, len(t.Events))
			}
		}
	}
	return problems
}

func wordsOf[T ~string](all []T) string {
	words := make([]string, len(all))
	for i, w := range all {
		words[i] = string(w)
	}
	return strings.Join(words, ", ")
}

// validateEvent reports what is wrong with one entry of a test's events.
func (r *Rule) validateEvent(path string, written any) []error {
	name := strings.TrimPrefix(path, "$.")
	fail := func(at, format string, args ...any) []error {
		return []error{r.errorAt(at, name+": "+fmt.Sprintf(format, args...))}
	}
	if members, is := written.(map[string]any); is && members["tick"] != nil {
		_, err := ParseSpan(fmt.Sprint(members["tick"]))
		switch {
		case err != nil:
			return fail(path+".tick", "tick: %v", err)
		case len(members) > 1:
			return fail(path, "a tick has nothing beside it, and this has %s", strings.Join(slices.Sorted(maps.Keys(members)), ", "))
		}
		return nil
	}
	data, err := json.Marshal(written, json.Deterministic(true))
	if err != nil {
		return fail(path, "it cannot be written as JSON: %v", err)
	}
	e, err := event.Decode(data, event.DefaultLimits())
	if err != nil {
		return fail(path, "it cannot be read as an event: %v", err)
	}
	var problems []error
	for _, part := range partsWithExtra(&e) {
		for _, unknown := range membersOf(part.extra) {
			at, dotted := path, strings.TrimPrefix(part.name+"."+unknown, ".")
			if plainName.MatchString(unknown) {
				at += "." + dotted
			}
			of := "an event"
			if part.name != "" {
				of = part.name
			}
			problems = append(problems, fail(at, "unknown field %q: %s has %s", dotted, of, strings.Join(jsonNames(part.of), ", "))...)
		}
	}
	return problems
}

// plainName is what a YAML path can name without quotes.
var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// partWithExtra is an object in an event, and what it holds that no event has.
type partWithExtra struct {
	name  string
	extra jsontext.Value
	of    any
}

func partsWithExtra(e *event.Event) []partWithExtra {
	all := []partWithExtra{
		{"", e.Extra, *e},
		{"agent", e.Agent.Extra, e.Agent},
		{"server", e.Server.Extra, e.Server},
		{"principal", e.Principal.Extra, e.Principal},
		{"http", e.HTTP.Extra, e.HTTP},
		{"source", e.Source.Extra, e.Source},
		{"measured", e.Measured.Extra, e.Measured},
	}
	if e.Request != nil {
		all = append(all, partWithExtra{"request", e.Request.Extra, *e.Request})
	}
	return all
}

// membersOf are the names in a JSON object, sorted.
func membersOf(object jsontext.Value) []string {
	var members map[string]jsontext.Value
	if len(object) == 0 || json.Unmarshal(object, &members) != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(members))
}

// jsonNames are the names that a struct's fields have in JSON, in order.
func jsonNames(of any) []string {
	var names []string
	for f := range reflect.TypeOf(of).Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}
