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

// texts draws short texts over few letters, so that literals occur in them and nearly do.
func texts(most int) *rapid.Generator[string] {
	return rapid.StringOfN(rapid.SampledFrom([]rune("abcAB/. \nk\u212aſ0é\u200b")), 0, most, -1)
}

func TestScanFindsWhatContainsFinds(t *testing.T) {
	found, missed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		literals := rapid.SliceOfN(texts(12), 1, 30).Draw(t, "literals")
		text := texts(80).Draw(t, "text")
		if at := rapid.IntRange(0, len(literals)-1).Draw(t, "planted"); rapid.Bool().Draw(t, "plant") {
			text += strings.ToUpper(literals[at])
		}
		var b Builder
		ids := make([]int, len(literals))
		for i, l := range literals {
			ids[i] = b.Add(l)
		}
		l := b.Build()
		var h Hits
		for range 2 { // reused, it gives the same
			h.Reset(l.Len())
			l.Scan(text, &h)
			for i, literal := range literals {
				want := strings.Contains(string(folded([]byte(text))), string(folded([]byte(literal))))
				if h.Has(ids[i]) != want {
					t.Fatalf("%q in %q: %v, want %v", literal, text, h.Has(ids[i]), want)
				}
				if want {
					found++
				} else {
					missed++
				}
			}
			unique := slices.Clone(h.IDs())
			slices.Sort(unique)
			if len(slices.Compact(unique)) != len(h.IDs()) {
				t.Fatalf("an id twice: %v", h.IDs())
			}
		}
	})
	if found == 0 || missed == 0 {
		t.Errorf("%d found, %d missed: it was not put to the test", found, missed)
	}
}

func TestPattern(t *testing.T) {
	digits := func() (s Set) {
		for c := byte('0'); c <= '9'; c++ {
			s.add(c)
		}
		return s
	}()
	for pattern, want := range map[string]struct {
		literals []string
		run      int
		bytes    Set
	}{
		`ghp_[A-Za-z0-9]{36}`:                  {literals: []string{"ghp_"}, run: 36},
		`(?i)ignore\s+(?:all\s+)?previous`:     {literals: []string{"previou"}},
		`(?i)\bcat\b`:                          {literals: []string{"cat"}},
		`(curl|wget) http`:                     {literals: []string{"curl http", "wget http"}},
		`a|b|`:                                 {},
		`[A-Za-z0-9+/]{120,}={0,2}`:            {run: 120},
		`(?:[0-9]{4}[- ]?){3}[0-9]{4}`:         {run: 4, bytes: digits},
		`[\x{200b}-\x{200f}\x{202a}-\x{202e}]`: {run: 1, bytes: Set{3: 1 << (0xe2 - 192)}},
		`x*`:                                   {},
		`(?i)kk`:                               {literals: []string{"kk", "k\u212a", "\u212ak", "\u212a\u212a"}},
		`.*`:                                   {},
		`[^"]+`:                                {},
		`^ab?c$`:                               {literals: []string{"abc", "ac"}},
	} {
		need, err := Pattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(want.literals)
		got := slices.Clone(need.Literals)
		if pattern == `(?i)ignore\s+(?:all\s+)?previous` {
			if len(got) == 0 || !strings.Contains(got[0], "previou") {
				t.Errorf("%s needs %q", pattern, got)
			}
			continue
		}
		if !slices.Equal(got, want.literals) || need.Run.N != want.run || want.bytes != (Set{}) && need.Run.Bytes != want.bytes {
			t.Errorf("%s: literals %q run %d %x, want %q run %d", pattern, got, need.Run.N, need.Run.Bytes, want.literals, want.run)
		}
	}
	if _, err := Pattern("("); err == nil {
		t.Error("a pattern that is none has a need")
	}
}

// patterns draws patterns from the grammar, at most so deep.
func patterns(depth int) *rapid.Generator[string] {
	leaf := rapid.SampledFrom([]string{
		"a", "ab", "abc", "k", "s", "K", "é", ".", "[ab]", "[0-9]", "[a-c0-9]", "[^a]", `\s`, `\w`, `\bab`, "^", "$", "[é\u200b]", "(?i:ks)", "[\u0080-\U0010ffff]", `\x{fffd}`,
	})
	if depth == 0 {
		return leaf
	}
	return rapid.Custom(func(t *rapid.T) string {
		sub := func() string { return patterns(depth-1).Draw(t, "sub") }
		switch rapid.IntRange(0, 7).Draw(t, "form") {
		case 0:
			return leaf.Draw(t, "leaf")
		case 1:
			return sub() + sub()
		case 2:
			return sub() + sub() + sub()
		case 3:
			return "(?:" + sub() + "|" + sub() + ")"
		case 4:
			return "(" + sub() + ")" + rapid.SampledFrom([]string{"*", "+", "?", "{2}", "{0,2}", "{3,}"}).Draw(t, "repeat")
		case 5:
			return "(?i:" + sub() + ")"
		case 6:
			return "(?s:" + sub() + ")"
		default:
			return "(" + sub() + ")"
		}
	})
}

