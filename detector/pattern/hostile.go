package pattern

import (
	"math/rand/v2"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// What Work tries a pattern with.
const (
	hostileTexts = 8
	hostileBytes = 32 << 10
	fewWords     = 8
)

// Work is how many places of its program the pattern has looked at for a character of the worst of its hostile
// texts, once it has seen half of that text. A pattern that comes to few states makes them in the first half
// and comes to about zero; one whose states do not end, as of [ab]a[ab]{30}, makes a new one at nearly each
// character, for as many places as it can be in. The same pattern gives the same figure.
func (p *Pattern) Work() float64 {
	c := newCache(p)
	var worst float64
	for _, text := range p.Hostile(hostileTexts, hostileBytes) {
		half := len(text) / 2 //nolint:mnd // what is cut in two is as good
		c.roam(text[:half])
		before := c.work
		c.roam(text[half:])
		worst = max(worst, float64(c.work-before)/float64(utf8.RuneCountInString(text[half:])))
	}
	return worst
}

// Hostile makes that many texts of at least so many bytes out of the pattern's own literals, as an attacker would
// who knows it: of all of them, and of a few. They are the same each time.
func (p *Pattern) Hostile(texts, size int) []string {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	var all []string
	for i := range texts {
		pool := append([]string{" ", ".", "a", "\n"}, p.words...)
		if i%2 == 1 {
			pool = pool[:i%4/2]
			for range 2 + random.IntN(fewWords) {
				pool = append(pool, p.words[random.IntN(len(p.words))])
			}
		}
		var text strings.Builder
		for text.Len() < size {
			text.WriteString(pool[random.IntN(len(pool))])
		}
		all = append(all, text.String())
	}
	return all
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
