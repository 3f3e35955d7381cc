package content

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func TestStaysAsItIs(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !staysAsItIs(r) {
			continue
		}
		p := norm.NFKC.PropertiesString(string(r))
		if r < utf8.RuneSelf || isSpace(r) || isInvisible(r) || toLower(r) != r || !norm.NFKC.IsNormalString(string(r)) || !p.BoundaryBefore() {
			t.Errorf("%U does not", r)
		}
	}
}

// However much a character expands, the result is bounded, and still in normal form.
func TestNormalizeIsBounded(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		p := norm.NFKC.PropertiesString(string(r))
		if len(p.Decomposition()) <= utf8.RuneLen(r) && utf8.RuneLen(unicode.ToLower(r)) <= utf8.RuneLen(r) && p.LeadCCC() == 0 {
			continue // TestNormalizeEveryCharacter has them
		}
		for _, n := range []int{1, 100} {
			s := strings.Repeat(string(r), n)
			got := Normalize(s)
			if len(got) > 2*len(s)+slack {
				t.Fatalf("%d times %U: %d bytes of %d", n, r, len(got), len(s))
			}
			if Normalize(got) != got {
				t.Fatalf("%d times %U: %q is not in normal form", n, r, got)
			}
		}
	}
}
