package content

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// normalizePlainly says what Normalize does without its tables and short cuts, as long as
// no bound is met.
func normalizePlainly(s string) string {
	for {
		folded := norm.NFKC.String(foldPlainly(s))
		if folded == s {
			return s
		}
		s = folded
	}
}

func foldPlainly(s string) string {
	var words []string
	word, invalid := "", false
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		wasInvalid := invalid
		invalid = r == utf8.RuneError && size == 1
		switch {
		case r == '\x1b' || r == '\u009b':
			size = escapeLen(s[i:])
		case isSpace(r):
			words, word = append(words, word), ""
		case isInvisible(r), invalid && wasInvalid:
		default:
			word += string(toLower(r))
		}
		i += size
	}
	return strings.Join(strings.Fields(strings.Join(append(words, word), " ")), " ")
}

func TestNormalizeIsWhatItIsPlainly(t *testing.T) {
	letter := rapid.OneOf(
		rapid.SampledFrom([]rune("aZ  \t\n\u00a0\u3000.0éÉßςΣяЯ漢カｶﾞ한한각Ａ①ﬃ㍿…İẞKÅ\u212b𝐀😀ไทน้ำक्षि\u0301\u0323\u0345\u0344\u200b\u200d\ufeff\u034f\u00ad\u1160\U000e0061\u2800\x00\x1b[]m;\u009b\u00b4\u0f73\u0958\ufb2a\U0001d15e")),
		rapid.Rune(),
	)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(letter, 0, 8, -1).Draw(t, "text") // no more marks in a row than stay
		s += rapid.SampledFrom([]string{"", "\xff", "\xff\xfea", " \xe3\x81"}).Draw(t, "end")
		want := normalizePlainly(s)
		if len(want) > slack {
			return
		}
		if got := Normalize(s); got != want {
			t.Fatalf("Normalize(%+q) = %+q, plainly %+q", s, got, want)
		}
	})
}

// Every character, alone and after a letter. Those from tableEnd on are all alike, but for tags.
func TestNormalizeEveryCharacterPlainly(t *testing.T) {
	for r := rune(0); r <= 0xe0fff; r++ {
		if r == tableEnd {
			r = 0xe0000
		}
		for _, s := range []string{string(r), "A" + string(r)} {
			if got, want := Normalize(s), normalizePlainly(s); got != want {
				t.Fatalf("Normalize(%+q) = %+q, plainly %+q", s, got, want)
			}
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

// So it is where more is combined than a text may have.
func TestNormalizeCombinesSoMany(t *testing.T) {
	for _, s := range []string{"e\u0301", "\u1112\u1161\u11ab", "ɢ̌ ", "a\U0001d15e"} {
		s = strings.Repeat(s, maxCombined*2)
		got := Normalize(s)
		if len(got) > 2*len(s)+slack || len(got) < len(s)/8 {
			t.Errorf("%.8q…: %d bytes of %d", s, len(got), len(s))
		}
		if Normalize(got) != got {
			t.Errorf("%.8q… is not in normal form: %.8q…", s, got)
		}
	}
}
