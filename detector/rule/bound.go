package rule

import (
	"fmt"
	"slices"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a file. The YAML parser takes a time that grows with the square of a mapping's names
// (a third of a second for maxNames) and goes as deep as the text does; both are counted on
// tokens, which cost little.
const (
	maxFileBytes = 1 << 20
	maxNames     = 8_192   // of all mappings together
	maxDepth     = 64      // of brackets, or of dashes on one line
	maxValues    = 500_000 // with every alias written out
)

// bound refuses a file that would take long to parse.
func (d *document) bound(tokens token.Tokens) error {
	names, brackets, dashes := 0, 0, 0
	for _, t := range tokens {
		switch t.Type {
		case token.MappingValueType:
			names++
		case token.MappingStartType, token.SequenceStartType:
			brackets++
		case token.MappingEndType, token.SequenceEndType:
			brackets--
		default:
		}
		if t.Type == token.SequenceEntryType || t.Type == token.MappingKeyType {
			dashes++
		} else {
			dashes = 0
		}
		switch {
		case names > maxNames:
			return d.refuse(t, fmt.Sprintf("more than %d names, the most that are read: put events into fewer tests, or into a second rule", maxNames))
		case brackets > maxDepth || dashes > maxDepth:
			return d.refuse(t, fmt.Sprintf("more than %d levels deep, the most that are read", maxDepth))
		}
	}
	return nil
}

// boundAliases refuses a file whose aliases (*name) would make it many times as long.
func (d *document) boundAliases(body ast.Node) error {
	whole := 0
	var lost []*ast.AliasNode
	ast.Walk(growth{anchors: map[string]*int{}, into: []*int{&whole}, lost: &lost}, body)
	if len(lost) > 0 {
		return d.refuse(lost[0].GetToken(), fmt.Sprintf("no anchor &%s stands before this alias: a text that begins with * goes into quotes", lost[0].Value))
	}
	if whole > maxValues {
		return d.refuse(body.GetToken(), fmt.Sprintf("more than %d values once its aliases (*name) are written out, the most that are read: write out fewer of them", maxValues))
	}
	return nil
}

func (d *document) refuse(at *token.Token, reason string) error {
	e := &Error{File: d.file, Reason: reason}
	if at != nil && at.Position != nil {
		e.Line, e.Column = at.Position.Line, at.Position.Column
	}
	return e
}

// growth counts the nodes within each anchor (&name) that it walks through, an alias as what it
// stands for.
type growth struct {
	anchors map[string]*int
	into    []*int
	lost    *[]*ast.AliasNode // aliases without an anchor
}

// Visit implements ast.Visitor.
func (g growth) Visit(n ast.Node) ast.Visitor {
	more, within := 1, g
	switch n := n.(type) {
	case *ast.AliasNode:
		if size := g.anchors[n.Value.String()]; size != nil {
			more = *size
		} else {
			*g.lost = append(*g.lost, n)
		}
	case *ast.AnchorNode:
		size := new(int)
		g.anchors[n.Name.String()] = size
		within.into = append(slices.Clip(g.into), size)
	}
	for _, size := range within.into {
		*size = min(*size+more, maxValues+1)
	}
	return within
}
