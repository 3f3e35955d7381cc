package match

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func setOf(ranges ...byte) (s Set) {
	for i := 0; i < len(ranges); i += 2 {
		s.addRange(ranges[i], ranges[i+1])
	}
	return s
}

func TestPattern(t *testing.T) {
	word := setOf('0', '9', 'A', 'Z', 'a', 'z')
	for pattern, want := range map[string]Need{
		`ghp_[A-Za-z0-9]{36}`:            {Literals: []string{"ghp_"}, Run: Run{word, 36}},
		`AKIA[0-9A-Z]{16}`:               {Literals: []string{"akia"}, Run: Run{setOf('0', '9', 'A', 'Z'), 20}},
		`sk-[A-Za-z0-9]{20}`:             {Literals: []string{"sk-"}, Run: Run{word, 20}},
		`(?i)\bcat\b`:                    {Literals: []string{"cat"}},
		`(curl|wget) http`:               {Literals: []string{"curl http", "wget http"}},
		`(?i)override (all )?previous`:   {Literals: []string{"override "}},
		`off (all |the )?gone`:           {Literals: []string{"off all gone", "off gone", "off the gone"}},
		`(foo|foobar|bar)\d*`:            {Literals: []string{"bar", "foo"}},
		`^ab?c$`:                         {Literals: []string{"abc", "ac"}, Run: Run{setOf('a', 'c'), 2}},
		`x[ab]y.*z`:                      {Literals: []string{"xay", "xby"}},
		`(?:\.\./){3,}`:                  {Literals: []string{"../../../"}},
		`(ab){3}c`:                       {Literals: []string{"abababc"}},
		`[A-Za-z0-9+/]{120,}={0,2}`:      {Run: Run{setOf('0', '9', 'A', 'Z', 'a', 'z', '+', '+', '/', '/'), 120}},
		`(?:[0-9]{4}[- ]?){3}[0-9]{4}`:   {Run: Run{setOf('0', '9', '-', '-', ' ', ' '), 16}},
		`[0-9]{3}(?:[0-9]|[0-4]+)[0-9]*`: {Run: Run{setOf('0', '9'), 4}},
		`[\x{200b}-\x{200f}]`:            {Run: Run{setOf(0xe2, 0xe2), 1}},
		`[\x{d900}-\x{e001}]`:            {Run: Run{setOf(0xed, 0xee), 1}},
		`[^\x00-\x7f]`:                   {Run: Run{setOf(0x80, 0xff), 1}}, // wrong bytes, too
		`\x{fffd}`:                       {Run: Run{setOf(0x80, 0xff), 1}},

		// The signs of the Kelvin and the long s are k and s in another case.
		`(?i)kk`:  {Literals: []string{"kk", "k\u212a", "\u212ak", "\u212a\u212a"}},
		`(?i)ask`: {Literals: []string{"ask", "as\u212a", "a\u017fk", "a\u017f\u212a"}},

		// Nothing that usual texts do not hold.
		``: {}, `a|b|`: {}, `x*`: {}, `.*`: {}, `[^"]+`: {}, `\s+`: {}, `[0-9]`: {}, `(?s).`: {}, `(secret)?`: {}, `(abc|.)`: {}, `[^\x00-\x{10ffff}]`: {},
	} {
		t.Run(pattern, func(t *testing.T) {
			got, err := Pattern(pattern)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Literals, want.Literals) || got.Run != want.Run {
				t.Errorf("literals %q, run %d of %x\nwant     %q, run %d of %x",
					got.Literals, got.Run.N, got.Run.Bytes, want.Literals, want.Run.N, want.Run.Bytes)
			}
		})
	}
}

func TestPatternSaysWhatIsWrong(t *testing.T) {
	_, err := Pattern("a(b")
	if err == nil || !strings.Contains(err.Error(), "a(b") {
		t.Errorf("error %v", err)
	}
}

// TestPatternIsBounded: what patterns grow to when written out must not be what they cost.
func TestPatternIsBounded(t *testing.T) {
	for _, pattern := range []string{
		`(?i)` + strings.Repeat("sk", 500),
		strings.Repeat("[abc]", 1000),
		`(((ab|cd){10}){10}){10}`,
		strings.Repeat("(a|b|", 300) + "c" + strings.Repeat(")", 300),
	} {
		need, err := Pattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if len(need.Literals) > maxWords || slices.ContainsFunc(need.Literals, func(l string) bool { return len(l) > maxWord }) {
			t.Errorf("%.20s needs %d literals", pattern, len(need.Literals))
		}
	}
}

// patterns draws patterns that are so deep.
func patterns(depth int) *rapid.Generator[string] {
	leaf := rapid.SampledFrom([]string{
		"a", "ab", "abc", "k", "s", "K", "é", ".", "[ab]", "[0-9]", "[a-c0-9]", "[^a]", `\s`, `\w`, `\bab`, "^", "$", "[é\u200b]",
		"[\u200b-\u200f]", "(?i:ks)", `[\x{80}-\x{10ffff}]`, `\x{fffd}`, `[\x{d900}-\x{e001}]`, `\pL`, "//", "",
	})
	if depth == 0 {
		return leaf
	}
	return rapid.Custom(func(t *rapid.T) string {
		sub := func() string { return patterns(rapid.IntRange(0, depth-1).Draw(t, "depth")).Draw(t, "sub") }
		switch rapid.IntRange(0, 6).Draw(t, "form") {
		case 0, 1:
			return sub() + sub()
		case 2:
			return sub() + sub() + sub()
		case 3:
			return "(?:" + sub() + "|" + sub() + ")"
		case 4, 5:
			return "(" + sub() + ")" + rapid.SampledFrom([]string{"*", "+", "?", "{2}", "{0,2}", "{3,}", "+?", "{9}"}).Draw(t, "repeat")
		default:
			return rapid.SampledFrom([]string{"(?i:", "(?s:", "(?m:", "("}).Draw(t, "flags") + sub() + ")"
		}
	})
}

