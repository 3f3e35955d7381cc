package match

import (
	"testing"

	"pgregory.net/rapid"
)

// TestBegins holds the comparison of eight bytes at once against that of one.
func TestBegins(t *testing.T) {
	bytes := rapid.SliceOfN(rapid.SampledFrom([]byte("aAzZ@[`{\x80\xc1\xe1\xff")), 0, 30)
	rapid.Check(t, func(t *rapid.T) {
		text := string(bytes.Draw(t, "text"))
		literal := foldASCII(text)
		if rapid.Bool().Draw(t, "other") {
			n := rapid.IntRange(0, len(literal)).Draw(t, "same")
			literal = literal[:n] + foldASCII(string(bytes.Draw(t, "rest")))
		}
		want := 0
		for want < min(len(text), len(literal)) && fold[text[want]] == literal[want] {
			want++
		}
		if got := begins(text, literal); got != want {
			t.Fatalf("%q begins with %d bytes of %q, want %d", text, got, literal, want)
		}
	})
}
