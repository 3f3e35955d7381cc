package rule

import (
	"slices"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"

	"github.com/mcpwatch/mcpwatch/event"
)

// Sight says how much a rule sees of what a source ships.
type Sight string

// What a rule can see.
const (
	// Whole: the source carries all that the rule reads.
	Whole Sight = "whole"
	// Partly: the rule can be true, but reads something that the source does not carry.
	Partly Sight = "partly"
	// Blind: every way for the rule to be true reads something that the source does not carry.
	Blind Sight = "blind"
)

// SightOf says what the program sees of a source that carries such things (see
// event.Source.Completeness), and which it lacks of those that the program reads, sorted.
//
// A condition joined by && is blind where one side is, one joined by || where both are. A rule of
// several steps is blind where one step is, or its key, or what it counts, adds or compares; an absence
// whose awaited step alone is blind finds all that waits, and sees partly. A step that is asked of
// definitions is blind where the source carries none.
func (p *Program) SightOf(carries []string) (sight Sight, lacks []string) {
	for _, name := range p.Reads {
		if f, known := p.schema.field(name); known && f.Carries != "" && !event.Carries(carries, f.Carries) {
			lacks = keep(lacks, f.Carries)
		}
	}
	if len(lacks) == 0 {
		return Whole, nil
	}
	s := sighted{p, carries}
	if p.of != nil && s.blind(p.of.tree.NativeRep().Expr()) {
		return Blind, lacks
	}
	for i := range p.by {
		if s.blind(p.by[i].tree.NativeRep().Expr()) {
			return Blind, lacks
		}
	}
	for i := range p.steps {
		if p.Kind == KindAbsence && i > 0 {
			break
		}
		if p.steps[i].definition && slices.Contains(lacks, "definitions") {
			return Blind, lacks
		}
		for _, x := range []*expression{&p.steps[i].when, p.steps[i].then} {
			if x != nil && s.never(x.tree.NativeRep().Expr(), true) {
				return Blind, lacks
			}
		}
	}
	return Partly, lacks
}

// sighted derives what expressions of a program see of a source.
type sighted struct {
	program *Program
	carries []string
}

// never reports whether no way for a condition to be so, true or false, is without a read of what
// the source does not carry.
func (s sighted) never(e ast.Expr, so bool) bool {
	if e.Kind() != ast.CallKind {
		return s.blind(e)
	}
	args := e.AsCall().Args()
	switch e.AsCall().FunctionName() {
	case present:
		return so && s.blind(args[0])
	case operators.LogicalNot:
		return s.never(args[0], !so)
	case operators.LogicalAnd, operators.LogicalOr:
		// To be true, && needs all of its sides; to be false, one. With || it is the other way round.
		neverSo := func(a ast.Expr) bool { return s.never(a, so) }
		if (e.AsCall().FunctionName() == operators.LogicalAnd) == so {
			return slices.ContainsFunc(args, neverSo)
		}
		return !slices.ContainsFunc(args, func(a ast.Expr) bool { return !neverSo(a) })
	case operators.Conditional:
		return (s.never(args[0], true) || s.never(args[1], so)) && (s.never(args[0], false) || s.never(args[2], so))
	}
	return s.blind(e)
}

// blind reports whether an expression has no value without a read of what the source does not
// carry. Of a loop it looks at what is looped over alone.
func (s sighted) blind(e ast.Expr) bool {
	if name, ok := identifier(e); ok {
		return s.lacks(name)
	}
	switch e.Kind() {
	case ast.CallKind:
		call := e.AsCall()
		switch call.FunctionName() {
		case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, present:
			return s.never(e, true) && s.never(e, false)
		case operators.Conditional:
			a := call.Args()
			return (s.never(a[0], true) || s.blind(a[1])) && (s.never(a[0], false) || s.blind(a[2]))
		}
		return call.IsMemberFunction() && s.blind(call.Target()) || slices.ContainsFunc(call.Args(), s.blind)
	case ast.SelectKind:
		return s.blind(e.AsSelect().Operand())
	case ast.ComprehensionKind:
		return s.blind(e.AsComprehension().IterRange())
	case ast.ListKind:
		return slices.ContainsFunc(e.AsList().Elements(), s.blind)
	case ast.UnspecifiedExprKind, ast.IdentKind, ast.LiteralKind, ast.MapKind, ast.StructKind:
	}
	return false
}

// lacks reports whether the source does not carry a field, of this event or of an earlier step.
func (s sighted) lacks(name string) bool {
	if _, field, ok := s.program.schema.ofStep(name, s.program.names); ok {
		name = field
	}
	f, known := s.program.schema.field(name)
	return known && f.Carries != "" && !event.Carries(s.carries, f.Carries)
}
