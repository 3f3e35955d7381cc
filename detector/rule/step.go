package rule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"

	"github.com/mcpwatch/mcpwatch/finding"
)

// step compiles a condition: the part of it that is about the event alone, which the index can
// pick, and the part that speaks of earlier steps.
func (b *builder) step(path, as, when string) {
	env := b.env
	b.env = b.withSteps(env, when)
	defer func() { b.env = env }()
	b.p.names = append(b.p.names, as)
	whole, err := b.compile(path, when, cel.BoolType)
	if err != nil {
		b.problem(err)
		b.p.steps = append(b.p.steps, step{})
		return
	}
	b.p.Warnings = append(append(b.p.Warnings, b.costly(path, &whole)...), whole.warnings...)
	b.p.Warnings = append(append(b.p.Warnings, b.doubts(path, &whole)...), b.vain(path, &whole)...)
	b.p.Warnings = append(b.p.Warnings, b.mixed(path, &whole)...)
	s := step{when: whole}
	if slices.ContainsFunc(whole.reads, b.speaksOfSteps) {
		s, err = b.split(path, whole)
		b.problem(err)
	}
	if s.when.tree != nil {
		s.need = b.schema.needOf(s.when.tree.NativeRep().Expr())
	}
	b.p.steps = append(b.p.steps, s)
}

func (b *builder) speaksOfSteps(name string) bool {
	_, _, ok := b.schema.ofStep(name, b.p.names)
	return ok
}

// withSteps declares the fields of the steps so far that a text names.
func (b *builder) withSteps(env *cel.Env, text string) *cel.Env {
	var options []cel.EnvOption
	for _, as := range b.p.names {
		if as == "" || !strings.Contains(text, as+".") {
			continue
		}
		for _, f := range b.schema.fields {
			if !f.constant && strings.Contains(text, as+"."+f.Name) {
				options = append(options, cel.Variable(as+"."+f.Name, f.Type))
			}
		}
	}
	if len(options) == 0 {
		return env
	}
	extended, err := env.Extend(options...)
	if err != nil {
		b.problem(fmt.Errorf("%s: declaring the fields of its steps: %w", b.in.file, err))
		return env
	}
	return extended
}

// split takes the && of a condition apart.
func (b *builder) split(path string, whole expression) (step, error) {
	var alone, joined []string
	native := whole.tree.NativeRep()
	for _, part := range conjuncts(native.Expr()) {
		text, err := cel.ExprToString(part, native.SourceInfo())
		if err != nil {
			return step{}, b.in.errorAt(path, "taking the condition apart: "+err.Error())
		}
		if b.mentionsStep(part) {
			joined = append(joined, text)
		} else {
			alone = append(alone, text)
		}
	}
	s := step{unsplit: len(alone) == 0}
	if s.unsplit {
		alone = []string{"true"}
	}
	var err error
	if s.when, err = b.compile(path, conjunction(alone), cel.BoolType); err != nil {
		return step{}, err
	}
	then, err := b.compile(path, conjunction(joined), cel.BoolType)
	s.then = &then
	return s, err
}

// conjunction joins conditions by &&.
func conjunction(parts []string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	return "(" + strings.Join(parts, ") && (") + ")"
}

func conjuncts(e ast.Expr) []ast.Expr {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.LogicalAnd {
		var all []ast.Expr
		for _, a := range e.AsCall().Args() {
			all = append(all, conjuncts(a)...)
		}
		return all
	}
	return []ast.Expr{e}
}

func (b *builder) mentionsStep(e ast.Expr) bool {
	found := false
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if name, ok := identifier(e); ok && b.speaksOfSteps(name) {
			found = true
		}
	}))
	return found
}

// severity compiles the rule's severity: a word, or an expression all of whose outcomes are.
func (b *builder) severity() {
	text := b.p.Rule.Severity
	if finding.Severity(text).Rank() > 0 || text == "" {
		b.p.Severity = finding.Severity(text)
		return
	}
	wrong := func() {
		b.problem(b.in.errorAt("$.severity", fmt.Sprintf("severity %q is wrong: %s", text, severityWords)))
	}
	if !strings.Contains(text, "?") {
		wrong()
		return
	}
	chosen, err := b.choice("$.severity", text, cel.StringType)
	if err != nil {
		b.problem(err)
		return
	}
	for _, outcome := range outcomes(chosen.tree.NativeRep().Expr()) {
		word, ok := constant(outcome)
		s := finding.Severity(word)
		if !ok || s.Rank() == 0 {
			wrong()
			return
		}
		if s.Rank() > b.p.Severity.Rank() {
			b.p.Severity = s
		}
	}
	b.p.severity = chosen
}

// outcomes are what a conditional expression can choose.
func outcomes(e ast.Expr) []ast.Expr {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.Conditional {
		args := e.AsCall().Args()
		return append(outcomes(args[1]), outcomes(args[2])...)
	}
	return []ast.Expr{e}
}
