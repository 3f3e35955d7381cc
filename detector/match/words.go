package match

import (
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// words is what is known of the texts that an expression matches, ASCII case folded. Each list is
// sorted and of at most maxWords words of at most maxWord bytes.
type words struct {
	exact []string // every match is one of these; nil where that is not known
	head  []string // every match begins with one of these; perhaps with "" only
	tail  []string // every match ends with one of these
	some  []string // every match holds one of these, none empty; nil where none are known
}

const (
	maxWords = 64
	maxWord  = 64
	maxClass = 16 // characters of a class that are taken one by one
	enough   = 8  // bytes of a literal: more hardly make it rarer
)

func exactly(all ...string) words {
	w := words{exact: all, head: all, tail: all}
	if shortest(all) > 0 {
		w.some = all
	}
	return w
}

// anything is what is known of any text.
func anything() words { return words{head: []string{""}, tail: []string{""}} }

func wordsOf(re *syntax.Regexp) words {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return exactly("")
	case syntax.OpLiteral:
		w := exactly("")
		for _, r := range re.Rune {
			w = then(w, wordsOfClass(caseless(re, r)))
		}
		return w
	case syntax.OpCharClass:
		return wordsOfClass(re.Rune)
	case syntax.OpCapture:
		return wordsOf(re.Sub[0])
	case syntax.OpConcat:
		w := exactly("")
		for _, sub := range re.Sub {
			w = then(w, wordsOf(sub))
		}
		return w
	case syntax.OpAlternate:
		w := wordsOf(re.Sub[0])
		for _, sub := range re.Sub[1:] {
			w = either(w, wordsOf(sub))
		}
		return w
	case syntax.OpQuest:
		return either(wordsOf(re.Sub[0]), exactly(""))
	case syntax.OpPlus:
		return repeated(wordsOf(re.Sub[0]), 1, false)
	case syntax.OpRepeat:
		if re.Min > 0 {
			return repeated(wordsOf(re.Sub[0]), re.Min, re.Min == re.Max)
		}
	case syntax.OpNoMatch, syntax.OpAnyCharNotNL, syntax.OpAnyChar, syntax.OpStar:
	}
	return anything()
}

// caseless is the class of a literal's character: itself, and where the literal is for any case
// those that differ in case alone. Of k and s these are beyond ASCII, too: the sign of the Kelvin and
// the long s.
func caseless(literal *syntax.Regexp, r rune) []rune {
	class := []rune{r, r}
	if literal.Flags&syntax.FoldCase != 0 {
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			class = append(class, f, f)
		}
	}
	return class
}

// wordsOfClass takes a small class character by character. A class that has U+FFFD matches bytes that
// are no UTF-8, and nothing is known of them.
func wordsOfClass(ranges []rune) words {
	var all []string
	for i := 0; i < len(ranges); i += 2 {
		from, to := ranges[i], ranges[i+1]
		if to-from >= 2*maxClass { // both cases of letters
			return anything()
		}
		for r := from; r <= to; r++ {
			if r == utf8.RuneError || !utf8.ValidRune(r) {
				return anything()
			}
			all = append(all, foldASCII(string(r)))
		}
	}
	if all = union(all, nil); len(all) == 0 || len(all) > maxClass {
		return anything()
	}
	return exactly(all...)
}

// then is a match of one expression and behind it one of another.
func then(a, b words) words {
	w := words{head: a.head, tail: b.tail, some: better(better(a.some, b.some), cross(a.tail, b.head))}
	if a.exact != nil {
		w.exact = cross(a.exact, b.exact)
		if heads := cross(a.exact, b.head); heads != nil {
			w.head = heads
		}
	}
	if b.exact != nil {
		if tails := cross(a.tail, b.exact); tails != nil {
			w.tail = tails
		}
	}
	return w
}

// either is a match of one expression or of another.
func either(a, b words) words {
	w := anything()
	if a.exact != nil && b.exact != nil {
		w.exact = bounded(union(a.exact, b.exact))
	}
	if heads := bounded(union(a.head, b.head)); heads != nil {
		w.head = heads
	}
	if tails := bounded(union(a.tail, b.tail)); tails != nil {
		w.tail = tails
	}
	if a.some != nil && b.some != nil {
		w.some = bounded(union(a.some, b.some))
	}
	return w
}

// repeated is as many matches of an expression, or exactly as many.
func repeated(sub words, least int, exact bool) words {
	taken := min(least, maxWord) // words get no longer
	w := sub
	for range taken - 1 {
		w = then(w, sub)
	}
	if !exact || taken < least {
		w.exact = nil
	}
	return w
}

// cross is every word of one list with every one of another behind it, or nil where these are too
// many, too long or not known.
func cross(a, b []string) []string {
	if len(a)*len(b) > maxWords {
		return nil
	}
	crossed := make([]string, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			if len(x)+len(y) > maxWord {
				return nil
			}
			crossed = append(crossed, x+y)
		}
	}
	return union(crossed, nil)
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func bounded(all []string) []string {
	if len(all) > maxWords {
		return nil
	}
	return all
}

// better is the better list to look for: the one whose shortest word is longer, up to what is enough,
// then the one of fewer words, then of longer ones.
func better(a, b []string) []string {
	x, y := shortest(a), shortest(b)
	if x == 0 && y == 0 {
		return nil
	}
	if m, n := min(x, enough), min(y, enough); m != n {
		if m > n {
			return a
		}
		return b
	}
	if len(a) < len(b) || len(a) == len(b) && x > y {
		return a
	}
	return b
}

// shortest is the length of the shortest word, 0 where there is none.
func shortest(all []string) int {
	if len(all) == 0 {
		return 0
	}
	return len(slices.MinFunc(all, func(a, b string) int { return len(a) - len(b) }))
}
