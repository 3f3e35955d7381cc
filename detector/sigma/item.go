package sigma

import (
	"fmt"
	"strings"
)

// modifiers are what stands after a field's name.
type modifiers struct {
	all, cased, windash, not bool
	// op is "", contains, startswith, endswith, re, cidr, exists, fieldref, gt, gte, lt or lte.
	op string
	// around is contains, startswith or endswith beside fieldref.
	around string
	// flags are those of a regular expression.
	flags string
	// encodings are in the order given.
	encodings []string
	// part is the part of a time that is meant.
	part string
}

// parseModifiers reads what follows a field's name.
func parseModifiers(words []string) (m modifiers, err error) {
	compare := func(word string) error {
		switch {
		case m.op == "":
			m.op = word
		case m.op == "fieldref" && around(word):
			m.around = word
		case word == "fieldref" && around(m.op):
			m.op, m.around = word, m.op
		default:
			return fmt.Errorf("modifiers %s and %s exclude each other", m.op, word)
		}
		return nil
	}
	for _, word := range words {
		switch word {
		case "contains", "startswith", "endswith", "re", "cidr", "exists", "fieldref", "gt", "gte", "lt", "lte":
			err = compare(word)
		case "all":
			m.all = true
		case "cased":
			m.cased = true
		case "windash":
			m.windash = true
		case "neq":
			m.not = true
		case "i", "m", "s":
			if m.op != "re" {
				return m, fmt.Errorf("modifier %s belongs after re", word)
			}
			m.flags += word
		case "base64", "base64offset", "wide", "utf16", "utf16le", "utf16be":
			m.encodings = append(m.encodings, word)
		case "minute", "hour", "day", "month", "year":
			m.part = word
		case "expand":
			err = fmt.Errorf("modifier expand: its placeholders are filled in by the site that has them")
		default:
			err = fmt.Errorf("modifier %q is not known", word)
		}
		if err != nil {
			return m, err
		}
	}
	return m, m.check()
}

func around(word string) bool {
	return word == "contains" || word == "startswith" || word == "endswith"
}

// check says which modifiers cannot stand together.
func (m modifiers) check() error {
	texts := m.op == "" || around(m.op)
	switch {
	case !texts && (m.windash || len(m.encodings) > 0):
		return fmt.Errorf("modifiers windash and those that encode do not go with %s", m.op)
	case m.cased && !texts && m.op != "fieldref":
		return fmt.Errorf("modifier cased does not go with %s", m.op)
	case m.not && m.op == "exists":
		return fmt.Errorf("modifier neq does not go with exists")
	case m.part != "" && around(m.op):
		return fmt.Errorf("modifier %s does not go with %s", m.part, m.op)
	}
	return nil
}

// item translates one line of a selection: a field with its modifiers, and the values. A name
// that is empty means the keywords. What is refused comes back as the zero expression.
func (i *importer) item(s *source, p pair) expr {
	words := strings.Split(p.key, "|")
	at := &node{line: p.line}
	m, err := parseModifiers(words[1:])
	if err != nil {
		s.refuse(at, p.key, "%v", err)
		return expr{}
	}
	var f field
	if words[0] == "" {
		f = i.mapping.fieldNamed(i.mapping.keywords)
		if m.op == "" {
			m.op = "contains"
		}
	} else {
		found := false
		if f, found = i.mapping.find(words[0]); !found {
			s.refuse(at, words[0], "no field of ours is mapped to it")
			return expr{}
		}
	}
	values := []*node{p.value}
	if p.value.form == formList {
		values = p.value.items
	}
	if len(values) == 0 {
		s.refuse(at, p.key, "the list of values is empty")
		return expr{}
	}
	c := comparer{mapping: i.mapping, field: f, modifiers: m}
	e, err := c.compare(values)
	if err != nil {
		s.refuse(c.at(p, values), p.key, "%v", err)
		return expr{}
	}
	return e
}

// comparer translates the comparison of a field with values.
type comparer struct {
	mapping *Mapping
	field   field
	modifiers
	// failed is the place of the value that could not be translated.
	failed int
	// equal collects the texts that the field may be equal to.
	equal, exact []string
}

// at is the line that a refusal is about.
func (c *comparer) at(p pair, values []*node) *node {
	if p.value.form == formList && c.failed < len(values) {
		return values[c.failed]
	}
	return &node{line: p.line}
}

func (c *comparer) compare(values []*node) (expr, error) {
	var args []expr
	for n, v := range values {
		c.failed = n
		e, err := c.value(v)
		if err != nil {
			return expr{}, err
		}
		if e.op != opLeaf || e.cel != "" {
			args = append(args, e)
		}
	}
	args = append(args, c.equalities()...)
	switch {
	case c.not:
		return not(some(args...)), nil
	case c.all:
		return all(args...), nil
	}
	return some(args...), nil
}

// leaf is a comparison of the field; of a list, one that holds for one of its texts.
func (c *comparer) leaf(format string, args ...any) expr {
	e := expr{cel: fmt.Sprintf(format, args...), present: c.field.Present}
	if c.field.Type == typeList {
		e.cel = fmt.Sprintf("%s.exists(x, %s)", c.field.cel, e.cel)
	}
	return e
}

// equalities are the comparisons with the texts that value set aside.
func (c *comparer) equalities() []expr {
	folded := c.field.cel
	if !c.cased && !c.field.Lower {
		folded = c.folded()
	}
	var args []expr
	for _, side := range []struct {
		cel   string
		texts []string
	}{{c.text(), c.exact}, {folded, c.equal}} {
		switch {
		case len(side.texts) == 0:
		case len(side.texts) == 1 || c.all:
			for _, text := range side.texts {
				args = append(args, c.leaf("%s == %s", side.cel, celText(text)))
			}
		default:
			quoted := make([]string, len(side.texts))
			for n, text := range side.texts {
				quoted[n] = celText(text)
			}
			args = append(args, c.leaf("%s in [%s]", side.cel, strings.Join(quoted, ", ")))
		}
	}
	return args
}

// text is the field as a text; of a list, one of its texts.
func (c *comparer) text() string {
	switch c.field.Type {
	case typeArgs:
		return "string(" + c.field.cel + ")"
	case typeList:
		return "x"
	default:
		return c.field.cel
	}
}

// folded is the field as a text in lower case.
func (c *comparer) folded() string { return c.text() + ".lowerAscii()" }
