package pattern

import (
	"fmt"
	"math"
	"regexp/syntax"
)

// Bounds of a pattern: how many places its program has; how many copies its repeats make of what is not counted,
// for each may make the places that a text can be in at once twice as many; and how many of them it may look at
// for a character of a hostile text (see Work), of which 2 are about 50 ns.
const (
	maxSize   = 5000
	maxCopies = 64
	maxWork   = 2
)

// Bounded refuses a pattern that is too large, or that a text can make slow: the error goes on from "the pattern".
// One that cannot be read is for Compile to refuse.
func Bounded(text string) error {
	const mend = "repeat one class, such as [^.]{0,80} or [a-z]{8,}, which is counted, not a group or exactly so often; or write several patterns"
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil //nolint:nilerr // compiling it says what is wrong, and where
	}
	size, copies := extent(re)
	switch {
	case size > maxSize:
		return fmt.Errorf("has about %d places, at most %d are taken: %s", size, maxSize, mend)
	case copies > maxCopies:
		return fmt.Errorf("copies what it repeats up to %d times, at most %d are taken: %s", copies, maxCopies, mend)
	}
	compiled, err := Compile(text)
	if err != nil {
		return err
	}
	if work := compiled.Work(); work > maxWork {
		return fmt.Errorf("can be made slow by a text, %.1f places looked at for a character, at most %d are taken: %s", work, maxWork, mend)
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
	if counts(re) {
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
