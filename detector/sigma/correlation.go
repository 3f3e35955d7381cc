package sigma

import (
	"fmt"
	"regexp"
	"strconv"
)

// Bounds of our rules.
const (
	maxCount    = 65_535
	maxDistinct = 1_000
	minSteps    = 2
	maxSteps    = 8
	maxBy       = 8
	maxDays     = 90
)

// correlation translates a rule that relates events which other rules find.
func (i *importer) correlation(s *source) {
	c := &correlating{importer: i, source: s, doc: s.doc.get("correlation")}
	c.readRules()
	c.generate()
	c.readAliases()
	within := c.within()
	by := c.by()
	kind := c.doc.get("type").str()
	if window := c.doc.get("window").str(); window != "" && window != "sliding" {
		c.refuse(c.doc.get("window"), "window", "%q: our windows slide", window)
	}
	var b body
	switch kind {
	case "event_count":
		b = c.count()
	case "value_count":
		b = c.valueCount()
	case "value_sum":
		b = c.valueSum()
	case "temporal":
		b = c.temporal()
	case "temporal_ordered":
		b = c.ordered()
	case "value_avg", "value_percentile", "value_median":
		c.refuse(c.doc.get("type"), "type", "%s: no kind of our rules has it", kind)
	default:
		c.refuse(c.doc.get("type"), "type", "%q is not known", kind)
	}
	b.by, b.within = by, within
	if len(s.refused) == 0 {
		s.body = b
	}
}

// correlating is the translation of a correlation under way.
type correlating struct {
	*importer
	*source
	doc *node
	// rules are those it refers to, and names what it calls them.
	rules []*source
	names []string
	// aliases find by alias and rule the name of a field.
	aliases map[string]map[string]string
}

// readRules finds the rules that the correlation refers to.
func (c *correlating) readRules() {
	entries := c.doc.get("rules").values()
	if len(entries) == 0 {
		c.refuse(c.doc, "rules", "names no rule")
	}
	for _, entry := range entries {
		name := entry.str()
		found := c.named[name]
		switch {
		case len(found) == 0:
			c.refuse(entry, "rules", "no rule %q is among the files", name)
			continue
		case len(found) > 1:
			c.refuse(entry, "rules", "%q names more than one rule: %s and %s", name, found[0].at(), found[1].at())
			continue
		case found[0].doc.get("correlation") != nil:
			c.refuse(entry, "rules", "%q is a correlation itself, which ours cannot relate", name)
			continue
		}
		rule := found[0]
		rule.correlated = true
		if len(rule.refused) > 0 {
			c.refuse(entry, "rules", "%q cannot be translated itself: %s", name, rule.at())
			continue
		}
		c.rules, c.names = append(c.rules, rule), append(c.names, name)
		if rank(rule.header.severity) > rank(c.header.severity) && c.source.doc.get("level") == nil {
			c.header.severity = rule.header.severity
		}
	}
}

// generate notes whether the rules it refers to are wanted beside it.
func (c *correlating) generate() {
	n := c.doc.get("generate")
	if n == nil {
		n = c.source.doc.get("generate")
	}
	switch n.str() {
	case "", "false":
	case "true":
		for _, rule := range c.rules {
			rule.generated = true
		}
	default:
		c.refuse(n, "generate", "takes true or false")
	}
}

func (c *correlating) readAliases() {
	c.aliases = map[string]map[string]string{}
	aliases := c.doc.get("aliases")
	if aliases == nil {
		return
	}
	for _, alias := range aliases.pairs {
		c.aliases[alias.key] = map[string]string{}
		for _, p := range alias.value.pairs {
			c.aliases[alias.key][p.key] = p.value.str()
		}
	}
}

var timespan = regexp.MustCompile(`^([0-9]{1,9})([smhdw])$`)

