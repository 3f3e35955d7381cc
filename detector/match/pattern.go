package match

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// Need is what every text holds that a regular expression matches.
type Need struct {
	// Literals are some of which one occurs, ASCII case folded; none where that is not known.
	Literals []string
	// Run occurs too, where N is not 0.
	Run Run
}

// Bounds of what is derived from one pattern.
const (
	maxLiterals = 64
	maxClass    = 16 // characters of a class that are tried one by one
	maxRun      = 1 << 12
	longRun     = 8  // a run as long as this is rare whatever its bytes
	fewBytes    = 16 // a run of as few different bytes is rare however short
)

// Pattern derives what a text must hold for an RE2 pattern to match it. It may only ever name
// what every match holds.
func Pattern(pattern string) (Need, error) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return Need{}, fmt.Errorf("reading the pattern %q: %w", pattern, err)
	}
	need := Need{Run: runOf(re)}
	if best := derive(re).best(); shortest(best) > 0 {
		need.Literals = best
	}
	if need.Run.N < longRun && need.Run.Bytes.len() > fewBytes {
		need.Run = Run{} // most texts hold it
	}
	if need.Run.N > 0 && shortest(need.Literals) < windowBytes {
		need.Literals = nil // the run is looked for faster, and as rare
	}
	return need, nil
}

// words is what is known of the texts that an expression matches.
type words struct {
	exact []string // all that it matches, where that is little; nil: unknown
	some  []string // one of these is in each match; nil: unknown
}

// best is the better of the two to look for.
func (w words) best() []string {
	if w.exact != nil && shortest(w.exact) >= shortest(w.some) {
		return w.exact
	}
	return w.some
}

func shortest(literals []string) int {
	if len(literals) == 0 {
		return 0
	}
	return len(slices.MinFunc(literals, func(a, b string) int { return len(a) - len(b) }))
}

func derive(re *syntax.Regexp) words {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return words{exact: []string{""}}
	case syntax.OpLiteral:
		return literalWords(re)
	case syntax.OpCharClass:
		return classWords(re.Rune)
	case syntax.OpCapture:
		return derive(re.Sub[0])
	case syntax.OpPlus:
		return words{some: derive(re.Sub[0]).best()}
	case syntax.OpRepeat:
		if re.Min > 0 {
			return words{some: derive(re.Sub[0]).best()}
		}
	case syntax.OpQuest:
		if sub := derive(re.Sub[0]); sub.exact != nil && len(sub.exact) < maxLiterals {
			return words{exact: union(sub.exact, []string{""})}
		}
	case syntax.OpConcat:
		return concatWords(re.Sub)
	case syntax.OpAlternate:
		return alternateWords(re.Sub)
	case syntax.OpNoMatch, syntax.OpAnyCharNotNL, syntax.OpAnyChar, syntax.OpStar:
	}
	return words{}
}

// literalWords splits a literal where case folding leaves ASCII: k and s are also the Kelvin
// sign and the long s.
func literalWords(re *syntax.Regexp) words {
	if re.Flags&syntax.FoldCase == 0 {
		return words{exact: []string{string(folded([]byte(string(re.Rune))))}}
	}
	c := concatenation{current: []string{""}, whole: true}
	for _, r := range re.Rune {
		c.add(classWords(folds(r)))
	}
	return c.words()
}

// folds are the ranges of a character and those that differ from it in case alone.
func folds(r rune) []rune {
	ranges := []rune{r, r}
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		ranges = append(ranges, f, f)
	}
	return ranges
}

// classWords are a small class's characters, ASCII case folded.
func classWords(ranges []rune) words {
	var all []string
	for i := 0; i < len(ranges); i += 2 {
		if ranges[i+1]-ranges[i] >= 2*maxClass {
			return words{}
		}
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			if !utf8.ValidRune(r) || r == utf8.RuneError {
				return words{} // it stands for bytes that are no UTF-8, too
			}
			all = append(all, string(folded([]byte(string(r)))))
		}
	}
	if all = union(all, nil); len(all) == 0 || len(all) > maxClass {
		return words{}
	}
	return words{exact: all}
}

func concatWords(subs []*syntax.Regexp) words {
	c := concatenation{current: []string{""}, whole: true}
	for _, sub := range subs {
		c.add(derive(sub))
	}
	return c.words()
}

