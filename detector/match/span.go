package match

import (
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// span is what is known of the bytes of a set that follow one another in the matches of an
// expression. Each number is a least one, of bytes, and at most maxRun.
type span struct {
	whole bool // all bytes of every match are of the set
	len   int  // where whole, how many there are
	head  int  // how many a match begins with
	tail  int  // how many it ends with
	best  int  // how many follow one another somewhere in it
}

const (
	maxRun  = 1 << 12
	maxSets = 16 // sets of one pattern that are tried
)

func wholly(n int) span {
	n = min(n, maxRun)
	return span{whole: true, len: n, head: n, tail: n, best: n}
}

// everything is the set of all bytes, of which every text is a run.
var everything = Set{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}

// setsOf adds the sets that a run of an expression may be of: those of its classes and single
// characters, and of parts that are made of these. It returns the set of the whole expression, which
// is everything where there are words in it: they are literals, to be looked for themselves.
func setsOf(re *syntax.Regexp, sets []Set) (all Set, added []Set) {
	switch {
	case re.Op == syntax.OpCharClass:
		all = firstBytes(re.Rune)
	case re.Op == syntax.OpLiteral && len(re.Rune) == 1:
		all = firstBytes(caseless(re, re.Rune[0]))
	case re.Op == syntax.OpLiteral:
		all = everything
	}
	for _, sub := range re.Sub {
		var set Set
		set, sets = setsOf(sub, sets)
		all = all.or(set)
	}
	if all != (Set{}) && all != everything && len(sets) < maxSets && !slices.Contains(sets, all) {
		sets = append(sets, all)
	}
	return all, sets
}

func spanOf(re *syntax.Regexp, set *Set) span {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return wholly(0)
	case syntax.OpLiteral:
		s := wholly(0)
		for _, r := range re.Rune {
			s = s.then(spanOfClass(caseless(re, r), set))
		}
		return s
	case syntax.OpCharClass:
		return spanOfClass(re.Rune, set)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL: // nearly the same for our purpose
		return spanOfClass([]rune{0, utf8.MaxRune}, set)
	case syntax.OpCapture:
		return spanOf(re.Sub[0], set)
	case syntax.OpConcat:
		s := wholly(0)
		for _, sub := range re.Sub {
			s = s.then(spanOf(sub, set))
		}
		return s
	case syntax.OpAlternate:
		s := spanOf(re.Sub[0], set)
		for _, sub := range re.Sub[1:] {
			s = s.or(spanOf(sub, set))
		}
		return s
	case syntax.OpStar, syntax.OpQuest:
		return spanOf(re.Sub[0], set).or(wholly(0))
	case syntax.OpPlus:
		return spanOf(re.Sub[0], set)
	case syntax.OpRepeat:
		sub := spanOf(re.Sub[0], set)
		if re.Min == 0 {
			return sub.or(wholly(0))
		}
		s := sub
		for range re.Min - 1 {
			s = s.then(sub)
		}
		return s
	case syntax.OpNoMatch:
	}
	return span{}
}

// then is a match of one expression and behind it one of another.
func (s span) then(next span) span {
	if s.whole && next.whole {
		return wholly(s.len + next.len)
	}
	joined := span{head: s.head, tail: next.tail, best: max(s.best, next.best, s.tail+next.head)}
	if s.whole {
		joined.head = s.len + next.head
	}
	if next.whole {
		joined.tail = s.tail + next.len
	}
	joined.head, joined.tail, joined.best = min(joined.head, maxRun), min(joined.tail, maxRun), min(joined.best, maxRun)
	return joined
}

// or is a match of one expression or of another.
func (s span) or(other span) span {
	return span{
		whole: s.whole && other.whole,
		len:   min(s.len, other.len),
		head:  min(s.head, other.head),
		tail:  min(s.tail, other.tail),
		best:  min(s.best, other.best),
	}
}

// spanOfClass is one character. Of one beyond ASCII the first byte is known, and that others follow
// which are of no other use.
func spanOfClass(ranges []rune, set *Set) span {
	first := firstBytes(ranges)
	if !first.within(set) {
		return span{}
	}
	beyond := first[2]|first[3] != 0
	var following Set
	following.addRange(0x80, 0xbf)
	if !beyond || following.within(set) {
		return wholly(1)
	}
	return span{head: 1, best: 1}
}

// firstBytes are those that the encodings of a class begin with. Where it has U+FFFD, which stands for
// bytes that are no UTF-8 too, these are all beyond ASCII.
func firstBytes(ranges []rune) Set {
	var s Set
	for i := 0; i < len(ranges); i += 2 {
		from, to := ranges[i], ranges[i+1]
		if from < utf8.RuneSelf {
			s.addRange(byte(from), byte(min(to, utf8.RuneSelf-1)))
		}
		if to >= utf8.RuneSelf {
			s.addRange(firstByte(max(from, utf8.RuneSelf)), firstByte(to))
		}
		if from <= utf8.RuneError && utf8.RuneError <= to {
			s.addRange(utf8.RuneSelf, 0xff)
		}
	}
	return s
}

// firstByte is the first byte of the encoding of a character beyond ASCII. It grows with the character,
// as that of utf8.EncodeRune does not where halves of surrogate pairs are.
func firstByte(r rune) byte {
	switch {
	case r < 0x800:
		return 0xc0 | byte(r>>6)
	case r < 0x10000:
		return 0xe0 | byte(r>>12)
	default:
		return 0xf0 | byte(r>>18)
	}
}