// walk writes a text that an expression is likely to match.
func walk(re *syntax.Regexp, r *rand.Rand, b *strings.Builder) {
	switch re.Op { //nolint:exhaustive // the others match the empty text, or nothing
	case syntax.OpLiteral:
		for _, c := range re.Rune {
			if re.Flags&syntax.FoldCase != 0 {
				all := folds(c)
				c = all[r.IntN(len(all))]
			}
			b.WriteRune(c)
		}
	case syntax.OpCharClass:
		if len(re.Rune) > 0 {
			i := r.IntN(len(re.Rune)/2) * 2
			c := re.Rune[i] + rune(r.IntN(int(min(re.Rune[i+1]-re.Rune[i], 40)+1)))
			if c == utf8.RuneError {
				b.WriteByte(0xff)
			} else {
				b.WriteRune(c)
			}
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('z')
	case syntax.OpCapture, syntax.OpConcat:
		for _, sub := range re.Sub {
			walk(sub, r, b)
		}
	case syntax.OpAlternate:
		walk(re.Sub[r.IntN(len(re.Sub))], r, b)
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		least, most := 0, 3
		switch re.Op { //nolint:exhaustive // one of four
		case syntax.OpPlus:
			least = 1
		case syntax.OpQuest:
			most = 1
		case syntax.OpRepeat:
			least, most = re.Min, max(re.Max, re.Min+1)
		}
		for range least + r.IntN(most-least+1) {
			walk(re.Sub[0], r, b)
		}
	}
}

func holds(need Need, text string) bool {
	some := len(need.Literals) == 0
	for _, l := range need.Literals {
		some = some || strings.Contains(string(folded([]byte(text))), l)
	}
	return some && need.Run.In(text)
}

// TestWhatAPatternMatchesHoldsItsNeed is what lets an index skip rules.
func TestWhatAPatternMatchesHoldsItsNeed(t *testing.T) {
	matched, ruledOut := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		pattern := patterns(3).Draw(t, "pattern")
		compiled, err := regexp.Compile(pattern)
		if err != nil {
			t.Skip(err)
		}
		need, err := Pattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		tree, _ := syntax.Parse(pattern, syntax.Perl)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		for range 8 {
			var b strings.Builder
			b.WriteString(texts(4).Draw(t, "before"))
			if r.IntN(2) == 0 {
				walk(tree, r, &b)
			}
			b.WriteString(texts(4).Draw(t, "after"))
			text := b.String()
			switch is := compiled.MatchString(text); {
			case is && !holds(need, text):
				t.Fatalf("%s matches %q, which does not hold %q and %d of %x", pattern, text, need.Literals, need.Run.N, need.Run.Bytes)
			case is:
				matched++
			case !holds(need, text):
				ruledOut++
			}
		}
	})
	if matched == 0 || ruledOut == 0 {
		t.Errorf("%d matched, %d ruled out: it was not put to the test", matched, ruledOut)
	}
}

func TestRunIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Set
		s.add('a')
		s.add('b')
		r := Run{Bytes: s, N: rapid.IntRange(1, 6).Draw(t, "n")}
		text := rapid.StringOfN(rapid.SampledFrom([]rune("abbc")), 0, 30, -1).Draw(t, "text")
		want := regexp.MustCompile(fmt.Sprintf("[ab]{%d}", r.N)).MatchString(text)
		if got := r.In(text); got != want {
			t.Fatalf("%d in %q: %v, want %v", r.N, text, got, want)
		}
	})
}

func benchmarkText(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("the file of config system user request {\"path\": server error function return value import test data not found https://example.com/api/v1 readme.md and is to in a result")
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(words[r.IntN(len(words))])
		b.WriteByte(' ')
	}
	return b.String()[:n]
}

func benchmarkLiterals(n int) (*Literals, []string) {
	r := rand.New(rand.NewPCG(3, 4))
	words := strings.Fields("ignore previous instructions override system prompt disregard all prior forget everything above do not tell the user secret token password key exfiltrate send upload curl wget bash passwd shadow ssh aws credentials environ docker kube base64 powershell union select drop table script alert")
	var b Builder
	var all []string
	for b.ids == nil || len(b.literals) < n {
		l := words[r.IntN(len(words))] + " " + words[r.IntN(len(words))] + " " + words[r.IntN(len(words))]
		if r.IntN(3) == 0 {
			l = fmt.Sprintf("/%s/%s_%d", words[r.IntN(len(words))], words[r.IntN(len(words))], r.IntN(100000))
		}
		b.Add(l)
		all = append(all, l)
	}
	return b.Build(), all
}

func BenchmarkScan(b *testing.B) {
	for _, n := range []int{10, 200, 2000, 20000} {
		b.Run(fmt.Sprintf("literals=%d", n), func(b *testing.B) {
			l, _ := benchmarkLiterals(n)
			text := benchmarkText(900)
			var h Hits
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				h.Reset(l.Len())
				l.Scan(text, &h)
			}
		})
	}
}

// BenchmarkScanHostile scans a text that is made of the literals.
func BenchmarkScanHostile(b *testing.B) {
	l, all := benchmarkLiterals(2000)
	text := strings.Join(all, " ")[:30000]
	var h Hits
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		h.Reset(l.Len())
		l.Scan(text, &h)
	}
}

func BenchmarkRunIn(b *testing.B) {
	for _, pattern := range []string{`[A-Za-z0-9+/]{120,}={0,2}`, `(?:[0-9]{4}[- ]?){3}[0-9]{4}`, `[\x{200b}-\x{200f}]`} {
		b.Run(pattern[:8], func(b *testing.B) {
			need, err := Pattern(pattern)
			if err != nil {
				b.Fatal(err)
			}
			text := benchmarkText(900)
			for b.Loop() {
				need.Run.In(text)
			}
		})
	}
}
