package rule

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// maxCost bounds what an expression may cost at worst, in CEL's cost units, for an event
// whose texts are of estimatedText characters and whose lists have estimatedList entries.
const (
	maxCost       = 50_000_000
	estimatedText = 64 * 1024
	estimatedList = 64
)

// expression is a CEL expression of a rule, compiled.
type expression struct {
	text    string
	tree    *cel.Ast
	program cel.Program
	reads   []string // the names in it, sorted
	// warnings are what is not advised about the lists in it.
	warnings []*Error
	// whole is the expression for Explain. It is made when it is asked for.
	whole func() (whole, error)
}

// isTrue reports whether it is true. One that fails, for want of a value or otherwise, is not.
func (x *expression) isTrue(a interpreter.Activation) bool {
	out, _, err := x.program.Eval(a)
	return err == nil && out == types.True
}

// value is what it gives, nil where it fails.
func (x *expression) value(a interpreter.Activation) ref.Val {
	out, _, err := x.program.Eval(a)
	if err != nil {
		return nil
	}
	return out
}

// compiler compiles the expressions of one rule or exception.
type compiler struct {
	schema *schema
	env    *cel.Env
	in     *document
}

// passage is where an expression stands in the text at a YAML path: from one byte to another.
type passage struct {
	path, text string
	from, to   int
}

func (p passage) expression() string { return p.text[p.from:p.to] }

// place translates a place in the expression into one in the whole text (line from 1, column from
// 0, in characters).
func (p passage) place(line, column int) (int, int) {
	before := p.text[:p.from]
	if line == 1 {
		column += utf8.RuneCountInString(before[strings.LastIndex(before, "\n")+1:])
	}
	return line + strings.Count(before, "\n"), column
}

// compile compiles the expression at a YAML path. A type of nil takes any.
func (c *compiler) compile(path, text string, want ...*cel.Type) (expression, error) {
	return c.compilePassage(passage{path, text, 0, len(text)}, want...)
}

// compilePassage compiles an expression that is part of a text.
func (c *compiler) compilePassage(at passage, want ...*cel.Type) (expression, error) {
	text, name := at.expression(), strings.TrimPrefix(at.path, "$.")
	failAt := func(line, column int, reason string) error {
		line, column = at.place(line, column)
		return c.in.expressionAt(at.path, at.text, line, column, name+": "+reason)
	}
	fail := func(format string, args ...any) (expression, error) {
		return expression{}, failAt(1, 0, fmt.Sprintf(format, args...))
	}
	switch {
	case strings.TrimSpace(text) == "" && at.from == 0:
		return expression{}, c.in.errorAt(at.path, name+" is missing: it is a CEL expression, such as "+exampleOf(want))
	case strings.TrimSpace(text) == "":
		return fail("{} holds no expression: write {call.tool}, or {{}} for the braces")
	case len(text) > maxExpressionBytes:
		return fail("is %d bytes, at most %d are taken: put values into a list", len(text), maxExpressionBytes)
	}
	tree, issues := c.env.Compile(text)
	if issues.Err() != nil {
		return expression{}, errors.Join(c.mistakes(text, issues.Errors(), failAt)...)
	}
	if err := badPatterns(text, tree, failAt); err != nil {
		return expression{}, err
	}
	if len(want) > 0 && !slices.ContainsFunc(want, tree.OutputType().IsExactType) {
		return fail("is %s, must be %s, such as %s", typeNames([]*cel.Type{tree.OutputType()}), typeNames(want), exampleOf(want))
	}
	cost, err := c.env.EstimateCost(tree, sizes{c.schema.functions, c.schema.lists})
	if err != nil {
		return fail("estimating its cost: %v", err)
	}
	if cost.Max > maxCost {
		return fail("may cost %s units an event, at most %d are allowed: nest fewer loops", costText(cost.Max), maxCost)
	}
	x := expression{text: text, tree: tree, reads: c.schema.names(tree)}
	if problems := c.tooLarge(at, &x); len(problems) > 0 {
		return expression{}, joined(problems)
	}
	problems, warnings := c.checkLists(at, &x)
	if len(problems) > 0 {
		return expression{}, joined(problems)
	}
	x.warnings = warnings
	x.program, err = c.env.Program(tree, cel.EvalOptions(cel.OptOptimize), patterns(), writtenPhrases(), c.schema.memoized())
	if err != nil {
		return fail("%v", err)
	}
	env := c.env
	x.whole = sync.OnceValues(func() (whole, error) { return newWhole(env, tree) })
	return x, nil
}

