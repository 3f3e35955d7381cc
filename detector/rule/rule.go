// Package rule turns rule text into compiled rules and says what an expression can read.
// CEL lives here and nowhere else.
//
// A Rule is what an author wrote; a Program is a Rule compiled, immutable and safe to
// share. A Set is loaded whole or not at all: an unknown field, a type error, an unknown
// list or a rule over its cost limit refuses the load, and the error names file, line and
// column. A View is one event as expressions see it, and belongs to one goroutine.
package rule

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/mcpwatch/mcpwatch/finding"
)

// Rule is a rule as its author wrote it.
type Rule struct {
	ID             string           `yaml:"id"`
	Title          string           `yaml:"title"`
	Description    string           `yaml:"description"`
	Severity       finding.Severity `yaml:"severity"`
	Mode           finding.Mode     `yaml:"mode"`
	Tags           []string         `yaml:"tags"`
	FalsePositives []string         `yaml:"false_positives"`
	References     []string         `yaml:"references"`
	Risk           int              `yaml:"risk"`
	Playbook       string           `yaml:"playbook"`
	// Match is a CEL expression that is true of a single event.
	Match string `yaml:"match"`
	Tests []Test `yaml:"tests"`

	file   string
	source string
	tree   *ast.File
}

// Test is one of a rule's own tests.
type Test struct {
	Name string `yaml:"name"`
	// Events are events in their JSON form; what they leave out is filled in by the harness.
	Events []any `yaml:"events"`
	// Want lists the findings expected, in order; an empty list means none.
	Want []Want `yaml:"want"`
}

// Want is one expected finding. What is left out is not compared.
type Want struct {
	Severity finding.Severity `yaml:"severity"`
	// Event is the zero-based place of the event in the test.
	Event *int `yaml:"event"`
	// Name is the finding's tool, prompt, resource or definition.
	Name string `yaml:"name"`
}

// List is a named list of strings that rules share, as `lists.NAME`.
type List struct {
	Name        string   `yaml:"name"`
	Description string   `yaml:"description"`
	Values      []string `yaml:"values"`

	file string
	tree *ast.File
}

// File is the file that the rule was read from.
func (r *Rule) File() string { return r.file }

// Error is one thing wrong with a rule file, and where. Line and Column count from 1; they
// are 0 where the whole file is meant.
type Error struct {
	File         string
	Line, Column int
	Reason       string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Reason)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Reason)
}

// Bounds of a rule file.
const (
	maxFileBytes       = 1 << 20
	maxExpressionBytes = 16 * 1024
)

// Parse reads one rule. Unknown fields are errors. A rule that can be read is returned beside
// what is wrong with it, so that its expression, which Compile looks at, can be compiled too.
func Parse(file string, data []byte) (*Rule, error) {
	r := &Rule{file: file, source: string(data)}
	tree, err := decode(file, data, r)
	if err != nil {
		return nil, err
	}
	r.tree = tree
	if r.Mode == "" {
		r.Mode = finding.Alert
	}
	return r, r.validate()
}

// ParseList reads one list. Unknown fields are errors.
func ParseList(file string, data []byte) (*List, error) {
	l := &List{file: file}
	tree, err := decode(file, data, l)
	if err != nil {
		return nil, err
	}
	l.tree = tree
	if !listName.MatchString(l.Name) {
		return nil, errorAt(file, tree, "$.name", fmt.Sprintf("name %q must be lower-case letters, digits and _", l.Name))
	}
	if len(l.Values) == 0 {
		return nil, errorAt(file, tree, "$.values", "values is empty")
	}
	return l, nil
}

func decode(file string, data []byte, into any) (*ast.File, error) {
	if len(data) > maxFileBytes {
		return nil, &Error{File: file, Reason: fmt.Sprintf("%d bytes, at most %d are read", len(data), maxFileBytes)}
	}
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, yamlError(file, err)
	}
	if len(tree.Docs) > 1 {
		return nil, secondDocument(file, tree.Docs[1])
	}
	if err := yaml.UnmarshalWithOptions(data, into, yaml.Strict()); err != nil {
		return nil, yamlError(file, err)
	}
	return tree, nil
}

// secondDocument refuses what would go unread. Where it is empty, so may be what the parser
// says of a third.
func secondDocument(file string, d *ast.DocumentNode) *Error {
	e := &Error{File: file, Reason: "a second YAML document: a file holds one rule or list"}
	start := d.Start
	if start == nil && d.Body != nil {
		start = d.Body.GetToken()
	}
	if start != nil && start.Position != nil {
		e.Line, e.Column = start.Position.Line, start.Position.Column
	}
	return e
}

