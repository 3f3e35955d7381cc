package jsonedit_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/internal/jsonedit"
)

func parse(t rapid.TB, text string) *jsonedit.Node {
	t.Helper()
	n, err := jsonedit.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return n
}

const settings = `// of Alice
{
    "model": "m", /* "a": 1 */
    "hooks": {
        "Stop": [{"command": "say done"}],   // loud
    },
    "env": {},
    "list": [
        1,
        2
    ],
}
`

func TestAChangeLeavesTheRestAsItIs(t *testing.T) {
	for _, c := range []struct {
		name      string
		change    func(text []byte, root *jsonedit.Node) []byte
		from, now string
	}{
		{"replace", func(text []byte, root *jsonedit.Node) []byte {
			return jsonedit.Replace(text, root.Get("model"), `"n"`)
		}, `"model": "m"`, `"model": "n"`},
		{"append a member", func(text []byte, root *jsonedit.Node) []byte {
			return jsonedit.Append(text, root.Get("hooks"), "Start", "[\n  1\n]")
		}, `"say done"}],`, `"say done"}],` + "\n        \"Start\": [\n          1\n        ],"},
		{"append an item on its line", func(text []byte, root *jsonedit.Node) []byte {
			return jsonedit.Append(text, root.Get("hooks", "Stop"), "", `{}`)
		}, `"say done"}]`, `"say done"}, {}]`},
		{"append to what is empty", func(text []byte, root *jsonedit.Node) []byte {
			return jsonedit.Append(text, root.Get("env"), "A", `"b"`)
		}, `"env": {}`, "\"env\": {\n        \"A\": \"b\"\n    }"},
		{"prepend", func(text []byte, root *jsonedit.Node) []byte {
			return jsonedit.Prepend(text, root.Get("list"), "", `0`)
		}, "        1,", "        0,\n        1,"},
		{"remove the first", func(text []byte, root *jsonedit.Node) []byte {
			return jsonedit.Remove(text, root.Get("list"), 0)
		}, "1,\n        2", "2"},
		{"remove the last", func(text []byte, root *jsonedit.Node) []byte {
			return jsonedit.Remove(text, root.Get("list"), 1)
		}, "1,\n        2", "1"},
		{"remove the only one", func(text []byte, root *jsonedit.Node) []byte {
			return jsonedit.Remove(text, root.Get("hooks", "Stop"), 0)
		}, `[{"command": "say done"}]`, `[]`},
	} {
		got := string(c.change([]byte(settings), parse(t, settings)))
		if want := strings.Replace(settings, c.from, c.now, 1); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, want)
		}
		parse(t, got)
	}
}

func TestGetTakesTheLastOfOneName(t *testing.T) {
	n := parse(t, `{"a":{"b":"1"},"a":{"b":"2 ü"},"c":["x",3]}`)
	if got := n.Get("a", "b").Text(); got != "2 ü" || n.Index("a") != 1 || n.Index("z") != -1 {
		t.Errorf("%q", got)
	}
	if n.Get("a", "b", "c") != nil || n.Get("z", "y") != nil || n.Get("c").Text() != "" {
		t.Error("something is found that is not there")
	}
	if got := n.Get("c").Texts(); len(got) != 2 || got[0] != "x" || got[1] != "" {
		t.Errorf("%q", got)
	}
}

func TestParseSaysWhereItIsWrong(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", "line 1: a value is missing"},
		{"{\n\"a\": 1\n\"b\": 2}", "line 3: a comma"},
		{"{\n\"a\" 1}", "line 2: a colon"},
		{"{a: 1}", "line 1: a member's name"},
		{"[1\n/* ", "line 2: a comment has no end"},
		{"[\"a\n\"]", "line 2: a string is no JSON string"},
		{"{\"a", "line 1: a string has no end"},
		{"{} {}", "line 1: something stands after"},
		{"[nul]", "line 1: a value is missing"},
		{"[01]", "line 1: a value is missing"},
		{strings.Repeat("[", 300), "nested over"},
	} {
		_, err := jsonedit.Parse([]byte(c.in))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.20q: %v, want %q", c.in, err, c.want)
		}
	}
}

// TestWhatIsAddedAndRemovedWasNeverThere on random values, laid out at random.
func TestWhatIsAddedAndRemovedWasNeverThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gap := rapid.SampledFrom([]string{"", " ", "\n", "\n\t", " /* , ] */ ", " // x\n  "})
		object := rapid.Bool().Draw(t, "object")
		var b strings.Builder
		for i := range rapid.IntRange(1, 4).Draw(t, "members") {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(gap.Draw(t, "gap"))
			if object {
				fmt.Fprintf(&b, `"k%d":`, i)
			}
			b.WriteString(rapid.SampledFrom([]string{`1`, `"a\"]"`, `{ "x": [] }`, `[1,]`, `null`}).Draw(t, "value"))
			b.WriteString(gap.Draw(t, "gap"))
		}
		text := "[" + b.String() + "]"
		if object {
			text = "{" + b.String() + "}"
		}
		name := ""
		if object {
			name = "added"
		}
		root := parse(t, text)
		added, at := jsonedit.Prepend([]byte(text), root, name, "{\n  \"v\": 1\n}"), 0
		if rapid.Bool().Draw(t, "append") {
			added, at = jsonedit.Append([]byte(text), root, name, `true`), len(root.Members)+len(root.Items)
		}
		if got := string(jsonedit.Remove(added, parse(t, string(added)), at)); got != text {
			t.Fatalf("from %q\nby   %q\nto   %q", text, added, got)
		}
	})
}

// FuzzParse holds that JSON is parsed, and that what is parsed can be changed.
func FuzzParse(f *testing.F) {
	for _, s := range []string{settings, `{"a":[1,2,{"b":null}]}`, `[]`, `"\ud800"`, "\xef\xbb\xbf{}", `[1,,]`, `{"a":1e5,}`, `/`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := jsonedit.Parse(text)
		if err != nil {
			if v := jsontext.Value(text); v.IsValid() && !strings.Contains(err.Error(), "nested") {
				t.Fatalf("JSON is refused: %v", err)
			}
			return
		}
		changed := text
		switch n.Kind {
		case '{':
			changed = jsonedit.Append(text, n, "x", "1")
		case '[':
			changed = jsonedit.Prepend(text, n, "", "[\n1\n]")
		}
		if _, err := jsonedit.Parse(changed); err != nil {
			t.Fatalf("%q became %q: %v", text, changed, err)
		}
	})
}
