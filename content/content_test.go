package content_test

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/content"
)

func TestNormalize(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", ""},
		{"already normal", "read_file path", "read_file path"},
		{"case and space", "  Read\t\n the   FILE ", "read the file"},
		{"full width", "ＩＧＮＯＲＥ　previous", "ignore previous"},
		{"mathematical letters", "𝐢𝐠𝐧𝐨𝐫𝐞 𝓹𝓻𝓮𝓿𝓲𝓸𝓾𝓼", "ignore previous"},
		{"ligature", "ﬁle", "file"},
		{"zero width inside words", "ig\u200bno\u200dre\u2060 pre\ufeffvious", "ignore previous"},
		{"soft hyphen", "pass\u00adword", "password"},
		{"bidi override", "\u202eevil\u202c", "evil"},
		{"tags", "hi\U000e0069\U000e0067 there", "hi there"},
		{"selectors", "a\ufe0fb\U000e0101c", "abc"},
		{"hangul filler from compatibility form", "a\uffa0b\u3164c", "abc"},
		{"terminal colour", "\x1b[31mignore\x1b[0m this", "ignore this"},
		{"hyperlink", "\x1b]8;;https://x.test\x1b\\click\x1b]8;;\a", "click"},
		{"lone escape", "a\x1bb", "ab"},
		{"escape inside escape", "\x1b\x1b[0m[31mx", "[31mx"},
		{"one-character csi", "\u009b1mbold", "bold"},
		{"controls", "ab\x00c\bd\x7f", "abcd"},
		{"braille blank", "a\u2800\u2800b", "a b"},
		{"mark kept apart by a joiner", "e\u200d\u0301", "é"},
		{"dotted capital I", "İstanbul", "istanbul"},
		{"kelvin sign", "\u212a", "k"},
		{"final sigma", "ΣΊΣΥΦΟΣ σίσυφος", "σίσυφοσ σίσυφοσ"},
		{"hangul in parts", "\u1112\u1161\u11ab", "한"},
		{"full-width punctuation", "读取，ＡＢ。", "读取,ab。"},
		{"ellipsis", "wait…", "wait..."},
		{"too many marks", "a" + strings.Repeat("\u0323", 100), "ạ" + strings.Repeat("\u0323", 7)},
		{"ligatures beyond the bound", strings.Repeat("\ufdfa", 10) + "end", strings.Repeat("صلى الله عليه وسلم", 2) + strings.Repeat("\ufffd", 6) + "صلى الله عليه وسلم\ufffdend"},
		{"escapes do not end", "\x1b]\x1b]a", "]]a"},
		{"not folded: look-alikes", "раypal", "раypal"},
		{"chinese", "读取文件", "读取文件"},
		{"invalid UTF-8", "a\xffb", "a\ufffdb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := content.Normalize(tt.in); got != tt.want {
				t.Errorf("Normalize(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

// text draws from the characters that this package treats in some special way.
func text() *rapid.Generator[string] {
	special := rapid.SampledFrom([]string{
		"\u200b", "\u200c", "\u200d", "\u202e", "\u2066", "\u2069", "\ufeff", "\u00ad", "\ufe0f", "\U000e0101", "\U000e0041", "\U000e007f",
		"\x1b", "\x1b[", "\x1b]", "\u009b", "\a", "\x00", " ", "\n", "\t", "\u2800", "\u3164", "\uffa0", "<!--", "-->", "%2e", "%25", "\\u0041",
		"\\x41", "&amp;", "&#x2e;", "%c0%ae", "\u0301", "\u0345", "\u03b9", "İ", "ß", "ﬁ", "\ufdfa", "Å", "e", "😀", "🏴", "ع", "क", "\xff", "\xc0",
		"://", "@", ":", "[", "]", "0x7f", "127.0.0.1", "-----BEGIN ", "PRIVATE KEY-----", "password=", "Bearer ", "eyJ", "ghp_", "abcDEF123",
	})
	part := rapid.OneOf(special, rapid.String(), rapid.StringMatching(`[a-zA-Z0-9%&;:/\\.@=-]{0,12}`))
	return rapid.Map(rapid.SliceOfN(part, 0, 24), func(p []string) string { return strings.Join(p, "") })
}

func TestNormalizeIsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := text().Draw(t, "text")
		once := content.Normalize(s)
		if twice := content.Normalize(once); twice != once {
			t.Fatalf("Normalize(%q) = %q, again %q", s, once, twice)
		}
		if strings.TrimSpace(once) != once || strings.Contains(once, "  ") {
			t.Fatalf("Normalize(%q) = %q has blanks to fold", s, once)
		}
	})
}