// write writes a text that an expression is likely to match.
func write(re *syntax.Regexp, r *rand.Rand, b *strings.Builder) {
	class := func(ranges []rune) {
		if len(ranges) == 0 {
			return
		}
		i := r.IntN(len(ranges)/2) * 2
		c := ranges[i] + rune(r.IntN(int(min(ranges[i+1]-ranges[i], 40))+1))
		if c == utf8.RuneError || r.IntN(20) == 0 && ranges[len(ranges)-1] == utf8.MaxRune {
			b.WriteByte(0xe2)
		} else {
			b.WriteRune(c)
		}
	}
	least, most := 0, 0
	switch re.Op {
	case syntax.OpLiteral:
		for _, c := range re.Rune {
			class(caseless(re, c))
		}
	case syntax.OpCharClass:
		class(re.Rune)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		class([]rune{'a', 'z', 0x80, utf8.MaxRune})
	case syntax.OpAlternate:
		write(re.Sub[r.IntN(len(re.Sub))], r, b)
	case syntax.OpCapture, syntax.OpConcat:
		for _, sub := range re.Sub {
			write(sub, r, b)
		}
	case syntax.OpStar:
		most = 2
	case syntax.OpPlus:
		least, most = 1, 2
	case syntax.OpQuest:
		most = 1
	case syntax.OpRepeat:
		least, most = re.Min, max(re.Max, re.Min+1)
	default:
	}
	for range least + r.IntN(most-least+1) {
		write(re.Sub[0], r, b)
	}
}

func (n *Need) in(text string) bool {
	return (len(n.Literals) == 0 || slices.ContainsFunc(n.Literals, func(l string) bool { return occurs(text, l) })) && n.Run.In(text)
}

// TestWhatMatchesHoldsTheNeed is what makes it right to leave out a rule.
func TestWhatMatchesHoldsTheNeed(t *testing.T) {
	matched, needed, ruledOut := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		pattern := patterns(4).Draw(t, "pattern")
		compiled, err := regexp.Compile(pattern)
		if err != nil {
			t.Skip(err) // repeated too often
		}
		need, err := Pattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		for range 8 {
			var b strings.Builder
			b.WriteString(texts(0, 4).Draw(t, "before"))
			if r.IntN(4) > 0 {
				write(tree, r, &b)
			}
			b.WriteString(texts(0, 4).Draw(t, "after"))
			text := b.String()
			matches, holds := compiled.MatchString(text), need.in(text)
			if matches && !holds {
				t.Fatalf("%s matches %q, which does not hold %q and %d of %x", pattern, text, need.Literals, need.Run.N, need.Run.Bytes)
			}
			if matches {
				matched++
			}
			if matches && (len(need.Literals) > 0 || need.Run.N > 0) {
				needed++
			}
			if !holds {
				ruledOut++
			}
		}
	})
	if needed == 0 || ruledOut == 0 {
		t.Errorf("%d matched, %d of them by need, %d ruled out: it was not put to the test", matched, needed, ruledOut)
	}
}

func FuzzPattern(f *testing.F) {
	f.Add(`(?i)ignore\s+(?:all\s+)?previous`, "IGNORE  previou\u017f", uint64(1))
	f.Add(`(?:[0-9]{4}[- ]?){3}[0-9]{4}`, "4111-1111-1111-1111", uint64(2))
	f.Add(`[^a]{3}\x{fffd}`, "\xff\xfe\xe2\x80", uint64(3))
	f.Fuzz(func(t *testing.T, pattern, text string, seed uint64) {
		if len(pattern) > 200 || len(text) > 1000 {
			t.Skip("too long to be tried often")
		}
		compiled, err := regexp.Compile(pattern)
		need, needErr := Pattern(pattern)
		if (err == nil) != (needErr == nil) {
			t.Fatalf("regexp says %v, Pattern %v", err, needErr)
		}
		if err != nil {
			return
		}
		tree, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		write(tree, rand.New(rand.NewPCG(seed, 1)), &b)
		for _, text := range []string{text, b.String()} {
			if len(text) < 100_000 && compiled.MatchString(text) && !need.in(text) {
				t.Fatalf("%s matches %q, which does not hold %q and %d of %x", pattern, text, need.Literals, need.Run.N, need.Run.Bytes)
			}
		}
	})
}

func TestRunIn(t *testing.T) {
	held, missed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 6).Draw(t, "n")
		set := rapid.SampledFrom([]string{"ab", "abdefg", "0"}).Draw(t, "set")
		var r Run
		for _, c := range []byte(set) {
			r.Bytes.addRange(c, c)
		}
		r.N = n
		text := rapid.StringOfN(rapid.SampledFrom([]rune("aabbcdé")), 0, 40, -1).Draw(t, "text")
		want := regexp.MustCompile(fmt.Sprintf("[%s]{%d}", set, n)).MatchString(text)
		if got := r.In(text); got != want {
			t.Fatalf("%d of %q in %q: %v, want %v", n, set, text, got, want)
		}
		if want {
			held++
		} else {
			missed++
		}
	})
	if held == 0 || missed == 0 {
		t.Errorf("%d held, %d missed: it was not put to the test", held, missed)
	}
}
