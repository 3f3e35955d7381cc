package rule

import (
	"fmt"
	"math"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"

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

// Bounds of a pattern: how many steps of bytes it compiles to, and how many copies its counted repeats
// are of what they repeat, the one that it begins with aside. An automaton of more would not fit into its
// memory on a hostile text, and the engine would go on without, a thousand times slower. It can already come to
// that from 200 copies on, where what is repeated overlaps what is before it, as in [ab]a[ab]{200}.
const (
	maxPatternSize = 10_000
	maxCopies      = 800
)

// boundPattern refuses a pattern that is too large. One that cannot be read is for others to refuse.
func boundPattern(pattern string) error {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil //nolint:nilerr // compiling it says what is wrong, and where
	}
	size, copies := extent(re)
	if first := begins(re); first != nil {
		_, own := extent(first)
		copies -= own
	}
	switch {
	case size > maxPatternSize:
		return fmt.Errorf("the pattern `%s` compiles to about %d steps, at most %d are taken: repeat less, or smaller classes than \\pL", cut(pattern, maxShown), size, maxPatternSize)
	case copies > maxCopies:
		return fmt.Errorf("the pattern `%s` repeats what is not at its beginning up to %d times, at most %d are taken: use * or +, or smaller counts", cut(pattern, maxShown), copies, maxCopies)
	}
	return nil
}

// extent is about how many steps of bytes an expression compiles to, and how many copies its counted
// repeats make, of alternatives the most that one does. What is more than an int32 does not matter.
func extent(re *syntax.Regexp) (size, copies int) {
	for _, sub := range re.Sub {
		s, c := extent(sub)
		if size = min(size+s, math.MaxInt32); re.Op == syntax.OpAlternate {
			copies = max(copies, c)
		} else {
			copies = min(copies+c, math.MaxInt32)
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		size = len(string(re.Rune))
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			if size++; re.Rune[i+1] >= utf8.RuneSelf {
				size += 2 // a range beyond ASCII is about three of bytes
			}
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		size = 10
	case syntax.OpRepeat:
		n := max(re.Min, re.Max, 1)
		size = min(size*n, math.MaxInt32)
		if n > 1 {
			copies = min(max(copies, 1)*n, math.MaxInt32)
		}
	default:
		size++
	}
	return size, copies
}

// begins is the counted repeat of a class or character that a pattern begins with: it is in one place of each
// count at most, however a text goes on.
func begins(re *syntax.Regexp) *syntax.Regexp {
	for (re.Op == syntax.OpConcat || re.Op == syntax.OpCapture) && len(re.Sub) > 0 {
		re = re.Sub[0]
	}
	if re.Op == syntax.OpRepeat && len(re.Sub[0].Sub) == 0 {
		return re
	}
	return nil
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
