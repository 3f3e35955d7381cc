package sigma

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// value translates the comparison with one value. An equality with a text is set aside for the
// comparer's equalities, and the zero expression returned.
func (c *comparer) value(v *node) (expr, error) {
	switch {
	case v.form == formMap || v.form == formList:
		return expr{}, errors.New("a value must be a text, a number, true, false or null")
	case c.part != "":
		return c.timePart(v)
	case c.op == "exists":
		return c.exists(v)
	case c.op == "fieldref":
		return c.fieldref(v)
	case v.form == formNull:
		return c.null()
	case c.op == "gt" || c.op == "gte" || c.op == "lt" || c.op == "lte":
		return c.order(v)
	}
	switch c.field.Type {
	case typeNumber:
		return c.number(v)
	case typeBool:
		return c.boolean(v)
	case typeTime:
		return expr{}, errors.New("a time is compared by its minute, hour, day, month or year")
	default:
	}
	switch c.op {
	case "re":
		return c.regex(v.text)
	case "cidr":
		network, err := addressRegex(v.text)
		return c.leaf("%s.matches(%s)", c.text(), celText(network)), err
	}
	return c.textValue(v.text)
}

// textValue translates a text with wildcards.
func (c *comparer) textValue(value string) (expr, error) {
	p := parsePattern(value)
	if c.windash {
		p = p.windash()
	}
	before, after := c.op == "contains" || c.op == "endswith", c.op == "contains" || c.op == "startswith"
	if (before || after) && len(p) == 0 {
		return expr{}, errors.New("an empty text is part of every text")
	}
	if len(c.encodings) == 0 {
		return c.pattern(p.within(before, after), c.cased)
	}
	texts, err := encode(p, c.encodings)
	if err != nil {
		return expr{}, err
	}
	var args []expr
	for _, text := range texts { // what encodes a text means its case
		e, err := c.pattern(pattern{{text: text}}.within(before, after), true)
		if err != nil {
			return expr{}, err
		}
		if e.cel != "" {
			args = append(args, e)
		}
	}
	if len(args) == 0 {
		return expr{}, nil
	}
	return some(args...), nil
}

// pattern translates a text with wildcards, where the case matters or not.
func (c *comparer) pattern(p pattern, cased bool) (expr, error) {
	open := func(n int) bool { return len(p) > 0 && p[n].kind == anyText }
	before, after := open(0), open(len(p)-1)
	core := slices.Clone(p)
	if before {
		core = core[1:]
	}
	if after && len(core) > 0 {
		core = core[:len(core)-1]
	}
	text, plain := core.plain()
	lines := c.field.Type == typeLines && (!before || !after)
	switch {
	case text == "" && plain && len(p) > 0:
		return c.leaf(`%s != ""`, c.text()), nil
	case text == "" && plain && c.field.neverEmpty():
		return not(condition(c.field.Present)), nil
	case text == "" && plain:
		return c.leaf(`%s == ""`, c.text()), nil
	case !plain || lines || !cased && !c.field.Lower && otherCase(text):
		return c.leaf("%s.matches(%s)", c.text(), celText(c.patternRegex(p, core, cased, lines))), nil
	}
	on := c.text()
	if !cased {
		text = strings.ToLower(text)
		if !c.field.Lower {
			on = c.folded()
		}
	}
	switch {
	case before && after:
		return c.leaf("%s.contains(%s)", on, celText(text)), nil
	case before:
		return c.leaf("%s.endsWith(%s)", on, celText(text)), nil
	case after:
		return c.leaf("%s.startsWith(%s)", on, celText(text)), nil
	}
	c.setAside(text, cased)
	return expr{}, nil
}

// setAside keeps a text that the field may be equal to.
func (c *comparer) setAside(text string, cased bool) {
	for _, word := range c.field.Values {
		if strings.EqualFold(word, text) && (!cased || word == text) {
			c.exact = append(c.exact, word)
			return
		}
	}
	if cased {
		c.exact = append(c.exact, text)
	} else {
		c.equal = append(c.equal, text)
	}
}

