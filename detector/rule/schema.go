package rule

import (
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
	"github.com/google/cel-go/parser"

	"github.com/mcpwatch/mcpwatch/detector/baseline"
	"github.com/mcpwatch/mcpwatch/detector/match"
)

// schema is the fields and lists of a set, by place and by name.
type schema struct {
	fields          []Field
	index           map[string]int
	lists           map[string]*List // by lists.NAME
	functions       []Function
	env             *cel.Env
	definitionSlots []int
	absent          *types.Err
	baselines       []baseline.Method
	// patternNeeds are those worked out so far, while rules are loaded: index and lint ask for the same.
	patternNeeds map[string]match.Need
}

func newSchema(lists []*List) *schema {
	s := &schema{fields: Fields(), index: map[string]int{}, lists: map[string]*List{}, functions: Functions(), absent: absentValue(), patternNeeds: map[string]match.Need{}}
	for _, l := range lists {
		value := newNamedList(l)
		s.fields = append(s.fields, Field{
			Name: "lists." + l.Name, Type: cel.ListType(cel.StringType), Doc: l.Description,
			value: func(*View) ref.Val { return value }, constant: true,
		})
		s.lists["lists."+l.Name] = l
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
		cel.EnableMacroCallTracking(), // so that a part of an expression can be written out again
		cel.Macros(cel.GlobalMacro("has", 1, s.has)),
		cel.Function(present, cel.Overload(present, []*cel.Type{cel.DynType}, cel.BoolType, cel.OverloadIsNonStrict(),
			cel.UnaryBinding(func(value ref.Val) ref.Val { return types.Bool(!types.IsUnknownOrError(value)) }))),
	}
	for _, f := range s.fields {
		options = append(options, cel.VariableWithDoc(f.Name, f.Type, f.Doc))
	}
	for i := range s.functions {
		options = append(options, s.functions[i].option())
	}
	return cel.NewEnv(options...)
}

// present is the function, which no author can write, that reports whether its argument has a value.
const present = "@present"

// has makes has(FIELD) ask whether the event has the field, and leaves has(MAP.MEMBER) as it is in CEL.
func (s *schema) has(helper cel.MacroExprFactory, target ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
	if name, ok := identifier(args[0]); ok && s.isName(name) {
		return helper.NewCall(present, args[0]), nil
	}
	return parser.MakeHas(helper, target, args)
}

// isName reports whether a name is a field, of this event or of an earlier step.
func (s *schema) isName(name string) bool {
	_, afterStep, _ := strings.Cut(name, ".")
	_, is := s.index[name]
	_, isOfStep := s.index[afterStep]
	return is || isOfStep
}

// field is the field of a name.
func (s *schema) field(name string) (*Field, bool) {
	i, known := s.index[name]
	if !known {
		return nil, false
	}
	return &s.fields[i], true
}

// ofStep takes NAME.FIELD apart, where NAME is one of some steps and FIELD is a field.
func (s *schema) ofStep(name string, steps []string) (step int, field string, ok bool) {
	first, field, found := strings.Cut(name, ".")
	if !found {
		return 0, "", false
	}
	for i, as := range steps {
		if as == first && as != "" {
			f, known := s.field(field)
			return i, field, known && !f.constant
		}
	}
	return 0, "", false
}
