package rule

import (
	"fmt"
	"math"
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

// Bounds of a pattern: how many places its program has; how many copies its repeats make of what is not counted,
// for each may make the places that a text can be in at once twice as many; and how many of them it may look at
// for a character of a hostile text (see pattern.Work), of which 2 are about 50 ns.
const (
	maxPatternSize   = 5000
	maxPatternCopies = 64
	maxPatternWork   = 2
)

// boundPattern refuses a pattern that is too large, or that a text can make slow. One that cannot be read is for
// others to refuse.
func boundPattern(text string) error {
	const mend = "repeat one class, such as [^.]{0,80} or [a-z]{8,}, which is counted, not a group or exactly so often; or write several patterns"
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil //nolint:nilerr // compiling it says what is wrong, and where
	}
	size, copies := extent(re)
	switch {
	case size > maxPatternSize:
		return fmt.Errorf("the pattern `%s` has about %d places, at most %d are taken: %s", cut(text, maxShown), size, maxPatternSize, mend)
	case copies > maxPatternCopies:
		return fmt.Errorf("the pattern `%s` copies what it repeats up to %d times, at most %d are taken: %s", cut(text, maxShown), copies, maxPatternCopies, mend)
	}
	compiled, err := pattern.Compile(text)
	if err != nil {
		return err
	}
	if work := compiled.Work(); work > maxPatternWork {
		return fmt.Errorf("the pattern `%s` can be made slow by a text, %.1f places looked at for a character, at most %d are taken: %s",
			cut(text, maxShown), work, maxPatternWork, mend)
	}
	return nil
}

// extent is about how many places the program of an expression has, and how many copies its repeats make, of
// alternatives the most that one does. What is more than an int32 does not matter.
func extent(re *syntax.Regexp) (size, copies int) {
	size = 1
	if re.Op == syntax.OpLiteral {
		size = len(re.Rune)
	}
	for _, sub := range re.Sub {
		s, c := extent(sub)
		if size = min(size+s, math.MaxInt32); re.Op == syntax.OpAlternate {
			copies = max(copies, c)
		} else {
			copies = min(copies+c, math.MaxInt32)
		}
	}
	if re.Op != syntax.OpRepeat {
		return size, copies
	}
	n := max(re.Min, re.Max)
	if pattern.Counted(re) {
		n = re.Min // what must be there is copied, of a run nothing
		if re.Max < 0 {
			n = 0
		}
	}
	if n > 1 {
		copies = min(max(copies, 1)*n, math.MaxInt32)
	}
	return min(size*max(n, 1), math.MaxInt32), copies
}

// patternNeed is what a text must hold for a pattern to match: what match.Pattern derives, or, where
// that is nothing, what each alternative of the pattern needs by itself, as if they were joined by ||.
func patternNeed(text string) (match.Need, error) {
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
