package sigma

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Bounds of what is read. The parser takes time with the square of a document's length, for some
// documents: at most a second or so for one.
const (
	maxFileBytes     = 16 << 20
	maxDocumentBytes = 64 << 10
	maxDepth         = 16
)

// form is what a node is.
type form int

const (
	formNull form = iota
	formText
	formNumber
	formBool
	formMap
	formList
)

// node is a YAML value, and where it stands.
type node struct {
	form form
	text string // of a scalar
	// pairs are a map's, in order; a name occurs once.
	pairs []pair
	items []*node
	line  int
}

type pair struct {
	key   string
	line  int // of the key
	value *node
}

// get is a member of a map, or nil. A nil node has none.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, p := range n.pairs {
		if p.key == key {
			return p.value
		}
	}
	return nil
}

// str is a scalar's text, or "".
func (n *node) str() string {
	if n == nil || n.form == formMap || n.form == formList {
		return ""
	}
	return n.text
}

// values are a list's items, or the node alone.
func (n *node) values() []*node {
	switch {
	case n == nil || n.form == formNull:
		return nil
	case n.form == formList:
		return n.items
	}
	return []*node{n}
}

// texts are the texts of a list or of a scalar, empty ones left out.
func (n *node) texts() []string {
	var texts []string
	for _, v := range n.values() {
		if text := strings.TrimSpace(v.str()); text != "" {
			texts = append(texts, text)
		}
	}
	return texts
}

// parse reads the documents of a file, each by itself, so that one that cannot be read takes
// no other with it.
func parse(f File) (docs []*node, refused []Refusal) {
	refuse := func(line int, reason string) {
		refused = append(refused, Refusal{File: f.Name, Line: line, Begins: line, Reason: reason})
	}
	if len(f.Data) > maxFileBytes {
		refuse(0, fmt.Sprintf("%d bytes, at most %d are read", len(f.Data), maxFileBytes))
		return nil, refused
	}
	if !utf8.Valid(f.Data) {
		refuse(0, "not UTF-8")
		return nil, refused
	}
	for _, part := range split(f.Data) {
		if len(part.text) > maxDocumentBytes {
			refuse(part.line, fmt.Sprintf("%d bytes, at most %d are read", len(part.text), maxDocumentBytes))
			continue
		}
		doc, err := parseDocument(part)
		switch located := (*unreadable)(nil); {
		case errors.As(err, &located):
			refuse(located.line, located.reason)
		case doc != nil && doc.form != formMap:
			refuse(doc.line, "not a Sigma rule: a map is expected")
		case doc != nil:
			docs = append(docs, doc)
		}
	}
	if len(docs) == 0 && len(refused) == 0 {
		refuse(0, "no Sigma rule in it")
	}
	return docs, refused
}

// text is a document's, and the line that it begins on.
type text struct {
	text []byte
	line int
}

// split cuts a file at its document markers, which YAML allows nowhere else at a line's start.
func split(data []byte) []text {
	var parts []text
	current := text{line: 1}
	line := 0
	for rest := bytes.TrimPrefix(data, []byte("\ufeff")); len(rest) > 0; {
		line++
		end := bytes.IndexByte(rest, '\n') + 1
		if end == 0 {
			end = len(rest)
		}
		mark := bytes.TrimRight(rest[:end], " \t\r\n")
		if bytes.Equal(mark, []byte("---")) || bytes.HasPrefix(mark, []byte("--- ")) {
			parts = append(parts, current)
			current = text{line: line}
			if len(mark) == 3 {
				current.line++
				rest = rest[end:]
				continue
			}
		}
		current.text = append(current.text, rest[:end]...)
		rest = rest[end:]
	}
	return append(parts, current)
}

// unreadable says why a document cannot be read.
type unreadable struct {
	line   int
	reason string
}

func (u *unreadable) Error() string { return fmt.Sprintf("line %d: %s", u.line, u.reason) }

// parseDocument reads one document; an empty one is nil.
func parseDocument(part text) (*node, error) {
	if nesting(part.text) > 4*maxDepth {
		return nil, &unreadable{part.line, "brackets nested too deeply"}
	}
	tree, err := parser.ParseBytes(part.text, 0)
	if err != nil {
		u := &unreadable{line: part.line, reason: err.Error()}
		if located, ok := errors.AsType[yaml.Error](err); ok {
			u.reason = located.GetMessage()
			if t := located.GetToken(); t != nil && t.Position != nil {
				u.line += t.Position.Line - 1
			}
		}
		return nil, u
	}
	r := reader{first: part.line - 1}
	for _, doc := range tree.Docs {
		if doc.Body == nil {
			continue
		}
		if _, comment := doc.Body.(*ast.CommentGroupNode); comment {
			continue
		}
		return r.read(doc.Body, 0)
	}
	return nil, nil
}

// nesting is the most brackets, or dashes at the start of a line, that are open at once: a bound
// on what the parser, which recurses, is given.
func nesting(data []byte) int {
	brackets, dashes, most := 0, 0, 0
	atStart := true
	for _, c := range data {
		switch c {
		case '[', '{':
			brackets++
		case ']', '}':
			brackets = max(brackets-1, 0)
		case '-', '?':
			if atStart {
				dashes++
			}
		case '\n':
			atStart, dashes = true, 0
		}
		atStart = atStart && strings.IndexByte(" -?\n", c) >= 0
		most = max(most, brackets, dashes)
	}
	return most
}

// reader turns a parser's tree into nodes.
type reader struct{ first int }

func (r reader) read(from ast.Node, depth int) (*node, error) {
	n := &node{line: r.line(from)}
	if depth > maxDepth {
		return nil, &unreadable{n.line, "nested too deeply"}
	}
	switch v := from.(type) {
	case *ast.NullNode:
	case *ast.StringNode:
		n.form, n.text = formText, v.Value
	case *ast.LiteralNode:
		n.form, n.text = formText, v.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		n.form, n.text = formNumber, from.GetToken().Value
	case *ast.BoolNode:
		n.form, n.text = formBool, fmt.Sprint(v.Value)
	case *ast.MappingNode:
		n.form = formMap
		return n, r.pairs(n, v.Values, depth)
	case *ast.MappingValueNode:
		n.form = formMap
		return n, r.pairs(n, []*ast.MappingValueNode{v}, depth)
	case *ast.SequenceNode:
		n.form = formList
		for _, item := range v.Values {
			child, err := r.read(item, depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, child)
		}
	default:
		return nil, &unreadable{n.line, "YAML anchors, aliases, merge keys and tags are not read"}
	}
	return n, nil
}

func (r reader) pairs(n *node, values []*ast.MappingValueNode, depth int) error {
	seen := map[string]bool{}
	for i, v := range values {
		key, err := r.read(v.Key, depth+1)
		if err != nil {
			return err
		}
		if i == 0 {
			n.line = key.line // the parser names the colon's place, which can be another
		}
		if seen[key.text] {
			return &unreadable{key.line, fmt.Sprintf("%q stands twice", key.text)}
		}
		seen[key.text] = true
		value, err := r.read(v.Value, depth+1)
		if err != nil {
			return err
		}
		n.pairs = append(n.pairs, pair{key.text, key.line, value})
	}
	return nil
}

func (r reader) line(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return r.first + 1
	}
	return r.first + n.GetToken().Position.Line
}
