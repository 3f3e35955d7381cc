package rule

import (
	"fmt"
	"slices"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"

	"github.com/mcpwatch/mcpwatch/detector/intel"
	"github.com/mcpwatch/mcpwatch/detector/match"
)

// namedList is a list as expressions have it. Whether something is in it is looked up.
type namedList struct {
	traits.Lister
	set *intel.Set
	// phrases finds its values in texts. It is made when a rule asks for it.
	phrases func() *phrases
}

func newNamedList(l *List) *namedList {
	return &namedList{
		types.NewStringList(types.DefaultTypeAdapter, l.Values), intel.New(l.Kind, l.Values),
		sync.OnceValue(func() *phrases { return newPhrases(l.Values) }),
	}
}

// Contains implements CEL's `in`: as the list's kind has it.
func (l *namedList) Contains(value ref.Val) ref.Val {
	text, ok := value.(types.String)
	return types.Bool(ok && l.set.Has(string(text)))
}

// phrases finds texts in a text, ASCII case aside.
type phrases struct {
	values   []string
	literals *match.Literals
	first    []int // by literal: the first of the values that it is
}

func newPhrases(values []string) *phrases {
	p := &phrases{values: values}
	var b match.Builder
	for i, value := range values {
		if b.Add(value) == len(p.first) {
			p.first = append(p.first, i)
		}
	}
	p.literals = b.Build()
	return p
}

// in is the first of the values that a text holds.
func (p *phrases) in(text string) (value string, found bool) {
	var h match.Hits
	h.Reset(p.literals.Len())
	p.literals.Scan(text, &h)
	if len(h.IDs()) == 0 {
		return "", false
	}
	return p.values[p.first[slices.Min(h.IDs())]], true
}

// Names of the functions that look for the values of a list in a text.
const (
	containsAny = "containsAny"
	mentions    = "mentions"
	mentioned   = "mentioned"
)

// maxMentioned bounds what mentioned gives.
const maxMentioned = 64

func ofTextAndList(name, doc string, result *cel.Type, of func(text string, list ref.Val) ref.Val) Function {
	return Function{
		Name: name, Params: []*cel.Type{cel.StringType, cel.ListType(cel.StringType)}, Result: result, Doc: doc, member: true,
		call: func(args ...ref.Val) ref.Val {
			text, ok := args[0].(types.String)
			if !ok {
				return types.MaybeNoSuchOverloadErr(args[0])
			}
			return of(cutMiddle(string(text)), args[1])
		},
	}
}

// listFunctions are the functions of a text and a list.
func listFunctions() []Function {
	return []Function{
		ofTextAndList(containsAny, "`text.containsAny(list)`: one of the list's values occurs in the text, ASCII case aside.", cel.BoolType, func(text string, list ref.Val) ref.Val {
			_, found := phrasesOf(list).in(text)
			return types.Bool(found)
		}),
		ofTextAndList(mentions, "`text.mentions(lists.NAME)`: the text holds a domain, address, URL or digest, whichever the list is of, that is listed.", cel.BoolType, func(text string, list ref.Val) ref.Val {
			return types.Bool(len(mentionedIn(text, list, 1)) > 0)
		}),
		ofTextAndList(mentioned, "`text.mentioned(lists.NAME)`: the listed values that mentions finds, each once: 64 at the most.", cel.ListType(cel.StringType), func(text string, list ref.Val) ref.Val {
			return types.NewStringList(types.DefaultTypeAdapter, mentionedIn(text, list, maxMentioned))
		}),
	}
}

// phrasesOf is what finds a list's values. A list that is written out comes here where nothing was made of
// it beforehand, which is for Explain alone.
func phrasesOf(list ref.Val) *phrases {
	if named, is := list.(*namedList); is {
		return named.phrases()
	}
	return newPhrases(stringsIn(list))
}

func stringsIn(list ref.Val) []string {
	var values []string
	if l, is := list.(traits.Lister); is {
		for it := l.Iterator(); it.HasNext() == types.True; {
			if text, ok := it.Next().(types.String); ok {
				values = append(values, string(text))
			}
		}
	}
	return values
}

