package sigma

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Bounds of a condition.
const (
	maxConditionBytes   = 4096
	maxConditionNesting = 16
	maxConditionTerms   = 1000
)

// words cuts a condition into brackets, bars and words.
var words = regexp.MustCompile(`[()|]|[^\s()|]+`)

// condition translates a rule's condition. What is refused is noted with the source.
func (d *detector) condition(n *node) (expr, bool) {
	text := n.str()
	if len(text) > maxConditionBytes {
		d.source.refuse(n, "condition", "%d bytes, at most %d are read", len(text), maxConditionBytes)
		return expr{}, false
	}
	p := &conditionParser{detector: d, words: words.FindAllString(text, -1)}
	e, err := p.either(0)
	switch {
	case err == nil && p.peek() == "|":
		err = fmt.Errorf("what follows | is not of Sigma 2: write a correlation")
	case err == nil && p.peek() != "":
		err = fmt.Errorf("%q is not expected", p.peek())
	}
	if err != nil {
		d.source.refuse(n, "condition", "%v", err)
		return expr{}, false
	}
	return e, true
}

// conditionParser reads a condition by recursive descent: or, and, not, from loose to tight.
type conditionParser struct {
	*detector
	words []string
}

func (p *conditionParser) peek() string {
	if len(p.words) == 0 {
		return ""
	}
	return p.words[0]
}

// take moves past a word if it is the next, its case aside.
func (p *conditionParser) take(word string) bool {
	if !strings.EqualFold(p.peek(), word) {
		return false
	}
	p.words = p.words[1:]
	return true
}

func (p *conditionParser) either(depth int) (expr, error) {
	return p.list("or", some, func() (expr, error) {
		return p.list("and", all, func() (expr, error) { return p.denied(depth) })
	})
}

func (p *conditionParser) list(word string, join func(...expr) expr, next func() (expr, error)) (expr, error) {
	var args []expr
	for {
		e, err := next()
		if err != nil {
			return expr{}, err
		}
		args = append(args, e)
		if !p.take(word) {
			return join(args...), nil
		}
	}
}

func (p *conditionParser) denied(depth int) (expr, error) {
	if depth > maxConditionNesting {
		return expr{}, fmt.Errorf("nested more than %d deep", maxConditionNesting)
	}
	switch {
	case p.take("not"):
		e, err := p.denied(depth + 1)
		return not(e), err
	case p.take("("):
		e, err := p.either(depth + 1)
		if err == nil && !p.take(")") {
			err = fmt.Errorf("a bracket is not closed")
		}
		return e, err
	case p.peek() == "":
		return expr{}, fmt.Errorf("ends where a selection is expected")
	}
	name := p.peek()
	p.words = p.words[1:]
	if p.take("of") {
		return p.quantified(name)
	}
	if _, known := p.known[name]; !known {
		return expr{}, fmt.Errorf("there is no selection %q", name)
	}
	return p.terms([]string{name}, all)
}

// quantified translates "1 of NAMES" and "all of NAMES".
func (p *conditionParser) quantified(number string) (expr, error) {
	join := some
	switch strings.ToLower(number) {
	case "1", "any":
	case "all":
		join = all
	default:
		return expr{}, fmt.Errorf("%q of selections cannot be asked for: 1, any and all can", number)
	}
	names := p.peek()
	if names == "" {
		return expr{}, fmt.Errorf("ends where the names of selections are expected")
	}
	p.words = p.words[1:]
	var found []string
	for _, name := range p.order {
		if strings.EqualFold(names, "them") {
			if !strings.HasPrefix(name, "_") {
				found = append(found, name)
			}
		} else if matches, err := path.Match(escapeGlob(names), strings.ReplaceAll(name, "/", "_")); err == nil && matches {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return expr{}, fmt.Errorf("there is no selection %q", names)
	}
	return p.terms(found, join)
}

// escapeGlob leaves * its meaning, and no other character of a glob.
func escapeGlob(names string) string {
	return strings.NewReplacer("/", "_", `\`, `\\`, "[", `\[`, "?", `\?`).Replace(names)
}

// terms joins selections.
func (d *detector) terms(names []string, join func(...expr) expr) (expr, error) {
	d.count += len(names)
	if d.count > maxConditionTerms {
		return expr{}, fmt.Errorf("names more than %d selections", maxConditionTerms)
	}
	var args []expr
	for _, name := range names {
		args = append(args, d.selection(name))
	}
	return join(args...), nil
}