func yamlError(file string, err error) error {
	if located, ok := errors.AsType[yaml.Error](err); ok {
		e := &Error{File: file, Reason: located.GetMessage()}
		if t := located.GetToken(); t != nil && t.Position != nil {
			e.Line, e.Column = t.Position.Line, t.Position.Column
		}
		return e
	}
	return &Error{File: file, Reason: err.Error()}
}

var (
	ruleID   = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	listName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	ruleTag  = regexp.MustCompile(`^[a-z][a-z0-9-]*\.[A-Za-z0-9.:-]+$`)
)

// validate reports every problem of the rule, its expression aside.
func (r *Rule) validate() error {
	var problems []error
	problem := func(path, format string, args ...any) {
		problems = append(problems, errorAt(r.file, r.tree, path, fmt.Sprintf(format, args...)))
	}
	if !ruleID.MatchString(r.ID) || len(r.ID) > 64 {
		problem("$.id", "id %q must be lower-case words joined by hyphens, at most 64 characters", r.ID)
	}
	if r.Title == "" {
		problem("$.title", "title is missing")
	}
	if r.Severity.Rank() == 0 {
		problem("$.severity", "severity %q must be info, low, medium, high or critical", r.Severity)
	}
	if r.Mode != finding.Alert && r.Mode != finding.Shadow {
		problem("$.mode", "mode %q must be alert or shadow", r.Mode)
	}
	if r.Risk < 0 || r.Risk > 100 {
		problem("$.risk", "risk %d must be from 0 to 100", r.Risk)
	}
	for i, t := range r.Tags {
		if !ruleTag.MatchString(t) {
			problem(fmt.Sprintf("$.tags[%d]", i), "tag %q must be FRAMEWORK.ID, such as safe-mcp.T1001", t)
		}
	}
	return errors.Join(problems...)
}

// errorAt names the line and column of a YAML path, or the file alone where the path is absent.
func errorAt(file string, tree *ast.File, path, reason string) *Error {
	e := &Error{File: file, Reason: reason}
	if node := nodeAt(tree, path); node != nil && node.GetToken() != nil {
		e.Line, e.Column = node.GetToken().Position.Line, node.GetToken().Position.Column
	}
	return e
}

func nodeAt(tree *ast.File, path string) ast.Node {
	if tree == nil {
		return nil
	}
	p, err := yaml.PathString(path)
	if err != nil {
		return nil
	}
	node, err := p.FilterFile(tree)
	if err != nil {
		return nil
	}
	return node
}

// expressionAt translates a place in the rule's expression (line from 1, column from 0) into
// one in the YAML file that holds it, however the YAML folds its lines.
func expressionAt(r *Rule, line, column int, reason string) *Error {
	e := errorAt(r.file, r.tree, "$.match", reason)
	before, past := solids(r.Match, line, column), 0
	if before > 0 && before == solids(r.Match, math.MaxInt, 0) {
		before, past = before-1, 1 // the expression's end: one past its last character
	}
	switch n := nodeAt(r.tree, "$.match").(type) {
	case *ast.LiteralNode: // "|" or ">": the expression begins on the next line
		e.Line, e.Column = solidAt(r.source, n.Start.Position.Line+1, 1, before, 0)
	case *ast.StringNode:
		quote, at := byte(0), n.Token.Position.Column
		if origin := strings.TrimSpace(n.Token.Origin); origin != "" && strings.ContainsAny(origin[:1], `'"`) {
			quote = origin[0]
			at++
		}
		e.Line, e.Column = solidAt(r.source, n.Token.Position.Line, at, before, quote)
	default:
		return e
	}
	e.Column += past
	return e
}

// solids counts the characters before a place in a text, white space aside: what folding
// changes is white space, so the count is the same in the file.
func solids(text string, line, column int) int {
	n, atLine, atColumn := 0, 1, 0
	for _, c := range text {
		if atLine > line || atLine == line && atColumn >= column {
			break
		}
		atColumn++
		if c == '\n' {
			atLine, atColumn = atLine+1, 0
		} else if !unicode.IsSpace(c) {
			n++
		}
	}
	return n
}

// solidAt is where the character is that has so many others before it, white space aside, from
// a place in the file on. Within quotes two characters of the file can make one.
func solidAt(source string, line, column, before int, quote byte) (int, int) {
	for n := 1; n < line; n++ {
		_, source, _ = strings.Cut(source, "\n")
	}
	text := []rune(source)
	for i := min(column-1, len(text)); i < len(text); i++ {
		solid := !unicode.IsSpace(text[i])
		if solid && before == 0 {
			return line, column
		}
		if i+1 < len(text) && (quote == '"' && text[i] == '\\' || quote == '\'' && text[i] == '\'' && text[i+1] == '\'') {
			i++
			column++
			solid = quote == '\'' || !strings.ContainsRune("nrt \n", text[i])
		}
		column++
		if text[i] == '\n' {
			line, column = line+1, 1
		}
		if solid {
			before--
		}
	}
	return line, column
}
