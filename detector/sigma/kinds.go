package sigma

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// atLeast is the least number that the correlation's condition is true of.
func (c *correlating) atLeast() (n int) {
	condition := c.doc.get("condition")
	if condition == nil || condition.form != formMap {
		c.refuse(condition, "condition", "a map such as gte: 10 is expected")
		return 0
	}
	found := false
	for _, p := range condition.pairs {
		number, err := strconv.Atoi(p.value.str())
		switch p.key {
		case "field", "percentile":
			continue
		case "gt":
			number++
		case "gte":
		case "eq", "lt", "lte", "neq":
			c.refuse(&node{line: p.line}, "condition."+p.key, "our rules find a number when it is reached, and cannot ask that it is not passed")
			continue
		default:
			c.refuse(&node{line: p.line}, "condition."+p.key, "is not known")
			continue
		}
		if err != nil || number < 1 || number > 1<<53 {
			c.refuse(p.value, "condition."+p.key, "%q must be a whole number that at least one event makes", p.value.str())
		}
		n, found = max(n, number), true
	}
	if !found && len(c.source.refused) == 0 {
		c.refuse(condition, "condition", "gt or gte is missing")
	}
	return n
}

func (c *correlating) count() body {
	n := c.atLeast()
	if n > maxCount { // a sum has no such bound
		return body{kind: "sum", of: "1", when: c.when(), atLeast: n}
	}
	return body{kind: "count", when: c.when(), atLeast: n}
}

// measured is the field that the condition names.
func (c *correlating) measured(types ...fieldType) string {
	at := c.doc.get("condition").get("field")
	if len(at.values()) != 1 {
		c.refuse(at, "condition.field", "one field is expected")
		return ""
	}
	name := at.values()[0].str()
	f, ok := c.value(at, "condition.field", name)
	if !ok {
		return ""
	}
	if slices.Contains(types, f.Type) {
		return f.cel
	}
	c.refuse(at, "condition.field", "%s is of type %s, which cannot be measured so", name, f.Type)
	return ""
}

func (c *correlating) valueCount() body {
	n := c.atLeast()
	if n > maxDistinct {
		c.refuse(c.doc.get("condition"), "condition", "at most %d different values are counted", maxDistinct)
	}
	return body{
		kind: "distinct", of: c.measured(typeText, typeLines, typeNumber, typeBool, typeArgs), when: c.when(), atLeast: n,
	}
}

func (c *correlating) valueSum() body {
	return body{kind: "sum", of: c.measured(typeNumber), when: c.when(), atLeast: c.atLeast()}
}

// temporal asks that all rules find an event, in any order: as many different rules as there
// are. An event that several rules find counts for the first.
func (c *correlating) temporal() body {
	n := len(c.rules)
	if c.doc.get("condition") != nil {
		n = c.atLeast()
	}
	if n > len(c.rules) || n < 2 {
		c.refuse(c.doc.get("condition"), "condition", "from 2 to %d of its rules can be asked for", len(c.rules))
		return body{}
	}
	if !c.canFire(n) {
		return body{}
	}
	of := celText(c.names[len(c.rules)-1])
	for k := len(c.rules) - 2; k >= 0; k-- {
		condition, ok := c.finds(k)
		of = fmt.Sprintf("(%s) ? %s : (%s)", condition, celText(c.names[k]), of)
		if !ok || len(of) > maxExpressionBytes {
			c.refuse(c.doc.get("rules"), "rules", "the expression is longer than %d bytes", maxExpressionBytes)
			return body{}
		}
	}
	c.note("an event that several of the rules find counts for the first of them")
	return body{kind: "distinct", of: of, when: c.when(), atLeast: n}
}

// canFire reports whether as many of the rules as are asked for can count, and refuses those that cannot: an
// event counts for the first rule that finds it, so one that finds nothing else never does.
func (c *correlating) canFire(asked int) bool {
	var hidden [][2]string
	for k, rule := range c.rules {
		first := slices.IndexFunc(c.rules[:k], func(earlier *source) bool { return rule.condition.implies(earlier.condition) })
		if first >= 0 {
			hidden = append(hidden, [2]string{c.names[k], c.names[first]})
		}
	}
	if asked <= len(c.rules)-len(hidden) {
		return true
	}
	for _, names := range hidden {
		c.refuse(c.doc.get("rules"), "rules",
			"all that %q finds is found by %q before it, and with us an event counts for one of them: it would never fire", names[0], names[1])
	}
	return false
}

// ordered asks that the rules find events one after the other.
func (c *correlating) ordered() body {
	if len(c.rules) < minSteps || len(c.rules) > maxSteps {
		c.refuse(c.doc.get("rules"), "rules", "%d rules, must be from %d to %d", len(c.rules), minSteps, maxSteps)
		return body{}
	}
	if c.doc.get("condition") != nil {
		if n := c.atLeast(); n != len(c.rules) {
			c.refuse(c.doc.get("condition"), "condition", "some of its rules in order: ours ask for all of the steps")
		}
	}
	b := body{kind: "sequence"}
	taken := map[string]bool{}
	for n, rule := range c.rules {
		name := stepName(rule.header.title)
		if rule.header.name != "" {
			name = stepName(rule.header.name)
		}
		if taken[name] {
			name = fmt.Sprintf("%s_%d", name, n+1)
		}
		taken[name] = true
		b.steps = append(b.steps, step{as: name, when: c.expression(rule.condition)})
	}
	return b
}

// stepName makes a name that expressions can use.
func stepName(name string) string {
	return "s_" + strings.ReplaceAll(slug(name), "-", "_")
}
