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
	"regexp"
	"strings"

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

	file string
	tree *ast.File
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

// Parse reads one rule. Unknown fields are errors.
func Parse(file string, data []byte) (*Rule, error) {
	r := &Rule{file: file}
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
	if err := yaml.UnmarshalWithOptions(data, into, yaml.Strict()); err != nil {
		return nil, yamlError(file, err)
	}
	return tree, nil
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

// validate reports every problem of the rule that needs no compiler.
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
	switch {
	case strings.TrimSpace(r.Match) == "":
		problem("$.match", "match is missing: it is the CEL expression that finds something")
	case len(r.Match) > maxExpressionBytes:
		problem("$.match", "match is %d bytes, at most %d are taken", len(r.Match), maxExpressionBytes)
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

// expressionAt translates a place in an expression (line from 1, column from 0) into one
// in the YAML file that holds it.
func expressionAt(file string, tree *ast.File, path string, line, column int, reason string) *Error {
	e := errorAt(file, tree, path, reason)
	node := nodeAt(tree, path)
	switch n := node.(type) {
	case *ast.LiteralNode: // "|": each line of the expression is a line of the file
		if n.Start.Value != "" && n.Start.Value[0] == '|' {
			indent := 1
			if value := n.Value.GetToken(); value != nil {
				indent = value.Position.IndentNum + 1
			}
			e.Line, e.Column = n.Start.Position.Line+line, indent+column
		}
	case *ast.StringNode:
		if line == 1 && e.Line > 0 {
			e.Column += column
			if n.Token.Origin != "" && strings.ContainsAny(strings.TrimSpace(n.Token.Origin)[:1], `'"`) {
				e.Column++
			}
		}
	}
	return e
}