// within is the correlation's time.
func (c *correlating) within() string {
	n := c.doc.get("timespan")
	form := timespan.FindStringSubmatch(n.str())
	if form == nil {
		c.refuse(n, "timespan", "%q must be a whole number and s, m, h or d", n.str())
		return ""
	}
	count, err := strconv.Atoi(form[1])
	unit := form[2]
	if unit == "w" {
		count, unit = count*7, "d"
	}
	seconds := count * map[string]int{"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
	if err != nil || seconds < 1 || seconds > maxDays*86400 {
		c.refuse(n, "timespan", "%q must be from 1s to %dd", n.str(), maxDays)
	}
	return fmt.Sprint(count) + unit
}

// by is the expressions that group.
func (c *correlating) by() []string {
	var by []string
	n := c.doc.get("group-by")
	entries := n.values()
	if len(entries) == 0 || len(entries) > maxBy {
		c.refuse(n, "group-by", "%d fields, must be from 1 to %d", len(entries), maxBy)
	}
	for _, entry := range entries {
		value, ok := c.value(entry, "group-by", entry.str())
		if !ok {
			continue
		}
		if value.Type == typeList || value.Type == typeTime {
			c.refuse(entry, "group-by", "%s has no value to group by", entry.str())
		}
		by = append(by, value.cel)
	}
	return by
}

// value is the field that a name or alias stands for.
func (c *correlating) value(at *node, where, name string) (field, bool) {
	alias, aliased := c.aliases[name]
	if !aliased {
		f, found := c.mapping.find(name)
		if !found {
			c.refuse(at, where, "no field of ours is mapped to %q", name)
			return field{}, false
		}
		return f.plain(), true
	}
	var values []field
	same := true
	for n, rule := range c.rules {
		source, known := alias[c.names[n]]
		if !known {
			source, known = alias[rule.header.name]
		}
		f, found := c.mapping.find(source)
		if !known || !found {
			c.refuse(at, where, "alias %q: no field of ours is mapped to what it is in %q", name, c.names[n])
			return field{}, false
		}
		values = append(values, f.plain())
		same = same && values[n].cel == values[0].cel
	}
	switch {
	case len(values) == 0:
		return field{}, false // its rules are refused
	case same:
		return values[0], true
	}
	return c.choice(at, where, values)
}

// choice is the field of the rule that finds the event, the first of them where several do.
func (c *correlating) choice(at *node, where string, values []field) (field, bool) {
	chosen := values[len(values)-1]
	for n := len(values) - 2; n >= 0; n-- {
		if values[n].Type != chosen.Type {
			c.refuse(at, where, "%s and %s have nothing in common", values[n].cel, chosen.cel)
			return field{}, false
		}
		condition, ok := c.finds(n)
		chosen.cel = fmt.Sprintf("(%s) ? %s : (%s)", condition, values[n].cel, chosen.cel)
		if !ok || len(chosen.cel) > maxExpressionBytes {
			c.refuse(at, where, "the expression is longer than %d bytes", maxExpressionBytes)
			return field{}, false
		}
	}
	return chosen, true
}

// finds is an expression that says for every event whether a rule finds it.
func (c *correlating) finds(n int) (expression string, ok bool) {
	return c.rules[n].condition.render(true)
}

// plain is the field with a value that can be grouped and compared.
func (f field) plain() field {
	if f.Type == typeArgs {
		f.cel = "string(" + f.cel + ")"
	}
	return f
}

// when is the condition that any of the rules finds.
func (c *correlating) when() string {
	conditions := make([]expr, len(c.rules))
	for n, rule := range c.rules {
		conditions[n] = rule.condition
	}
	if len(conditions) == 0 {
		return ""
	}
	return c.expression(some(conditions...))
}

// expression is an expression that stands in the rule; one that is too long is refused.
func (s *source) expression(e expr) string {
	text, ok := e.lines()
	if !ok {
		s.refuse(nil, "", "the expression is longer than %d bytes", maxExpressionBytes)
	}
	return text
}
