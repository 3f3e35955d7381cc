// Package content says what a text holds: its normal form, what is encoded in it,
// characters a person cannot see, secrets, URLs, addresses and paths.
//
// Every function is pure and total: any string is accepted, valid UTF-8 or not,
// the same string always gives the same answer, and the time taken grows
// linearly with the text's length (regular expressions are RE2, scans go
// forward only). Nothing here has state; all of it is safe for concurrent use.
// Lists are bounded: each function says by how much.
//
// The texts are written by whoever runs an MCP server or steers an agent, so
// each function is written against somebody who has read it.
package content

import (
	"math"
	"unicode/utf8"
)

// Bound returns text where it is no longer than head and tail bytes together, and
// otherwise its first head and last tail bytes joined by a newline, with how many bytes
// were left out between them. It cuts before a character, never inside: up to three bytes
// more on either side are left out. Sizes below zero count as zero.
func Bound(text string, head, tail int) (string, int) {
	head, tail = max(head, 0), max(tail, 0)
	if len(text)-head <= tail {
		return text, 0
	}
	first, last := cutBefore(text, head), cutAfter(text, len(text)-tail)
	return text[:first] + "\n" + text[last:], last - first
}

// cutBefore returns the largest offset up to i at which no character is split.
func cutBefore(s string, i int) int {
	for n := 0; n < utf8.UTFMax-1 && 0 < i && i < len(s) && !utf8.RuneStart(s[i]); n++ {
		i--
	}
	return i
}

// cutAfter returns the smallest offset from i at which no character is split.
func cutAfter(s string, i int) int {
	for n := 0; n < utf8.UTFMax-1 && i < len(s) && !utf8.RuneStart(s[i]); n++ {
		i++
	}
	return i
}

// Entropy is Shannon's (A Mathematical Theory of Communication, 1948) of the bytes of
// text, in bits for each byte: 0 for one byte repeated or no text, 8 for all bytes in
// equal parts. English has about 4.2, base64 of random bytes close to 6. A short text
// cannot have more than the logarithm of its length.
func Entropy(text string) float64 {
	var counts [256]int
	for i := range len(text) {
		counts[text[i]]++
	}
	e, n := 0.0, float64(len(text))
	for _, c := range counts {
		if c > 0 {
			p := float64(c) / n
			e -= p * math.Log2(p)
		}
	}
	return e
}
