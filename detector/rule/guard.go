package rule

import (
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"

	"github.com/mcpwatch/mcpwatch/event"
)

// part is what an event can have: a set of bits.
type part uint16

const (
	partCall part = 1 << iota
	partResult
	partError
	partResource
	partPrompt
	partDefinition
	partSampling
	partElicitation
	partHTTP
)

// partsOf says what the shown event has, definitions aside.
func (v *View) partsOf() part {
	var has part
	switch v.Method() {
	case "tools/call":
		has |= partCall
	case "resources/read":
		has |= partResource
	case "prompts/get":
		has |= partPrompt
	}
	switch v.message.Method {
	case "sampling/createMessage":
		has |= partSampling
	case "elicitation/create":
		has |= partElicitation
	}
	switch v.message.Kind {
	case event.KindResponse:
		has |= partResult
	case event.KindError:
		has |= partError
	case event.KindRequest, event.KindNotification, event.KindBatch, event.KindUnknown:
	}
	if !v.event.HTTP.IsZero() {
		has |= partHTTP
	}
	return has
}

// guard is what must hold of an event for an expression to be true. It may only ever rule
// out events for which the expression is not true.
type guard struct {
	needs part
	kind  event.Kind // "" is any
}

// admits reports whether the expression can be true of the shown event.
func (g guard) admits(v *View) bool {
	return g.needs&^v.has == 0 && (g.kind == "" || g.kind == v.message.Kind)
}

// guardOf finds what must hold for an expression to be true: for &&, what either side
// demands; for ||, what both do; a comparison or call fails, and so is not true, where a
// field in it has no value.
func (s *schema) guardOf(e ast.Expr) guard {
	if e.Kind() != ast.CallKind {
		return guard{needs: s.reads(e)}
	}
	call := e.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalAnd:
		all := guard{}
		for _, a := range args {
			g := s.guardOf(a)
			all.needs |= g.needs
			if g.kind != "" {
				all.kind = g.kind
			}
		}
		return all
	case operators.LogicalOr:
		common := s.guardOf(args[0])
		for _, a := range args[1:] {
			g := s.guardOf(a)
			common.needs &= g.needs
			if g.kind != common.kind {
				common.kind = ""
			}
		}
		return common
	case operators.Equals:
		g := guard{needs: s.reads(e)}
		for i, a := range args {
			if name, ok := identifier(a); ok && name == "event.kind" {
				if kind, ok := constant(args[1-i]); ok {
					g.kind = event.Kind(kind)
				}
			}
		}
		return g
	default:
		return guard{needs: s.reads(e)}
	}
}

// reads is what an event must have for a value to be computed at all, whatever the value.
func (s *schema) reads(e ast.Expr) part {
	if name, ok := identifier(e); ok {
		if i, known := s.index[name]; known {
			return s.fields[i].needs
		}
	}
	switch e.Kind() {
	case ast.CallKind:
		return s.callReads(e.AsCall())
	case ast.SelectKind:
		return s.reads(e.AsSelect().Operand())
	case ast.ComprehensionKind:
		return s.reads(e.AsComprehension().IterRange())
	case ast.ListKind:
		var all part
		for _, element := range e.AsList().Elements() {
			all |= s.reads(element)
		}
		return all
	case ast.UnspecifiedExprKind, ast.IdentKind, ast.LiteralKind, ast.MapKind, ast.StructKind:
	}
	return 0
}

func (s *schema) callReads(call ast.CallExpr) part {
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalAnd, operators.LogicalOr:
		// Either side can decide alone, whichever way.
		common := s.reads(args[0])
		for _, a := range args[1:] {
			common &= s.reads(a)
		}
		return common
	case operators.Conditional:
		return s.reads(args[0])
	}
	var all part
	if call.IsMemberFunction() {
		all = s.reads(call.Target())
	}
	for _, a := range args {
		all |= s.reads(a)
	}
	return all
}

// identifier is the dotted name that an expression is, if it is one.
func identifier(e ast.Expr) (string, bool) {
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent(), true
	case ast.SelectKind:
		selection := e.AsSelect()
		if selection.IsTestOnly() {
			return "", false
		}
		operand, ok := identifier(selection.Operand())
		return operand + "." + selection.FieldName(), ok
	default:
		return "", false
	}
}

func constant(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := e.AsLiteral().(types.String)
	return string(text), ok
}