// patternRegex is a pattern, whose core has no wildcards at its ends, as a regular expression. Where the field holds several texts, one a
// line, the pattern is one of a line.
func (c *comparer) patternRegex(p, core pattern, cased, lines bool) string {
	flags := ""
	if !cased {
		flags += "i"
	}
	if lines {
		flags += "m"
	} else if core.has(anyRune) || core.has(anyText) {
		flags += "s"
	}
	if flags != "" {
		flags = "(?" + flags + ")"
	}
	return flags + p.regex("^", "$")
}

func (c *comparer) regex(pattern string) (expr, error) {
	if pattern == "" {
		return expr{}, errors.New("an empty pattern is found in every text")
	}
	flags := c.flags
	if c.field.Type == typeLines && !strings.Contains(flags, "m") {
		flags += "m"
	}
	if err := checkRegex(pattern); err != nil {
		return expr{}, err
	}
	if c.flags != "" || flags != "" && strings.ContainsAny(pattern, "^$") {
		pattern = "(?" + flags + ")" + pattern
	}
	return c.leaf("%s.matches(%s)", c.text(), celText(pattern)), nil
}

func (c *comparer) exists(v *node) (expr, error) {
	if v.form != formBool {
		return expr{}, errors.New("exists takes true or false")
	}
	var e expr
	switch {
	case c.field.Present != "":
		e = condition(c.field.Present)
	case c.field.Type == typeList:
		e = expr{cel: c.field.cel + ".size() > 0"}
	case c.field.Type == typeNumber, c.field.Type == typeBool, c.field.Type == typeTime:
		return expr{}, fmt.Errorf("nothing tells whether an event has %s", c.field.cel)
	default:
		e = c.leaf(`%s != ""`, c.text())
	}
	if v.text == "false" {
		e = not(e)
	}
	return e, nil
}

// null is true where the field is absent or empty.
func (c *comparer) null() (expr, error) {
	if c.op != "" || c.windash || len(c.encodings) > 0 {
		return expr{}, errors.New("null takes no modifier")
	}
	absent, err := c.exists(&node{form: formBool, text: "false"})
	if err != nil || c.field.Present == "" || c.field.neverEmpty() {
		return absent, err
	}
	switch c.field.Type {
	case typeNumber, typeBool, typeTime, typeList:
		return absent, nil
	default:
		return some(absent, c.leaf(`%s == ""`, c.text())), nil
	}
}

func (c *comparer) fieldref(v *node) (expr, error) {
	other, found := c.mapping.find(v.text)
	if !found {
		return expr{}, fmt.Errorf("no field of ours is mapped to %q", v.text)
	}
	if c.field.Type == typeList || other.Type == typeList || (c.field.Type == typeNumber) != (other.Type == typeNumber) ||
		c.field.Type == typeBool || c.field.Type == typeTime || other.Type == typeBool || other.Type == typeTime {
		return expr{}, fmt.Errorf("%s and %s cannot be compared", c.field.cel, other.cel)
	}
	o := comparer{field: other}
	mine, others := c.text(), o.text()
	if c.field.Type != typeNumber && !c.cased {
		mine, others = c.folded(), o.folded()
	}
	var e expr
	switch c.around {
	case "":
		e = c.leaf("%s == %s", mine, others)
	default:
		if c.field.Type == typeNumber {
			return expr{}, errors.New("a number is not part of a number")
		}
		method := map[string]string{"contains": "contains", "startswith": "startsWith", "endswith": "endsWith"}[c.around]
		e = c.leaf("%s.%s(%s)", mine, method, others)
	}
	switch {
	case e.present == "":
		e.present = other.Present
	case other.Present != "" && other.Present != e.present:
		e.present += " && " + other.Present
	}
	return e, nil
}
