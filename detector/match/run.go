package match

import (
	"math/bits"
	"strings"
)

// Run is a number of bytes of a set that follow one another. It is comparable.
type Run struct {
	Bytes Set
	N     int // 0 is no run: every text holds it
}

// Set is a set of bytes: byte c is bit c%64 of word c/64.
type Set [4]uint64

// Has reports whether a byte is in the set.
func (s *Set) Has(c byte) bool { return s[c>>6]>>(c&63)&1 != 0 }

// Len is the number of bytes in the set.
func (s *Set) Len() int {
	n := 0
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

// addRange adds the bytes from one to another.
func (s *Set) addRange(from, to byte) {
	for c := int(from); c <= int(to); c++ {
		s[c>>6] |= 1 << (c & 63)
	}
}

// or is the set with those of another.
func (s Set) or(other Set) Set {
	for i, word := range other {
		s[i] |= word
	}
	return s
}

// within reports whether all bytes of the set are in another one.
func (s *Set) within(other *Set) bool {
	return s[0]&^other[0]|s[1]&^other[1]|s[2]&^other[2]|s[3]&^other[3] == 0
}

// few is how many bytes are searched for one by one, by vector instructions.
const few = 4

// In reports whether the text holds the run, in linear time. Of n bytes that follow one another one is
// in a place before a multiple of n: only every n-th byte is looked at, and those around it where it
// is in the set.
func (r *Run) In(text string) bool {
	if r.N <= 0 {
		return true
	}
	if r.N == 1 && r.Bytes.Len() <= few {
		return r.Bytes.anyIn(text)
	}
	for at := r.N - 1; at < len(text); at += r.N {
		if !r.Bytes.Has(text[at]) {
			continue
		}
		begin, end := at, at+1
		for begin > at+1-r.N && r.Bytes.Has(text[begin-1]) {
			begin--
		}
		for end < len(text) && end-begin < r.N && r.Bytes.Has(text[end]) {
			end++
		}
		if end-begin >= r.N {
			return true
		}
		at = end // not in the set: the run begins behind it
	}
	return false
}

func (s *Set) anyIn(text string) bool {
	for i, word := range s {
		for ; word != 0; word &= word - 1 {
			if strings.IndexByte(text, byte(i<<6+bits.TrailingZeros64(word))) >= 0 {
				return true
			}
		}
	}
	return false
}
