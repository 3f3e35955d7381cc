// Package content says what a text holds: its normal form, what is encoded in it,
// characters a person cannot see, secrets, URLs, addresses and paths.
//
// Every function is pure and total: any string is accepted, valid UTF-8 or not,
// the same string always gives the same answer, and the time taken grows
// linearly with the text's length. All of it is safe for concurrent use. Lists are
// bounded: each function says by how much.
//
// The texts are written by whoever runs an MCP server or steers an agent, so
// each function is written against somebody who has read it.
package content

import (
	"math"
	"unicode/utf8"
)

// cutBefore returns the largest offset up to i at which no character is split.
func cutBefore(s string, i int) int {
	for n := 0; n < utf8.UTFMax-1 && 0 < i && i < len(s) && !utf8.RuneStart(s[i]); n++ {
		i--
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
	sum := 0.0 // of count times its logarithm
	if len(text) < len(counts) {
		for i := range len(text) {
			sum += countLog(counts[text[i]])
			counts[text[i]] = 0
		}
	} else {
		for _, n := range counts {
			sum += countLog(n)
		}
	}
	if text == "" {
		return 0
	}
	return max(0, math.Log2(float64(len(text)))-sum/float64(len(text)))
}

func countLog(n int) float64 {
	if n < 2 {
		return 0
	}
	return float64(n) * math.Log2(float64(n))
}
