// Package jsonedit changes JSON that people and other programs write: settings with comments,
// trailing commas and an order of their own. All bytes but those of the change stay as they are.
package jsonedit

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxBytes = 64 << 20
	maxDepth = 200
)

// Kind is what a value is, as its first byte: '{', '[', '"', '0' (a number), 't', 'f' or 'n'.
type Kind byte

// Node is a value and where it stands: text[Start:End].
type Node struct {
	Kind       Kind
	Start, End int
	// Members are an object's, Items an array's, in their order.
	Members []Member
	Items   []*Node

	text []byte
}

// Member is one of an object; its name begins at Start.
type Member struct {
	Name  string
	Start int
	Value *Node
}

// Parse reads JSON in which comments (// and /* */) and trailing commas may stand, of at most 64 MiB
// and 200 levels. The error names the line.
func Parse(text []byte) (*Node, error) {
	if len(text) > maxBytes {
		return nil, fmt.Errorf("%d bytes, at most %d are taken", len(text), maxBytes)
	}
	p := parser{text: text}
	n, err := p.value(0)
	if err == nil {
		if p.space(); p.err != nil {
			err = p.err
		} else if p.at < len(text) {
			err = errors.New("something stands after the value")
		}
	}
	if err != nil {
		line := 1
		for _, c := range text[:min(p.at, len(text))] {
			if c == '\n' {
				line++
			}
		}
		return nil, fmt.Errorf("line %d: %w", line, err)
	}
	return n, nil
}

// Get is the member of that name, of nested objects by several; nil where there is none. Of
// members of one name it is the last, as most readers take it.
func (n *Node) Get(path ...string) *Node {
	for _, name := range path {
		if n == nil {
			return nil
		}
		var found *Node
		for i := range n.Members {
			if n.Members[i].Name == name {
				found = n.Members[i].Value
			}
		}
		n = found
	}
	return n
}

// Index is the position of the last member of that name, or -1.
func (n *Node) Index(name string) int {
	for i, m := range slices.Backward(n.Members) {
		if m.Name == name {
			return i
		}
	}
	return -1
}

// Text is a string's value, and "" of all else.
func (n *Node) Text() string {
	if n == nil || n.Kind != '"' {
		return ""
	}
	s, _ := jsontext.AppendUnquote(nil, n.text[n.Start:n.End])
	return string(s)
}

// Texts are the strings of an array.
func (n *Node) Texts() []string {
	if n == nil {
		return nil
	}
	texts := make([]string, 0, len(n.Items))
	for _, item := range n.Items {
		texts = append(texts, item.Text())
	}
	return texts
}

// Quote is a text as JSON.
func Quote(s string) string {
	q, err := jsontext.AppendQuote(nil, s)
	if err != nil { // invalid UTF-8
		return strconv.QuoteToASCII(s)
	}
	return string(q)
}

type parser struct {
	text []byte
	at   int
	err  error
}

func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

// space passes over white space, a byte order mark and comments.
func (p *parser) space() {
	for p.at < len(p.text) {
		rest := p.text[p.at:]
		switch {
		case rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\n' || rest[0] == '\r':
			p.at++
		case p.at == 0 && hasPrefix(rest, "\xef\xbb\xbf"):
			p.at += 3
		case hasPrefix(rest, "//"):
			for p.at < len(p.text) && p.text[p.at] != '\n' {
				p.at++
			}
		case hasPrefix(rest, "/*"):
			p.at += 2
			for !hasPrefix(p.text[p.at:], "*/") {
				if p.at >= len(p.text) {
					p.err = errors.New("a comment has no end")
					return
				}
				p.at++
			}
			p.at += 2
		default:
			return
		}
	}
}

func hasPrefix(b []byte, s string) bool { return len(b) >= len(s) && string(b[:len(s)]) == s }

func (p *parser) value(depth int) (*Node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested over %d levels", maxDepth)
	}
	if p.space(); p.err != nil {
		return nil, p.err
	}
	n := &Node{Start: p.at, text: p.text}
	var err error
	switch p.peek() {
	case '{':
		n.Kind = '{'
		err = p.list('}', func() error { return p.member(n, depth) })
	case '[':
		n.Kind = '['
		err = p.list(']', func() error {
			item, err := p.value(depth + 1)
			n.Items = append(n.Items, item)
			return err
		})
	case '"':
		n.Kind = '"'
		err = p.string()
	default:
		err = p.word(n)
	}
	n.End = p.at
	return n, err
}

// list reads what stands between brackets and commas; the last comma may have nothing after it.
func (p *parser) list(end byte, element func() error) error {
	p.at++
	for {
		if p.space(); p.err != nil {
			return p.err
		}
		if p.peek() == end {
			p.at++
			return nil
		}
		if err := element(); err != nil {
			return err
		}
		if p.space(); p.err != nil {
			return p.err
		}
		switch p.peek() {
		case ',':
			p.at++
		case end:
		default:
			return fmt.Errorf("a comma or %q is missing", end)
		}
	}
}

func (p *parser) member(n *Node, depth int) error {
	m := Member{Start: p.at}
	if p.peek() != '"' {
		return errors.New("a member's name is missing")
	}
	if err := p.string(); err != nil {
		return err
	}
	name, err := jsontext.AppendUnquote(nil, p.text[m.Start:p.at])
	if err != nil {
		return errors.New("a member's name is no JSON string")
	}
	m.Name = string(name)
	if p.space(); p.err != nil {
		return p.err
	}
	if p.peek() != ':' {
		return errors.New("a colon is missing")
	}
	p.at++
	m.Value, err = p.value(depth + 1)
	n.Members = append(n.Members, m)
	return err
}

func (p *parser) string() error {
	start := p.at
	for p.at++; p.at < len(p.text); p.at++ {
		switch p.text[p.at] {
		case '\\':
			p.at++
		case '"':
			p.at++
			if _, err := jsontext.AppendUnquote(nil, p.text[start:p.at]); err != nil {
				return errors.New("a string is no JSON string")
			}
			return nil
		}
	}
	p.at = len(p.text)
	return errors.New("a string has no end")
}

// word reads a number, true, false or null.
func (p *parser) word(n *Node) error {
	start := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '+' && c != '-' && c != '.' {
			break
		}
		p.at++
	}
	v := jsontext.Value(p.text[start:p.at])
	if len(v) == 0 || !v.IsValid() {
		return errors.New("a value is missing")
	}
	n.Kind = Kind(v.Kind())
	return nil
}
