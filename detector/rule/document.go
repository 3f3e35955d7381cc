package rule

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
)

// maxExpressionBytes bounds an expression.
const maxExpressionBytes = 16 * 1024

// document is the YAML file that something was read from.
type document struct {
	file   string
	source string
	tree   *ast.File
}

// File is the file that it was read from.
func (d *document) File() string { return d.file }

// Error is one thing wrong with a rule file, and where. Line and Column count from 1; they
// are 0 where the file as a whole is meant. Reason names the field, and says how to mend it.
type Error struct {
	File         string
	Line, Column int
	Field        string // such as count.within, "" where none is meant
	Reason       string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Reason)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Reason)
}

// decode reads a file's one YAML document, strictly: what it cannot hold is refused, each with its
// place. What says what such a file holds.
func (d *document) decode(file string, data []byte, into any, what string) error {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // editors on Windows write it
	d.file, d.source = file, string(data)
	if len(data) > maxFileBytes {
		return &Error{File: file, Reason: fmt.Sprintf("%d bytes, at most %d are read: put long lists into a .txt file in lists/", len(data), maxFileBytes)}
	}
	tokens := lexer.Tokenize(d.source)
	if err := d.bound(tokens); err != nil {
		return err
	}
	tree, err := parser.Parse(tokens, 0)
	if err != nil {
		return yamlError(file, err)
	}
	if len(tree.Docs) > 1 {
		return secondDocument(file, tree.Docs[1])
	}
	if len(tree.Docs) == 0 || tree.Docs[0].Body == nil || tree.Docs[0].Body.Type() == ast.NullType {
		return &Error{File: file, Line: 1, Column: 1, Reason: "the file is empty: it holds " + what}
	}
	d.tree = tree
	body := tree.Docs[0].Body
	if err := d.boundAliases(body); err != nil {
		return err
	}
	if problems := d.shape("", body, reflect.TypeOf(into).Elem()); len(problems) > 0 {
		return errors.Join(problems...)
	}
	if err := yaml.NewDecoder(strings.NewReader(""), yaml.Strict()).DecodeFromNode(body, into); err != nil {
		return yamlError(file, err)
	}
	return nil
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
		e := &Error{File: file, Reason: mendYAML(located.GetMessage())}
		if t := located.GetToken(); t != nil && t.Position != nil {
			e.Line, e.Column = t.Position.Line, t.Position.Column
		}
		return e
	}
	return &Error{File: file, Reason: err.Error()}
}

// errorAt names the line and column of a YAML path; where the path is absent, of what should hold
// it.
func (d *document) errorAt(path, reason string) *Error {
	e := &Error{File: d.file, Field: strings.TrimPrefix(path, "$."), Reason: reason}
	for ; path != "$"; path = path[:max(strings.LastIndexAny(path, ".["), 1)] {
		if e.Line, e.Column = d.Place(path); e.Line > 0 {
			return e
		}
	}
	if d.tree != nil {
		e.Line, e.Column = placeOf(d.tree.Docs[0].Body)
	}
	return e
}

// placeOf is where a node begins: a mapping at its first name.
func placeOf(n ast.Node) (line, column int) {
	switch m := n.(type) {
	case *ast.MappingNode:
		if len(m.Values) > 0 && !m.IsFlowStyle {
			n = m.Values[0].Key
		}
	case *ast.MappingValueNode:
		n = m.Key
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line, t.Position.Column
	}
	return 0, 0
}

// Place is the line and column, from 1, of what a YAML path such as $.tests[0].name names in the
// file; 0 where there is no such thing.
func (d *document) Place(path string) (line, column int) {
	if node := d.nodeAt(path); node != nil {
		return placeOf(node)
	}
	return 0, 0
}

func (d *document) nodeAt(path string) ast.Node {
	if d.tree == nil {
		return nil
	}
	p, err := yaml.PathString(path)
	if err != nil {
		return nil
	}
	node, err := p.FilterFile(d.tree)
	if err != nil {
		return nil
	}
	return node
}

// expressionAt translates a place in the expression at a YAML path (line from 1, column from
// 0) into one in the file, however the YAML folds its lines.
func (d *document) expressionAt(path, text string, line, column int, reason string) *Error {
	e := d.errorAt(path, reason)
	before, past := solids(text, line, column), 0
	if before > 0 && before == solids(text, math.MaxInt, 0) {
		before, past = before-1, 1 // the expression's end: one past its last character
	}
	switch n := d.nodeAt(path).(type) {
	case *ast.LiteralNode: // "|" or ">": the expression begins on the next line
		e.Line, e.Column = solidAt(d.source, n.Start.Position.Line+1, 1, before, 0)
	case *ast.StringNode:
		quote, at := byte(0), n.Token.Position.Column
		if origin := strings.TrimSpace(n.Token.Origin); origin != "" && strings.ContainsAny(origin[:1], `'"`) {
			quote = origin[0]
			at++
		}
		e.Line, e.Column = solidAt(d.source, n.Token.Position.Line, at, before, quote)
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
