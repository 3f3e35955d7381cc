package event_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/event"
)

func parseValue(t *testing.T, text string) event.Value {
	t.Helper()
	var p event.Parser
	v, err := p.ParseValue([]byte(text))
	if err != nil {
		t.Fatalf("ParseValue(%.100s): %v", text, err)
	}
	return v
}

func TestGetWalksObjectsOnly(t *testing.T) {
	v := parseValue(t, `{"a":{"b":"c"},"n":5,"l":[{"b":1}],"x":1,"\u0078":"last","e":{}}`)
	if got := v.Get("a", "b").Text(); got != "c" {
		t.Errorf("got %q", got)
	}
	if got := v.Get("x").Text(); got != "last" {
		t.Errorf("of two members the one that counts is %q", got)
	}
	for _, path := range [][]string{{"n", "x"}, {"l", "0"}, {"l", "b"}, {"missing"}, {"a", "b", "c"}, {"e", ""}, {""}} {
		if found := v.Get(path...); found.Exists() || found.Kind() != event.Absent {
			t.Errorf("%q leads to %s", path, found.Raw())
		}
	}
	if got := v.Get(); string(got.Raw()) != string(v.Raw()) {
		t.Errorf("no path leads to %s", got.Raw())
	}
}

func TestAnAbsentValueIsSafe(t *testing.T) {
	var v event.Value
	_, isInt := v.Int()
	_, isFloat := v.Float()
	if v.Exists() || v.Kind() != event.Absent || v.Get("a").Exists() || v.Text() != "" || v.Bool() || isInt || isFloat || v.Raw() != nil || v.Len() != 0 || len(v.AppendCompact(nil)) != 0 {
		t.Error("the zero value holds something")
	}
	for range v.Members() {
		t.Error("a member")
	}
	for range v.Items() {
		t.Error("an item")
	}
}

func TestValuesSayWhatTheyAre(t *testing.T) {
	for _, c := range []struct {
		text  string
		kind  event.ValueKind
		str   string
		yes   bool
		n     int64
		whole bool
		f     float64
		real  bool
		size  int
	}{
		{text: `null`, kind: event.Null},
		{text: `true`, kind: event.Bool, yes: true},
		{text: `false`, kind: event.Bool},
		{text: `"true"`, kind: event.String, str: "true"},
		{text: `""`, kind: event.String},
		{text: `7`, kind: event.Number, n: 7, whole: true, f: 7, real: true},
		{text: `-0`, kind: event.Number, whole: true, real: true},
		{text: `-9223372036854775808`, kind: event.Number, n: -1 << 63, whole: true, f: -1 << 63, real: true},
		{text: `9223372036854775808`, kind: event.Number, f: 1 << 63, real: true},
		{text: `1.0`, kind: event.Number, f: 1, real: true},
		{text: `-2.5e-1`, kind: event.Number, f: -0.25, real: true},
		{text: `1e400`, kind: event.Number},
		{text: `[1,[2,3],{"a":4}]`, kind: event.Array, size: 3},
		{text: `{"a":1,"a":{"b":2}}`, kind: event.Object, size: 2},
		{text: `[]`, kind: event.Array},
		{text: `{}`, kind: event.Object},
	} {
		v := parseValue(t, " "+c.text+"\n")
		if v.Kind() != c.kind || v.Text() != c.str || v.Bool() != c.yes || v.Len() != c.size || string(v.Raw()) != c.text {
			t.Errorf("%s: %s, %q, %t, %d, %s", c.text, v.Kind(), v.Text(), v.Bool(), v.Len(), v.Raw())
		}
		if n, ok := v.Int(); ok != c.whole || ok && n != c.n {
			t.Errorf("%s: integer %d, %t", c.text, n, ok)
		}
		if f, ok := v.Float(); ok != c.real || ok && f != c.f {
			t.Errorf("%s: float %g, %t", c.text, f, ok)
		}
	}
}

// TestStringsOutliveTheirDocument: what has escapes is unescaped to where nothing is written twice.
func TestStringsOutliveTheirDocument(t *testing.T) {
	var p event.Parser
	var got, want []string
	for i := range 3000 {
		text := strings.Repeat("x", i%1500)
		v, err := p.ParseValue(fmt.Appendf(nil, `{"k\n%d":"\"%d%s"}`, i, i, text))
		if err != nil {
			t.Fatal(err)
		}
		for name, member := range v.Members() {
			got = append(got, name, member.Text(), member.Text())
			want = append(want, fmt.Sprintf("k\n%d", i), fmt.Sprintf("\"%d%s", i, text), fmt.Sprintf("\"%d%s", i, text))
		}
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("string %d is %.40q, want %.40q", i, got[i], want[i])
		}
	}
}

