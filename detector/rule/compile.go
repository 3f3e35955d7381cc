package rule

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
)

// Program is a rule compiled. It is immutable and safe for concurrent use.
type Program struct {
	Rule *Rule
	// Version changes with everything that decides the rule's findings.
	Version string
	// Reads lists the fields that the expression names, sorted.
	Reads []string
	// PerDefinition says that the rule judges each definition of an event apart.
	PerDefinition bool

	match cel.Program
	guard guard
	// alone says that the expression reads nothing but the definition and lists.
	alone bool
}

// Set is rules that were loaded together, in the order of their ids.
type Set struct {
	Programs []*Program
	// Hash is the content address of all that decides findings: rules and lists.
	Hash string

	schema      *schema
	definitions bool // a program judges definitions
}

// schema is the fields and lists of a set, by place and by name.
type schema struct {
	fields          []Field
	index           map[string]int
	definitionSlots []int
	absent          *types.Err
}

// maxCost bounds what an expression may cost at worst, in CEL's cost units, for an event
// whose texts are of estimatedText characters and whose lists have estimatedList entries.
const (
	maxCost       = 50_000_000
	estimatedText = 64 * 1024
	estimatedList = 64
)

// Compile makes a set of rules and lists. It reports every problem, joined.
func Compile(rules []*Rule, lists []*List) (*Set, error) {
	lists, twice := distinct(lists)
	schema := newSchema(lists)
	env, err := schema.environment()
	if err != nil {
		return nil, fmt.Errorf("building the rule environment: %w", err)
	}
	set := &Set{schema: schema}
	problems := twice
	seen := map[string]string{}
	for _, r := range rules {
		if first, taken := seen[r.ID]; taken && r.ID != "" {
			problems = append(problems, errorAt(r.file, r.tree, "$.id", fmt.Sprintf("id %q is taken by %s", r.ID, first)))
			continue
		}
		seen[r.ID] = r.file
		p, err := schema.compile(env, r, lists)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		set.Programs = append(set.Programs, p)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	slices.SortFunc(set.Programs, func(a, b *Program) int { return strings.Compare(a.Rule.ID, b.Rule.ID) })
	h := sha256.New()
	for _, p := range set.Programs {
		set.definitions = set.definitions || p.PerDefinition
		fmt.Fprintf(h, "%s %s\n", p.Rule.ID, p.Version)
	}
	set.Hash = hex.EncodeToString(h.Sum(nil)[:16])
	return set, nil
}

// NewView returns a view for evaluating the set's programs.
func (s *Set) NewView() *View {
	return &View{schema: s.schema, slots: make([]slot, len(s.schema.fields))}
}

// Match evaluates the programs on the event that the view shows: first those that judge the
// event, which are found with no definition, then for each definition those that judge
// definitions. An expression that fails, for want of a value or otherwise, is not true.
func (s *Set) Match(v *View, found func(p *Program, d *Definition)) {
	for _, p := range s.Programs {
		if !p.PerDefinition && p.guard.admits(v) && p.isTrue(v) {
			found(p, nil)
		}
	}
	if !s.definitions {
		return
	}
	for _, d := range v.definitions() {
		v.setDefinition(&d)
		for _, i := range s.judge(v, &d) {
			found(s.Programs[i], &d)
		}
	}
	v.setDefinition(nil)
}

// judge lists the programs, by place, that a definition matches. What depends on the
// definition alone is judged once and remembered: agents list the same tools again and
// again, and every pattern is tried on each.
func (s *Set) judge(v *View, d *Definition) []int {
	alone, known := v.verdicts.get(d.digest)
	if !known {
		for i, p := range s.Programs {
			if p.PerDefinition && p.alone && p.guard.admits(v) && p.isTrue(v) {
				alone = append(alone, i)
			}
		}
		v.verdicts.put(d.digest, alone)
	}
	matched := alone
	for i, p := range s.Programs {
		if p.PerDefinition && !p.alone && p.guard.admits(v) && p.isTrue(v) {
			matched = append(slices.Clip(matched), i)
		}
	}
	slices.Sort(matched)
	return matched
}

func (p *Program) isTrue(v *View) bool {
	out, _, err := p.match.Eval(v)
	return err == nil && out == types.True
}

// distinct is the lists whose name no list before has, and what is wrong with the others.
func distinct(lists []*List) (kept []*List, problems []error) {
	seen := map[string]string{}
	for _, l := range lists {
		if first, taken := seen[l.Name]; taken {
			problems = append(problems, errorAt(l.file, l.tree, "$.name", fmt.Sprintf("list %q is in %s already", l.Name, first)))
			continue
		}
		seen[l.Name] = l.file
		kept = append(kept, l)
	}
	return kept, problems
}

func newSchema(lists []*List) *schema {
	s := &schema{fields: Fields(), index: map[string]int{}, absent: absentValue()}
	for _, l := range lists {
		members := make(map[string]struct{}, len(l.Values))
		for _, value := range l.Values {
			members[value] = struct{}{}
		}
		value := stringSet{types.NewStringList(types.DefaultTypeAdapter, l.Values), members}
		s.fields = append(s.fields, Field{
			Name: "lists." + l.Name, Type: cel.ListType(cel.StringType), Doc: l.Description,
			read: func(*View) ref.Val { return value }, constant: true,
		})
	}
	for i, f := range s.fields {
		s.index[f.Name] = i
		if f.needs == partDefinition {
			s.definitionSlots = append(s.definitionSlots, i)
		}
	}
	return s
}

func (s *schema) environment() (*cel.Env, error) {
	options := []cel.EnvOption{
		ext.Strings(ext.StringsVersion(4)),
		cel.CrossTypeNumericComparisons(true),
	}
	for _, f := range s.fields {
		options = append(options, cel.VariableWithDoc(f.Name, f.Type, f.Doc))
	}
	for _, f := range Functions() {
		options = append(options, f.option())
	}
	return cel.NewEnv(options...)
}

func (s *schema) compile(env *cel.Env, r *Rule, lists []*List) (*Program, error) {
	switch {
	case strings.TrimSpace(r.Match) == "":
		return nil, errorAt(r.file, r.tree, "$.match", "match is missing: it is the CEL expression that finds something")
	case len(r.Match) > maxExpressionBytes:
		return nil, errorAt(r.file, r.tree, "$.match", fmt.Sprintf("match is %d bytes, at most %d are taken", len(r.Match), maxExpressionBytes))
	}
	tree, issues := env.Compile(r.Match)
	if issues.Err() != nil {
		var problems []error
		for _, e := range issues.Errors() {
			problems = append(problems, expressionAt(r,
				e.Location.Line(), e.Location.Column(), "match: "+s.explain(r.Match, e)))
		}
		return nil, errors.Join(problems...)
	}
	if tree.OutputType() != cel.BoolType {
		return nil, errorAt(r.file, r.tree, "$.match", fmt.Sprintf("match: is a %s, must be a bool", tree.OutputType()))
	}
	cost, err := env.EstimateCost(tree, sizes{})
	if err != nil {
		return nil, errorAt(r.file, r.tree, "$.match", "match: estimating its cost: "+err.Error())
	}
	if cost.Max > maxCost {
		return nil, errorAt(r.file, r.tree, "$.match", fmt.Sprintf(
			"match: may cost %s units an event, at most %d are allowed: nest fewer loops", costText(cost.Max), maxCost))
	}
	program, err := env.Program(tree, cel.EvalOptions(cel.OptOptimize), patterns())
	if err != nil {
		return nil, errorAt(r.file, r.tree, "$.match", "match: "+err.Error())
	}
	p := &Program{Rule: r, match: program, guard: s.guardOf(tree.NativeRep().Expr()), Reads: s.names(tree)}
	p.alone = true
	for _, name := range p.Reads {
		f := s.fields[s.index[name]]
		p.PerDefinition = p.PerDefinition || f.needs == partDefinition
		p.alone = p.alone && (f.needs == partDefinition || f.constant)
	}
	p.Version = version(r, p.Reads, lists)
	return p, nil
}

var dottedName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*`)

// explain is the compiler's message, but for a name that does not exist: it says which do.
func (s *schema) explain(expression string, e *cel.Error) string {
	if !strings.HasPrefix(e.Message, "undeclared reference to ") {
		return e.Message
	}
	lines := strings.Split(expression, "\n")
	line, column := e.Location.Line()-1, e.Location.Column()
	if line < 0 || line >= len(lines) {
		return e.Message
	}
	text := []rune(lines[line]) // columns count characters
	if column < 0 || column > len(text) {
		return e.Message
	}
	name := dottedName.FindString(string(text[column:]))
	if name == "" {
		return e.Message
	}
	first, _, _ := strings.Cut(name, ".")
	var siblings, beginnings []string
	for _, f := range s.fields {
		beginning, _, _ := strings.Cut(f.Name, ".")
		beginnings = append(beginnings, beginning)
		if beginning == first {
			siblings = append(siblings, f.Name)
		}
	}
	slices.Sort(siblings)
	slices.Sort(beginnings)
	switch {
	case len(siblings) > 0:
		return fmt.Sprintf("unknown name %q: there are %s", name, strings.Join(siblings, ", "))
	case first == "lists":
		return fmt.Sprintf("unknown name %q: no list is loaded", name)
	default:
		return fmt.Sprintf("unknown name %q: names begin with %s", name, strings.Join(slices.Compact(beginnings), ", "))
	}
}

// names lists the fields that an expression names, sorted.
func (s *schema) names(tree *cel.Ast) []string {
	var names []string
	for _, reference := range tree.NativeRep().ReferenceMap() {
		if _, known := s.index[reference.Name]; known {
			names = append(names, reference.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// version hashes what decides a rule's findings: its text, tests and prose aside, and the
// lists it reads.
func version(r *Rule, reads []string, lists []*List) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q %q %d %q %q\n", r.ID, r.Match, r.Severity, r.Mode, r.Title, r.Risk, r.Tags, r.Playbook)
	for _, l := range lists {
		if slices.Contains(reads, "lists."+l.Name) {
			fmt.Fprintf(h, "%q %q\n", l.Name, l.Values)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// sizes tells CEL's cost estimate how large the values of an event are.
type sizes struct{}

func (sizes) EstimateSize(node checker.AstNode) *checker.SizeEstimate {
	switch node.Type().Kind() {
	case types.ListKind, types.MapKind:
		return &checker.SizeEstimate{Min: 0, Max: estimatedList}
	default:
		return &checker.SizeEstimate{Min: 0, Max: estimatedText}
	}
}

func (sizes) EstimateCallCost(function, _ string, _ *checker.AstNode, _ []checker.AstNode) *checker.CallEstimate {
	for _, f := range Functions() {
		if f.Name == function {
			return &checker.CallEstimate{
				CostEstimate: checker.CostEstimate{Min: 1, Max: estimatedText},
				ResultSize:   sizes{}.resultSize(f),
			}
		}
	}
	return nil
}

func (sizes) resultSize(f Function) *checker.SizeEstimate {
	if f.Result.Kind() == types.ListKind {
		return &checker.SizeEstimate{Min: 0, Max: estimatedList}
	}
	return &checker.SizeEstimate{Min: 0, Max: estimatedText}
}

func costText(cost uint64) string {
	if cost == math.MaxUint64 {
		return "unbounded"
	}
	return fmt.Sprint(cost)
}