// concatenation is expressions one after another.
type concatenation struct {
	current []string // all that the last of them match together
	best    []string // the best of what each match holds before
	whole   bool     // the current texts are all of the match
}

func (c *concatenation) add(next words) {
	if next.exact != nil && len(c.current)*len(next.exact) <= maxLiterals {
		crossed := make([]string, 0, len(c.current)*len(next.exact))
		for _, x := range c.current {
			for _, y := range next.exact {
				crossed = append(crossed, x+y)
			}
		}
		c.current = union(crossed, nil)
		return
	}
	c.best, c.whole = better(better(c.best, c.current), next.some), false
	if c.current = next.exact; c.current == nil {
		c.current = []string{""}
	}
}

func (c *concatenation) words() words {
	if c.whole {
		return words{exact: c.current}
	}
	return words{some: better(c.best, c.current)}
}

func better(a, b []string) []string {
	if shortest(b) > shortest(a) {
		return b
	}
	return a
}

func alternateWords(subs []*syntax.Regexp) words {
	w := derive(subs[0])
	for _, sub := range subs[1:] {
		s := derive(sub)
		var u words
		if w.exact != nil && s.exact != nil && len(w.exact)+len(s.exact) <= maxLiterals {
			u.exact = union(w.exact, s.exact)
		}
		if a, b := w.best(), s.best(); shortest(a) > 0 && shortest(b) > 0 && len(a)+len(b) <= maxLiterals {
			u.some = union(a, b)
		}
		w = u
	}
	return w
}

func union(a, b []string) []string {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}

// runOf is the longest run of bytes of one class that every match holds.
func runOf(re *syntax.Regexp) Run {
	switch re.Op {
	case syntax.OpCharClass:
		return classRun(re.Rune)
	case syntax.OpCapture, syntax.OpPlus:
		return runOf(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min == 0 {
			return Run{}
		}
		return repeated(re.Sub[0], re.Min)
	case syntax.OpConcat:
		return concatRun(re.Sub)
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary,
		syntax.OpNoWordBoundary, syntax.OpNoMatch, syntax.OpLiteral, syntax.OpAnyCharNotNL, syntax.OpAnyChar, syntax.OpStar,
		syntax.OpQuest, syntax.OpAlternate:
	}
	return Run{}
}

// concatRun adds up the same class where it follows itself: Simplify writes x{3} as xxx.
func concatRun(subs []*syntax.Regexp) Run {
	var best, current Run
	for _, sub := range subs {
		r := runOf(sub)
		if sub.Op == syntax.OpCharClass && r.N > 0 && r.Bytes == current.Bytes && r.Bytes.isASCII() {
			current.N = min(current.N+1, maxRun)
		} else if current = r; sub.Op != syntax.OpCharClass {
			best = longer(best, r)
			current = Run{}
		}
		best = longer(best, current)
	}
	return best
}

func repeated(sub *syntax.Regexp, least int) Run {
	r := runOf(sub)
	if sub.Op == syntax.OpCharClass && r.N > 0 && r.Bytes.isASCII() {
		r.N = min(least, maxRun)
	}
	return r
}

// longer is the run that is rarer: the longer one, or that of the smaller set.
func longer(a, b Run) Run {
	if b.N > a.N {
		return b
	}
	return a
}

// classRun is one byte of a class. Of characters beyond ASCII it is the first byte, so that
// several do not make a run.
func classRun(ranges []rune) Run {
	r := Run{N: 1}
	ascii := true
	for i := 0; i < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		if lo <= utf8.RuneError && utf8.RuneError <= hi {
			return Run{} // it stands for bytes that are no UTF-8, too
		}
		ascii = ascii && hi < utf8.RuneSelf
		for c := lo; c <= min(hi, utf8.RuneSelf-1); c++ {
			r.Bytes.add(byte(c))
		}
		if hi >= utf8.RuneSelf {
			for c := int(firstByte(max(lo, utf8.RuneSelf))); c <= int(firstByte(hi)); c++ {
				r.Bytes.add(byte(c))
			}
		}
	}
	return r
}

func firstByte(r rune) byte {
	var b [utf8.UTFMax]byte
	utf8.EncodeRune(b[:], r)
	return b[0]
}
