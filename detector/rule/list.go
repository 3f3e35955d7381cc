package rule

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mcpwatch/mcpwatch/detector/intel"
)

// List is a named list of strings that rules share, as `lists.NAME`.
type List struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	// Kind says what the values are: then each is brought to its one form. See intel.Kind.
	Kind   intel.Kind `yaml:"kind"`
	Values []string   `yaml:"values"`

	document
}

// Bounds of a list and of an indicator file.
const (
	maxListValues     = 1_000_000
	maxIndicatorBytes = 64 << 20
)

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
	if l.Kind != intel.Plain && !slices.Contains(intel.Kinds(), l.Kind) {
		return nil, l.errorAt("$.kind", unknownKind(l.Kind))
	}
	var w wrong
	for i, value := range l.Values {
		parsed, err := l.Kind.Parse(value)
		if err != nil {
			w.add(l.errorAt(fmt.Sprintf("$.values[%d]", i), err.Error()))
		}
		l.Values[i] = parsed
	}
	if len(w.errs) == 0 {
		w.add(l.bound())
	}
	return w.list(l)
}

// ParseIndicators reads a list as feeds give it: one value a line, of which the part before a comma,
// a semicolon or white space counts. Lines that begin with # are comments: one that says
// "kind: domains" gives the list its kind, the first other one describes it. The list's name is the
// file's. The error names each line, up to 20, that holds no value of the kind.
func ParseIndicators(file, name string, data []byte) (*List, error) {
	l := &List{Name: name, document: document{file: file, source: string(data)}}
	if !listName.MatchString(name) {
		return nil, &Error{File: file, Reason: fmt.Sprintf("the file's name %q names the list: it must be lower-case letters, digits and _", name)}
	}
	if len(data) > maxIndicatorBytes {
		return nil, &Error{File: file, Reason: fmt.Sprintf("%d bytes, at most %d are read", len(data), maxIndicatorBytes)}
	}
	var w wrong
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(l.source, "\ufeff")) {
		n++
		line = strings.TrimSpace(line)
		if comment, is := strings.CutPrefix(line, "#"); is {
			w.add(l.comment(strings.TrimSpace(strings.TrimLeft(comment, "#")), n))
			continue
		}
		if line == "" {
			continue
		}
		values, err := l.Kind.ParseLine(line, strings.HasSuffix(file, ".csv"))
		if err != nil {
			w.add(&Error{File: file, Line: n, Column: 1, Reason: err.Error()})
		}
		l.Values = append(l.Values, values...)
	}
	if len(w.errs) == 0 {
		w.add(l.bound())
	}
	return w.list(l)
}

// comment takes a list's kind or description from a comment in the file.
func (l *List) comment(text string, line int) *Error {
	kind, is := strings.CutPrefix(text, "kind:")
	switch {
	case !is:
		if l.Description == "" {
			l.Description = text
		}
		return nil
	case len(l.Values) > 0:
		return &Error{File: l.file, Line: line, Column: 1, Reason: "the kind of a list stands before its values"}
	}
	l.Kind = intel.Kind(strings.TrimSpace(kind))
	if !slices.Contains(intel.Kinds(), l.Kind) {
		e := unknownKind(l.Kind)
		l.Kind = intel.Plain
		return &Error{File: l.file, Line: line, Column: 1, Reason: e}
	}
	return nil
}

func unknownKind(k intel.Kind) string {
	return fmt.Sprintf("kind %q is none: there are %q", string(k), intel.Kinds())
}

// bound checks how many values there are, and leaves each in once, in their order.
func (l *List) bound() *Error {
	switch {
	case len(l.Values) == 0:
		return &Error{File: l.file, Reason: "holds no value: write one a line"}
	case len(l.Values) > maxListValues:
		return &Error{File: l.file, Reason: fmt.Sprintf("%d values, at most %d are read", len(l.Values), maxListValues)}
	case l.Kind == intel.Plain:
		return nil
	}
	seen := make(map[string]struct{}, len(l.Values))
	l.Values = slices.DeleteFunc(l.Values, func(value string) bool {
		_, again := seen[value]
		seen[value] = struct{}{}
		return again
	})
	return nil
}

// maxWrong is how many wrong values of a list are named.
const maxWrong = 20

// wrong is what is wrong with a list.
type wrong struct {
	errs []error
	more int
}

func (w *wrong) add(e *Error) {
	switch {
	case e == nil:
	case len(w.errs) < maxWrong:
		w.errs = append(w.errs, e)
	default:
		w.more++
	}
}

// list is the list, if nothing is wrong with it.
func (w *wrong) list(l *List) (*List, error) {
	if w.more > 0 {
		w.errs = append(w.errs, &Error{File: l.file, Reason: fmt.Sprintf("%d more values are wrong", w.more)})
	}
	if len(w.errs) > 0 {
		return nil, errors.Join(w.errs...)
	}
	return l, nil
}
