package rule

import (
	"fmt"
	"regexp/syntax"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"

	"github.com/mcpwatch/mcpwatch/detector/match"
	"github.com/mcpwatch/mcpwatch/detector/pattern"
)

// patterns makes `matches` with a constant pattern compile once, at load.
func patterns() cel.ProgramOption {
	return cel.OptimizeRegex(&interpreter.RegexOptimization{
		Function: "matches", OverloadID: overloads.MatchesString, RegexIndex: 1,
		Factory: func(call interpreter.InterpretableCall, text string) (interpreter.InterpretableCall, error) {
			compiled, err := pattern.Compile(text)
			if err != nil {
				return nil, err
			}
			return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), func(values ...ref.Val) ref.Val {
				text, ok := values[0].(types.String)
				if !ok {
					return types.MaybeNoSuchOverloadErr(values[0])
				}
				return types.Bool(compiled.Match(string(text)))
			}), nil
		},
	})
}

// boundPattern refuses a pattern that is too large, or that a text can make slow.
func boundPattern(text string) error {
	if err := pattern.Bounded(text); err != nil {
		return fmt.Errorf("the pattern `%s` %w", cut(text, maxShown), err)
	}
	return nil
}

// patternNeed is needOfPattern, worked out once for each pattern. What it gives must not be changed.
func (s *schema) patternNeed(text string) (match.Need, error) {
	if need, known := s.patternNeeds[text]; known {
		return need, nil
	}
	need, err := needOfPattern(text)
	if err == nil {
		s.patternNeeds[text] = need
	}
	return need, err
}

// needOfPattern is what a text must hold for a pattern to match: what match.Pattern derives, or, where
// that is nothing, what each alternative of the pattern needs by itself, as if they were joined by ||.
func needOfPattern(text string) (match.Need, error) {
	whole, err := match.Pattern(text)
	if err != nil || len(whole.Literals) > 0 || whole.Run.N > 0 {
		return whole, err
	}
	tree, err := syntax.Parse(text, syntax.Perl)
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
