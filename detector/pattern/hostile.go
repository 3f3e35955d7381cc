package pattern

import (
	"math/rand/v2"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// What Work tries a pattern with. Literals are of the pattern, so an attacker's texts are among theirs.
const (
	hostileTexts = 16
	hostileBytes = 32 << 10
	fewWords     = 8
)

// Work is how many places of its program the pattern has looked at for a character of the worst of some texts
// made of its own literals, once it has seen half of that text. A pattern that comes to few states makes them
// in the first half and comes to about zero; one whose states do not end, as of [ab]a[ab]{30}, makes a new one
// at nearly each character, for as many places as it can be in. The same pattern gives the same figure.
func (p *Pattern) Work() float64 {
	c := newCache(p)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	var worst float64
	for i := range hostileTexts {
		pool := append([]string{" ", ".", "a", "\n"}, p.words...)
		if i%2 == 1 {
			pool = pool[:i%4/2]
			for range 2 + random.IntN(fewWords) {
				pool = append(pool, p.words[random.IntN(len(p.words))])
			}
		}
		first, second := hostile(pool, random), hostile(pool, random)
		c.roam(first)
		before := c.work
		c.roam(second)
		worst = max(worst, float64(c.work-before)/float64(utf8.RuneCountInString(second)))
	}
	return worst
}

func hostile(pool []string, random *rand.Rand) string {
	var text strings.Builder
	for text.Len() < hostileBytes/2 {
		text.WriteString(pool[random.IntN(len(pool))])
	}
	return text.String()
}

// roam reads all of a text, whatever matches.
func (c *cache) roam(text string) {
	for text != "" {
		end := c.find(text)
		if end < 0 {
			return
		}
		_, least := utf8.DecodeRuneInString(text)
		text = text[max(end, least):]
	}
}

// wordsOf are the literals of a pattern, and two characters of each class.
func wordsOf(tree *syntax.Regexp) []string {
	words := []string{"x"} // of a pattern that has none
	var walk func(*syntax.Regexp)
	walk = func(re *syntax.Regexp) {
		switch {
		case re.Op == syntax.OpLiteral:
			words = append(words, string(re.Rune))
		case re.Op == syntax.OpCharClass && len(re.Rune) > 0:
			words = append(words, string(re.Rune[0]), string(re.Rune[len(re.Rune)-1]))
		}
		for _, sub := range re.Sub {
			walk(sub)
		}
	}
	walk(tree)
	return words
}
