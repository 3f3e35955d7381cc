package sigma

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// order translates gt, gte, lt and lte.
func (c *comparer) order(v *node) (expr, error) {
	if c.field.Type != typeNumber && c.field.Type != typeArgs {
		return expr{}, fmt.Errorf("%s is not a number", c.field.cel)
	}
	n, err := numberText(v)
	return c.leaf("%s %s %s", c.field.cel, sign(c.op), n), err
}

func sign(compare string) string {
	return map[string]string{"": "==", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}[compare]
}

func (c *comparer) number(v *node) (expr, error) {
	if c.op != "" || len(c.encodings) > 0 || c.windash {
		return expr{}, fmt.Errorf("%s is a number, not a text", c.field.cel)
	}
	n, err := numberText(v)
	if err == nil && strings.ContainsAny(n, ".e") {
		err = fmt.Errorf("%s is a whole number", c.field.cel)
	}
	return c.leaf("%s == %s", c.field.cel, n), err
}

func (c *comparer) boolean(v *node) (expr, error) {
	if c.op != "" || len(c.encodings) > 0 || c.windash {
		return expr{}, fmt.Errorf("%s is true or false, not a text", c.field.cel)
	}
	switch strings.ToLower(v.text) {
	case "true":
		return c.leaf("%s", c.field.cel), nil
	case "false":
		return c.leaf("%s == false", c.field.cel), nil
	}
	return expr{}, fmt.Errorf("%s is true or false", c.field.cel)
}

// timePart compares a part of a time, in UTC.
func (c *comparer) timePart(v *node) (expr, error) {
	part, known := map[string]string{
		"minute": "getMinutes()", "hour": "getHours()", "day": "getDate()", "month": "getMonth() + 1", "year": "getFullYear()",
	}[c.part]
	if !known || c.field.Type != typeTime {
		return expr{}, fmt.Errorf("%s has no %s", c.field.cel, c.part)
	}
	operator := sign(c.op)
	n, err := numberText(v)
	if err == nil && (operator == "" || strings.ContainsAny(n, ".e")) {
		err = fmt.Errorf("the %s of a time is a whole number", c.part)
	}
	return c.leaf("%s.%s %s %s", c.field.cel, part, operator, n), err
}

// numberText is a number as CEL writes it.
func numberText(v *node) (string, error) {
	if n, err := strconv.ParseInt(strings.ReplaceAll(v.text, "_", ""), 0, 64); err == nil && v.form != formBool {
		return strconv.FormatInt(n, 10), nil
	}
	f, err := strconv.ParseFloat(v.text, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return "", fmt.Errorf("%q is not a number", v.text)
	}
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return text, nil
}