// problemAt is a problem with a part of an expression.
func (c *compiler) problemAt(of passage, x *expression, part ast.Expr, reason string) *Error {
	begin := x.tree.NativeRep().SourceInfo().GetStartLocation(part.ID())
	line, column := of.place(begin.Line(), begin.Column())
	return c.in.expressionAt(of.path, of.text, line, column, strings.TrimPrefix(of.path, "$.")+": "+reason)
}

func joined(problems []*Error) error {
	all := make([]error, len(problems))
	for i, e := range problems {
		all[i] = e
	}
	return errors.Join(all...)
}

// exampleOf is an expression of one of some types.
func exampleOf(want []*cel.Type) string {
	switch {
	case len(want) == 0 || want[0].IsExactType(cel.BoolType):
		return `call.tool == "delete_file"`
	case want[0].IsExactType(cel.IntType):
		return "event.size"
	default:
		return "call.tool"
	}
}

func typeNames(of []*cel.Type) string {
	var names []string
	for _, t := range of {
		article := "a "
		if t.IsExactType(cel.IntType) {
			article = "an "
		}
		names = append(names, article+t.String())
	}
	return strings.Join(names, " or ")
}

// names lists the variables that an expression names, sorted.
func (s *schema) names(tree *cel.Ast) []string {
	var names []string
	for _, reference := range tree.NativeRep().ReferenceMap() {
		if reference.Name != "" && len(reference.OverloadIDs) == 0 {
			names = append(names, reference.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// sizes tells CEL's cost estimate how large the values of an event are.
type sizes struct {
	functions []Function
	lists     map[string]*List
}

// EstimateSize implements checker.CostEstimator. A loaded list is as long as it is.
func (s sizes) EstimateSize(node checker.AstNode) *checker.SizeEstimate {
	if path := node.Path(); len(path) > 0 {
		if list, is := s.lists[path[0]]; is {
			if len(path) > 1 { // an element
				return &checker.SizeEstimate{Min: 0, Max: longest(list.Values)}
			}
			return &checker.SizeEstimate{Min: 0, Max: uint64(len(list.Values))}
		}
	}
	return sizeOf(node.Type().Kind())
}

// EstimateCallCost implements checker.CostEstimator.
// To look in a loaded list costs the same however long it is.
func (s sizes) EstimateCallCost(function, _ string, _ *checker.AstNode, args []checker.AstNode) *checker.CallEstimate {
	if function == operators.In && len(args) == 2 {
		if path := args[1].Path(); len(path) == 1 && s.lists[path[0]] != nil {
			return &checker.CallEstimate{CostEstimate: checker.CostEstimate{Min: 1, Max: 1}}
		}
	}
	for i := range s.functions {
		if f := &s.functions[i]; f.Name == function {
			return &checker.CallEstimate{CostEstimate: checker.CostEstimate{Min: 1, Max: estimatedText}, ResultSize: sizeOf(f.Result.Kind())}
		}
	}
	return nil
}

func sizeOf(kind types.Kind) *checker.SizeEstimate {
	if kind == types.ListKind || kind == types.MapKind {
		return &checker.SizeEstimate{Min: 0, Max: estimatedList}
	}
	return &checker.SizeEstimate{Min: 0, Max: estimatedText}
}

func longest(list []string) (n uint64) {
	for _, text := range list {
		n = max(n, uint64(len(text)))
	}
	return n
}

func costText(cost uint64) string {
	if cost == math.MaxUint64 {
		return "unbounded"
	}
	return fmt.Sprint(cost)
}
