package rule

import (
	"strings"
	"testing"

	"github.com/google/cel-go/common/types"
	"pgregory.net/rapid"
)

// TestLoweredIsLowerASCII holds our lowerAscii against what CEL's is defined to do, also of bytes that
// are no text.
func TestLoweredIsLowerASCII(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.SampledFrom([]byte("aAzZ@[É\xc3\x89\xff\xed\xa0\x80"))).Draw(t, "text"))
		want := strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				return r + 'a' - 'A'
			}
			return r
		}, text)
		if got := lowered(text); got != types.String(want) {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	})
}
