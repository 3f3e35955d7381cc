package rule

import (
	"fmt"
	"regexp"
	"strings"
)

// List is a named list of strings that rules share, as `lists.NAME`.
type List struct {
	Name        string   `yaml:"name"`
	Description string   `yaml:"description"`
	Values      []string `yaml:"values"`

	document
}

// maxListValues bounds a list.
const maxListValues = 1_000_000

var listName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// ParseList reads one list in YAML. Unknown fields are errors.
func ParseList(file string, data []byte) (*List, error) {
	l := &List{}
	if err := l.decode(file, data, l, "name, description and values of a list"); err != nil {
		return nil, err
	}
	if !listName.MatchString(l.Name) {
		return nil, l.errorAt("$.name", fmt.Sprintf("name %q must be lower-case letters, digits and _, such as read_tools", l.Name))
	}
	if len(l.Values) == 0 {
		return nil, l.errorAt("$.values", "values is empty: give at least one, such as values: [read_file]")
	}
	return l, nil
}

// ParseIndicators reads a list as feeds give it: one value a line, of which the part before a
// comma or white space counts; lines that begin with # are comments, and the first of them
// describes the list. The name is the file's.
func ParseIndicators(file, name string, data []byte) (*List, error) {
	l := &List{Name: name, document: document{file: file, source: string(data)}}
	if !listName.MatchString(name) {
		return nil, &Error{File: file, Reason: fmt.Sprintf("the file's name %q names the list: it must be lower-case letters, digits and _", name)}
	}
	for line := range strings.Lines(l.source) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
			if l.Description == "" {
				l.Description = strings.TrimSpace(strings.TrimLeft(line, "#"))
			}
		case line != "":
			value := strings.FieldsFunc(line, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' || c == ';' })
			if len(value) > 0 {
				l.Values = append(l.Values, strings.Trim(value[0], `"`))
			}
		}
	}
	if len(l.Values) == 0 {
		return nil, &Error{File: file, Reason: "holds no value: write one a line"}
	}
	if len(l.Values) > maxListValues {
		return nil, &Error{File: file, Reason: fmt.Sprintf("%d values, at most %d are read", len(l.Values), maxListValues)}
	}
	return l, nil
}