// Every single character is in normal form after one call.
func TestNormalizeEveryCharacter(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		s := "a" + string(r) + "B"
		once := content.Normalize(s)
		if twice := content.Normalize(once); twice != once {
			t.Fatalf("Normalize(%U) = %q, again %q", r, once, twice)
		}
	}
}

func TestFindingNothingInNormalForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := content.Normalize(text().Draw(t, "text"))
		for _, kind := range content.Hidden(s) {
			if kind != content.HTMLComment {
				t.Fatalf("Hidden(%q) has %s after Normalize", s, kind)
			}
		}
	})
}

func FuzzNormalize(f *testing.F) {
	for _, s := range []string{"", "Read FILE", "ig\u200bnore", "\x1b[31mx", "e\u200d\u0301", "\xff\xfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := content.Normalize(s)
		if content.Normalize(once) != once {
			t.Fatalf("not idempotent on %q: %q", s, once)
		}
		if !utf8.ValidString(once) || len(once) > 2*len(s)+64 {
			t.Fatalf("Normalize(%q) = %q", s, once)
		}
	})
}

func TestEntropy(t *testing.T) {
	tests := []struct {
		in   string
		want float64
	}{{"", 0}, {"aaaa", 0}, {"abab", 1}, {"abcd", 2}, {"0123456789abcdef", 4}, {"aab", 0.9183}}
	for _, tt := range tests {
		if got := content.Entropy(tt.in); math.Abs(got-tt.want) > 1e-4 {
			t.Errorf("Entropy(%q) = %v, want %v", tt.in, got, tt.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text")
		if e := content.Entropy(s); e < -1e-9 || e > 8 || s != "" && e > math.Log2(float64(len(s)))+1e-9 {
			t.Fatalf("Entropy(%q) = %v", s, e)
		}
	})
}

func TestUnescape(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"nothing to do", "/etc/hosts", "/etc/hosts"},
		{"percent", "%2e%2e%2fetc%2Fpasswd", "../etc/passwd"},
		{"percent twice", "%252e%252e/", "../"},
		{"percent thrice is left with one", "%25252e", "%2e"},
		{"overlong dot and slash", "%c0%ae%c0%ae%c0%af", "../"},
		{"percent u", "%u002e%U002e/", "../"},
		{"not an escape", "100% of %zz and %4", "100% of %zz and %4"},
		{"unicode escape", `\u002e\u002e\u002f`, "../"},
		{"surrogates", `\ud83d\ude00`, "😀"},
		{"half a surrogate", `\ud83d!`, "\ufffd!"},
		{"hex escape", `\x2e\x2e\x2f`, "../"},
		{"windows path stays", `C:\users\x\xeab\uxyz`, `C:\users\x\xeab\uxyz`},
		{"html decimal and hex", "&#46;&#x2E;&#47;", "../"},
		{"html names", "a &amp;&amp; b &gt; c &sol;", "a && b > c /"},
		{"html inside percent", "%26%2346%3B", "."},
		{"query string stays", "?a=1&copy=2&lt", "?a=1&copy=2&lt"},
		{"command", "cat%20/etc/shadow%3Bid", "cat /etc/shadow;id"},
		{"raw bytes", "%ff%fe", "\ufffd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := content.Unescape(tt.in); got != tt.want {
				t.Errorf("Unescape(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestUnescapeUndoesTwoLevels(t *testing.T) {
	escape := func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			b.WriteByte('%')
			b.WriteByte("0123456789abcdef"[s[i]>>4])
			b.WriteByte("0123456789ABCDEF"[s[i]&15])
		}
		return b.String()
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[a-z0-9./ ;|-]{0,40}`).Draw(t, "text")
		if got := content.Unescape(escape(s)); got != s {
			t.Fatalf("one level: %q", got)
		}
		if got := content.Unescape(escape(escape(s))); got != s {
			t.Fatalf("two levels: %q", got)
		}
	})
}

func FuzzUnescape(f *testing.F) {
	for _, s := range []string{"%252e", `\u002e`, "&#46;", "%c0%ae", `\ud83d\ude00`, "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := content.Unescape(s)
		if !utf8.ValidString(got) {
			t.Fatalf("not UTF-8: %q", got)
		}
		if len(got) > 3*len(s) {
			t.Fatalf("%d bytes became %d", len(s), len(got))
		}
	})
}
