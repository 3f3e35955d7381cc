package rule_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
)

// sights is a rule that remembers the arguments of a call and its text.
func sights(tb testing.TB) *rule.Set {
	tb.Helper()
	set, err := rule.Load(folder(map[string]string{"r.yaml": `id: r
title: R
severity: low
sequence:
  by: [actor]
  within: 1m
  steps:
    - {as: read, when: 'call.tool == "read"'}
    - {as: send, when: 'call.tool == "send" && call.args == read.call.args && call.args_text == read.call.args_text'}
`}))
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

// sight gives what a rule remembers of a call, written and read back.
func sight(t *testing.T, set *rule.Set, arguments string) (written []byte, read *rule.Sighting) {
	t.Helper()
	e := event.Event{ID: "e", Tenant: "acme", Actor: "a", Message: fmt.Appendf(nil,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":%s}}`, arguments)}
	var parser event.Parser
	m, err := parser.Parse(e.Message)
	if err != nil {
		t.Fatal(err)
	}
	view := set.NewView()
	view.Reset(&e, &m)
	if written, err = set.Programs[0].Sight(view).Encode(); err != nil {
		t.Fatal(err)
	}
	if read, err = rule.DecodeSighting(written); err != nil {
		t.Fatal(err)
	}
	return written, read
}

// many is a list or an object of so many like members.
func many(n int, open, each, closed string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = strings.ReplaceAll(each, "#", fmt.Sprint(i))
	}
	return open + strings.Join(all, ",") + closed
}

// TestWhatIsRememberedOfAnEventIsBounded holds that no event makes a rule remember much, or
// nothing, whatever it holds.
func TestWhatIsRememberedOfAnEventIsBounded(t *testing.T) {
	set := sights(t)
	for name, arguments := range map[string]string{
		"a long text":              `{"x":"` + strings.Repeat("a", 100_000) + `"}`,
		"cut within a character":   `{"x":"` + strings.Repeat("aäöü€😀", 10_000) + `"}`,
		"many texts":               many(1000, `{"x":[`, `"`+strings.Repeat("b", 1000)+`"`, `]}`),
		"many members":             many(1000, `{`, `"n#":"`+strings.Repeat("c", 1000)+`"`, `}`),
		"long names":               many(1000, `{`, `"n#`+strings.Repeat("d", 1000)+`":1`, `}`),
		"lists of lists":           `{"x":` + many(60, `[`, many(60, `[`, many(60, `[`, `[]`, `]`), `]`), `]`) + `}`,
		"objects of objects":       `{"x":` + many(60, `{`, `"k#":`+many(60, `{`, `"l#":{}`, `}`), `}`) + `}`,
		"deep":                     `{"x":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`,
		"a number beyond a double": `{"x":1e999,"y":-1e999}`,
	} {
		t.Run(name, func(t *testing.T) {
			written, read := sight(t, set, arguments)
			if len(written) > 3*8192 || !utf8.Valid(written) {
				t.Errorf("%d bytes", len(written))
			}
			if len(read.Facts) == 0 {
				t.Error("nothing is remembered")
			}
			if again, _ := sight(t, set, arguments); string(again) != string(written) {
				t.Error("it is not the same each time")
			}
		})
	}
}

// TestALongTextIsRememberedByItsBeginning holds the bound of one text.
func TestALongTextIsRememberedByItsBeginning(t *testing.T) {
	_, read := sight(t, sights(t), `{"x":"`+strings.Repeat("a", 5000)+`"}`)
	if text, _ := read.Facts["call.args_text"].(string); len(text) < 3000 || len(text) > 4096 {
		t.Errorf("%d bytes of call.args_text", len(text))
	}
	if text, _ := read.Facts["call.args"].(map[string]any)["x"].(string); len(text) != 4096 {
		t.Errorf("%d bytes of an argument", len(text))
	}
}

// TestSmallArgumentsAreRememberedWhole holds that what fits is kept as it is.
func TestSmallArgumentsAreRememberedWhole(t *testing.T) {
	text := `{"a":["x",1,9007199254740993,2.5,1e300,true,null,{"b":"ä"}],"c":{}}`
	_, read := sight(t, sights(t), text)
	want := map[string]any{"a": []any{"x", int64(1), int64(9007199254740993), 2.5, 1e300, true, nil, map[string]any{"b": "ä"}}, "c": map[string]any{}}
	if !reflect.DeepEqual(read.Facts["call.args"], want) {
		t.Errorf("%v", read.Facts)
	}
}

// FuzzDecodeSighting holds that what is read is written and read as the same.
func FuzzDecodeSighting(f *testing.F) {
	for _, s := range []string{`{}`, `{"event":"e","time":"2026-11-25T00:00:00Z","facts":{"a":[1,{"b":null}]},"key":["k"]}`, `{"agent":{"id":"a"},"server":{"url":"u"}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		read, err := rule.DecodeSighting(data)
		if err != nil {
			return
		}
		written, err := read.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := rule.DecodeSighting(written)
		if err != nil {
			t.Fatal(err)
		}
		if rewritten, err := again.Encode(); err != nil || string(rewritten) != string(written) {
			t.Errorf("%s was read as %s, %v", written, rewritten, err)
		}
	})
}
