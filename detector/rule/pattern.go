package rule

import (
	"regexp"
	"regexp/syntax"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
	"github.com/wasilibs/go-re2"

	"github.com/mcpwatch/mcpwatch/detector/match"
)

// literalPrefix is how long a pattern's literal beginning must be for Go's own engine,
// which searches for it and looks no further where it is absent, to be the faster one.
const literalPrefix = 3

// patterns makes `matches` with a constant pattern compile once, at load, to the faster of
// two linear-time engines of one syntax: RE2's automaton is five to twenty times faster
// than Go's where no literal guards the pattern.
func patterns() cel.ProgramOption {
	return cel.OptimizeRegex(&interpreter.RegexOptimization{
		Function: "matches", OverloadID: overloads.MatchesString, RegexIndex: 1,
		Factory: func(call interpreter.InterpretableCall, pattern string) (interpreter.InterpretableCall, error) {
			match, err := matcher(pattern)
			if err != nil {
				return nil, err
			}
			return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), func(values ...ref.Val) ref.Val {
				text, ok := values[0].(types.String)
				if !ok {
					return types.MaybeNoSuchOverloadErr(values[0])
				}
				return types.Bool(match(string(text)))
			}), nil
		},
	})
}

func matcher(pattern string) (func(string) bool, error) {
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	if prefix, _ := compiled.LiteralPrefix(); len(prefix) >= literalPrefix {
		return compiled.MatchString, nil
	}
	automaton, err := re2.Compile(pattern)
	if err != nil {
		return nil, err
	}
	return automaton.MatchString, nil
}

// patternNeed is what a text must hold for a pattern to match: what match.Pattern derives, or, where
// that is nothing, what each alternative of the pattern needs by itself, as if they were joined by ||.
func patternNeed(pattern string) (match.Need, error) {
	whole, err := match.Pattern(pattern)
	if err != nil || len(whole.Literals) > 0 || whole.Run.N > 0 {
		return whole, err
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return match.Need{}, err
	}
	for tree.Op == syntax.OpCapture {
		tree = tree.Sub[0]
	}
	if tree.Op != syntax.OpAlternate {
		return match.Need{}, nil
	}
	var all []string
	for _, alternative := range tree.Sub {
		one, err := match.Pattern(alternative.String())
		if err != nil || len(one.Literals) == 0 || len(all) > maxNeedLiterals {
			return match.Need{}, nil //nolint:nilerr // the whole has been read: nothing is known of it
		}
		all = union(all, one.Literals)
	}
	if len(all) > maxNeedLiterals {
		return match.Need{}, nil
	}
	return match.Need{Literals: all}, nil
}
