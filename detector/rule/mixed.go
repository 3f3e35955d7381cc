package rule

import "fmt"

// notWithDefinitions are the parts of events that define nothing.
const notWithDefinitions = partCall | partArguments | partResource | partPrompt | partSampling | partElicitation | partError

// mixed finds in the condition at a YAML path what is never there when it is asked: a condition that
// reads a definition is asked of definitions alone, which no call has.
func (c *compiler) mixed(path string, x *expression) []*Error {
	var definition, other string
	for _, name := range x.reads {
		switch f, known := c.schema.field(name); {
		case !known:
		case f.needs == partDefinition:
			definition = name
		case f.needs&notWithDefinitions != 0:
			other = name
		}
	}
	if definition == "" || other == "" {
		return nil
	}
	return []*Error{c.in.errorAt(path, fmt.Sprintf(
		"it reads %s and so is asked of definitions alone, which have no %s: write two rules, or two steps of one", definition, other))}
}
