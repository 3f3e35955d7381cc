package match

import (
	"math/bits"
	"strings"
)

// Run is a number of bytes of a set that follow one another. It is comparable.
type Run struct {
	Bytes Set
	N     int // 0: no run
}

// Set is a set of bytes.
type Set [4]uint64

// Has reports whether a byte is in the set.
func (s *Set) Has(c byte) bool { return s[c>>6]>>(c&63)&1 != 0 }

func (s *Set) add(c byte) { s[c>>6] |= 1 << (c & 63) }

func (s *Set) len() int {
	n := 0
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

// isASCII reports whether no byte of the set is beyond ASCII.
func (s *Set) isASCII() bool { return s[2] == 0 && s[3] == 0 }

// In reports whether the text holds the run. Of a run of n bytes one lies at a multiple of n, so
// only every n-th byte is looked at, and its neighbours where it is in the set.
func (r *Run) In(text string) bool {
	n := r.N
	if n <= 0 {
		return true
	}
	if n == 1 && r.Bytes.len() <= fewSearches {
		return r.Bytes.oneIn(text)
	}
	for i := n - 1; i < len(text); i += n {
		if !r.Bytes.Has(text[i]) {
			continue
		}
		begin := i
		for begin > 0 && begin > i-n+1 && r.Bytes.Has(text[begin-1]) {
			begin--
		}
		end := i + 1
		for end < len(text) && end-begin < n && r.Bytes.Has(text[end]) {
			end++
		}
		if end-begin >= n {
			return true
		}
	}
	return false
}

// fewSearches is how many bytes are searched for one by one: that is fast, and done in vectors.
const fewSearches = 4

func (s *Set) oneIn(text string) bool {
	for at, word := range s {
		for ; word != 0; word &= word - 1 {
			if strings.IndexByte(text, byte(at<<6+bits.TrailingZeros64(word))) >= 0 {
				return true
			}
		}
	}
	return false
}
