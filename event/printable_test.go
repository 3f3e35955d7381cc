package event_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/mcpwatch/mcpwatch/event"
)

func TestPrintable(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain text", `path "/etc/hosts" ünï 漢字 😀`, `path "/etc/hosts" ünï 漢字 😀`},
		{"escape sequences", "\x1b[31mred\x1b]0;title\x07", "?[31mred?]0;title?"},
		{"lines", "a\nb\r\n\tc", "a?b???c"},
		{"C1 controls and DEL", "\u009b2J\x7f", "?2J?"},
		{"direction marks", "a\u202eb\u2066c\u200f", "a?b?c?"},
		{"what has no width", "a\u200bb\ufeffc\u2060", "a?b?c?"},
		{"tag characters", "a\U000e0041\U000e007f", "a??"},
		{"private use and noncharacters", "\ue000\U0010ffff", "??"},
		{"line and paragraph separators, hard spaces", "a\u2028b\u2029c\u00a0d", "a?b?c?d"},
		{"invalid UTF-8", "a\xffb\xc3", "a�b�"},
		{"200 bytes", strings.Repeat("x", 200), strings.Repeat("x", 200)},
		{"201 bytes", strings.Repeat("x", 201), strings.Repeat("x", 200) + "…"},
		{"a character across the bound", strings.Repeat("x", 199) + "éé", strings.Repeat("x", 199) + "…"},
		{"nothing", "", ""},
	} {
		if got := event.Printable(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"", "plain", "\x1b[2J", "\u202e\U000e0041", "\xff\xc3", strings.Repeat("é", 150)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := event.Printable(s)
		if !utf8.ValidString(out) || len(out) > 200+len("…") {
			t.Errorf("Printable(%q) = %q", s, out)
		}
		for _, r := range out {
			if r != ' ' && !unicode.IsPrint(r) {
				t.Errorf("Printable(%q) holds %U", s, r)
			}
		}
		if again := event.Printable(out); again != out {
			t.Errorf("Printable(%q) = %q, and of that %q", s, out, again)
		}
	})
}