func mentionedIn(text string, list ref.Val, most int) []string {
	named, is := list.(*namedList)
	if !is {
		return nil
	}
	var values []string
	for value := range named.set.In(text) {
		if !slices.Contains(values, value) {
			values = append(values, value)
		}
		if len(values) == most {
			break
		}
	}
	return values
}

// writtenPhrases makes what finds the values of a list that is written out once, at load.
func writtenPhrases() cel.ProgramOption {
	return cel.CustomDecoratorV2(func(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
		call, ok := i.(interpreter.InterpretableCall)
		if !ok || call.Function() != containsAny || len(call.Args()) != 2 {
			return i, nil
		}
		list, ok := call.Args()[1].(interpreter.InterpretableConst)
		if !ok {
			return i, nil
		}
		p := newPhrases(stringsIn(list.Value()))
		return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), func(args ...ref.Val) ref.Val {
			text, ok := args[0].(types.String)
			if !ok {
				return types.MaybeNoSuchOverloadErr(args[0])
			}
			_, found := p.in(cutMiddle(string(text)))
			return types.Bool(found)
		}), nil
	})
}

// Bounds of the values that containsAny looks for, and below which length one is a lint warning: it
// is looked for in every place of a text.
const (
	maxPhrases     = 50_000
	maxPhraseBytes = 2 << 20
	shortPhrase    = 3
)

// phraseList is the values of the list that containsAny is given.
func (s *schema) phraseList(list ast.Expr) (values []string, ok bool) {
	if name, is := identifier(list); is {
		if l, known := s.lists[name]; known {
			return l.Values, true
		}
		return nil, false
	}
	if list.Kind() != ast.ListKind {
		return nil, false
	}
	for _, element := range list.AsList().Elements() {
		value, isConstant := constant(element)
		if !isConstant {
			return nil, false
		}
		values = append(values, value)
	}
	return values, true
}

// checkLists says what is wrong with the lists that functions are given, or only not advised.
func (c *compiler) checkLists(of passage, x *expression) (problems, warnings []*Error) {
	ast.PostOrderVisit(x.tree.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || !e.AsCall().IsMemberFunction() || len(e.AsCall().Args()) != 1 {
			return
		}
		list := e.AsCall().Args()[0]
		problem, warning := "", ""
		switch function := e.AsCall().FunctionName(); function {
		case containsAny:
			problem, warning = c.schema.checkPhrases(list)
		case mentions, mentioned:
			name, _ := identifier(list)
			if l, known := c.schema.lists[name]; !known {
				problem = function + " takes a list of the rule set, lists.NAME"
			} else if l.Kind == intel.Plain {
				problem = fmt.Sprintf("%s has no kind: %s takes one of %q; containsAny looks for any texts", name, function, intel.Kinds())
			}
		}
		if problem != "" {
			problems = append(problems, c.problemAt(of, x, list, problem))
		}
		if warning != "" {
			warnings = append(warnings, c.problemAt(of, x, list, warning))
		}
	}))
	return problems, warnings
}

func (s *schema) checkPhrases(list ast.Expr) (problem, warning string) {
	values, ok := s.phraseList(list)
	size := 0
	for _, value := range values {
		size += len(value)
	}
	switch {
	case !ok:
		return "containsAny takes a list of the rule set, lists.NAME, or one of constants", ""
	case slices.Contains(values, ""):
		return "containsAny: a value of the list is empty, and so in every text", ""
	case len(values) > maxPhrases || size > maxPhraseBytes:
		return fmt.Sprintf("containsAny: the list has %d values of %d bytes, at most %d of %d are looked for", len(values), size, maxPhrases, maxPhraseBytes), ""
	}
	if i := slices.IndexFunc(values, func(value string) bool { return len(value) < shortPhrase }); i >= 0 {
		return "", fmt.Sprintf("containsAny looks for %q: a value of less than %d bytes is in most texts, so the rule is tried on them", values[i], shortPhrase)
	}
	return "", ""
}