func TestRawCannotBeAppendedInto(t *testing.T) {
	v := parseValue(t, `{"a":[1],"b":"x","c":2}`)
	for name, member := range v.Members() {
		_ = append(member.Raw(), "!!!!"...)
		_ = name
	}
	if got := string(v.Raw()); got != `{"a":[1],"b":"x","c":2}` {
		t.Errorf("the document became %s", got)
	}
}

// TestTheScannerAgreesWithAnotherParser changes valid JSON a little: what is JSON still, and
// what it means, is what jsontext and encoding/json say.
func TestTheScannerAgreesWithAnotherParser(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(value().Draw(t, "value"))
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			at := rapid.IntRange(0, len(text)).Draw(t, "at")
			piece := rapid.SampledFrom([]string{
				` `, "\n", `,`, `:`, `"`, `\`, `{`, `}`, `[`, `]`, `0`, `-`, `1`, `.`, `e`, `+`, `\u`, `\ud800`, `\udc00`, `\u00e9`, "\x80", "\xff", "é", "\x1f", "\x7f", "x", "true", "\x00", "12345678",
			}).Draw(t, "piece")
			text = append(text[:at:at], append([]byte(piece), text[min(at+rapid.IntRange(0, 2).Draw(t, "left out"), len(text)):]...)...)
		}
		agree(t, text)
	})
}

func FuzzValue(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,-0.5e+3,true,false,null,"\u00e9\ud83d\ude00\n"],"a":{}}`, `[[[[]]]]`, " \t\r\n1 ", `"` + strings.Repeat("é", 20) + `"`, "\"\xed\xa0\x80\"", `"\ud800"`, `01`, `[1,]`, `{"a"}`, `{,}`, `nul`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) < 600 { // else it may be nested deeper than a parser goes
			agree(t, text)
		}
	})
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// agree holds the scanner to jsontext: what is JSON, and what is in it.
func agree(t failer, text []byte) {
	t.Helper()
	var p event.Parser
	v, err := p.ParseValue(text)
	valid := jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true))
	if valid != (err == nil) {
		t.Fatalf("%q is JSON: %t; but %v", text, valid, err)
	}
	if !valid {
		if !utf8.ValidString(err.Error()) {
			t.Fatalf("%q", err)
		}
		return
	}
	var want any
	if err := json.Unmarshal(text, &want); err != nil && !strings.Contains(err.Error(), "cannot unmarshal number") {
		t.Fatalf("%q: %v", text, err)
	} else if err == nil {
		if got := plain(v); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%q holds %v, want %v", text, got, want)
		}
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil || !bytes.Equal(v.AppendCompact(nil), compact.Bytes()) {
		t.Fatalf("%q is %q without white space, want %q", text, v.AppendCompact(nil), compact.Bytes())
	}
}

// plain is a value as encoding/json gives it.
func plain(v event.Value) any {
	switch v.Kind() {
	case event.Bool:
		return v.Bool()
	case event.Number:
		f, _ := v.Float()
		return f
	case event.String:
		return v.Text()
	case event.Array:
		list := make([]any, 0)
		for item := range v.Items() {
			list = append(list, plain(item))
		}
		return list
	case event.Object:
		members := make(map[string]any)
		for name := range v.Members() {
			members[name] = plain(v.Get(name))
		}
		return members
	default:
		return nil
	}
}

// TestNoBeginningOfADocumentIsOne cuts one everywhere.
func TestNoBeginningOfADocumentIsOne(t *testing.T) {
	const text = `{"a":[1,-0.5e+3,true,false,null,"\u00e9\ud83d\ude00\n\\é–😀 and more than sixteen bytes"],"b\"":{},"a long name of a member":"\\"}`
	var p event.Parser
	for n := range len(text) {
		if v, err := p.ParseValue([]byte(text[:n])); err == nil {
			t.Errorf("%s is %s", text[:n], v.Raw())
		}
	}
	if _, err := p.ParseValue([]byte(text)); err != nil {
		t.Error(err)
	}
}

// TestUTF8OfEachKindOfCharacter puts each at each place of a word.
func TestUTF8OfEachKindOfCharacter(t *testing.T) {
	var p event.Parser
	for _, c := range []string{
		"\x7f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff", "éé", "éééé", "–é–",
		"\x80", "\xc1\xbf", "\xc2", "\xc2A", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xe2\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xff", "é\xc2", "\xe2\x80\xc3\xa9",
	} {
		for before := range 20 {
			for after := range 20 {
				text := strings.Repeat("a", before) + c + strings.Repeat("b", after)
				v, err := p.ParseValue([]byte(`"` + text + `"`))
				if utf8.ValidString(text) != (err == nil) || err == nil && v.Text() != text {
					t.Errorf("%q: %q, %v", text, v.Text(), err)
				}
			}
		}
	}
}
