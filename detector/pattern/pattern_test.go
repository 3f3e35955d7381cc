package pattern

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestAgreesWithGo holds random patterns and texts against Go's regexp.
func TestAgreesWithGo(t *testing.T) {
	atoms := []string{
		"a", "b", "ab", "[ab]", "[^a]", ".", `\w`, "é", "(?i:k)", `\b`, `\B`, "^", "$", "(?m:^)", "(?m:$)", `\n`,
		"[^.]{0,4}", ".{0,5}", "[ab]{1,6}", "a{2,6}", "[ab]{2,7}?", "(?s:.{0,4})", "[^b]{4,}", "[ab]{5,}?", ".{4,}", "b{2}", `\z`,
	}
	var expression func(t *rapid.T, depth int) string
	expression = func(t *rapid.T, depth int) string {
		var b strings.Builder
		for range rapid.IntRange(1, 4).Draw(t, "parts") {
			if depth == 0 || rapid.IntRange(0, 2).Draw(t, "nested") > 0 {
				b.WriteString(rapid.SampledFrom(atoms).Draw(t, "atom"))
				continue
			}
			b.WriteString("(" + expression(t, depth-1) + "|" + expression(t, depth-1) + ")" +
				rapid.SampledFrom([]string{"", "", "*", "+", "?", "{2}", "{0,3}", "{2,3}"}).Draw(t, "repeat"))
		}
		return b.String()
	}
	rapid.Check(t, func(t *rapid.T) {
		source := expression(t, 2)
		p, err := Compile(source)
		if err != nil {
			t.Fatal(err)
		}
		want := regexp.MustCompile(source)
		for range 20 {
			text := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "a", "b", ".", "\n", "é", "K", "\xff", "k", " "}), 0, 24).Draw(t, "text"), "")
			if got := p.Match(text); got != want.MatchString(text) {
				t.Fatalf("%q in %q: %v", source, text, got)
			}
		}
	})
}
