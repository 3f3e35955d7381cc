package match

import (
	"fmt"
	"math"
	"regexp/syntax"
	"slices"
	"strings"
)

// Need is what every text holds that a regular expression matches. Where both are known, a text
// must hold both.
type Need struct {
	// Literals are some of which one occurs, ASCII case folded, at most 64; none where none are known that
	// usual texts do not hold anyway.
	Literals []string
	// Run occurs, if its N is not 0. It speaks of the text as it is, not folded.
	Run Run
}

// The rarity of something is the logarithm, to the base 2, of how many places of a usual text it is
// in one of.
const (
	// rareEnough is the rarity from which on something is worth looking for: a digit is not.
	rareEnough = 7
	// searched is how long literals are that are looked for as fast as a run.
	searched = 4
)

// Pattern derives what a text must hold for a pattern in the syntax of RE2 to match somewhere in it.
// What it names is held by every match, in texts that are no UTF-8 too, where Go's regexp takes each
// wrong byte for U+FFFD. The error says why a pattern cannot be read.
func Pattern(pattern string) (Need, error) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return Need{}, fmt.Errorf("reading the pattern %q: %w", pattern, err)
	}
	literals, rarity := literalsOf(re)
	run, runRarity := runOf(re)
	switch {
	case runRarity > rarity && shortest(literals) < searched:
		literals = nil // the run is looked for faster, too
	case len(literals) > 0 && run.N == 1:
		run = Run{} // one byte adds little
	}
	return Need{Literals: literals, Run: run}, nil
}

// literalsOf are the literals of which every match holds one, and how rare they are together.
func literalsOf(re *syntax.Regexp) (literals []string, rarity float64) {
	all := wordsOf(re).some
	chance := 0.0
	for _, l := range all {
		if slices.ContainsFunc(all, func(part string) bool { return part != l && strings.Contains(l, part) }) {
			continue // what holds it holds the part
		}
		literals = append(literals, l)
		chance += usual().chanceOf(l)
	}
	if rarity = -math.Log2(chance); len(literals) == 0 || rarity < rareEnough {
		return nil, 0
	}
	return literals, rarity
}

// runOf is the rarest run of which every match holds one, and how rare it is, taking one byte to say
// nothing of the next.
func runOf(re *syntax.Regexp) (best Run, rarity float64) {
	_, sets := setsOf(re, nil)
	for _, set := range sets {
		n := spanOf(re, &set).best
		if r := -math.Log2(usual().share(&set)) * float64(n); r >= rareEnough && r > rarity {
			best, rarity = Run{Bytes: set, N: n}, r
		}
	}
	return best, rarity
}
