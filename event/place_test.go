package event_test

import (
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/event"
)

func TestPlaces(t *testing.T) {
	const text = `{"a":"x\ny","b":[1.5,true,null,{"c\u0041":"z"}], "d":"x\ny"}`
	var parser event.Parser
	root, err := parser.ParseValue([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for p := range root.Places() {
		what := "number"
		switch {
		case p.Name:
			what = "name"
		case p.String:
			what = "string"
		}
		got = append(got, what+" "+strings.ReplaceAll(p.Text, "\n", "|")+" "+text[p.Start:p.End])
	}
	want := []string{
		`name a "a"`, `string x|y "x\ny"`, `name b "b"`, `number 1.5 1.5`, `name cA "c\u0041"`, `string z "z"`, `name d "d"`, `string x|y "x\ny"`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for path, want := range map[string]string{"a": `"x\ny"`, "b": `[1.5,true,null,{"c\u0041":"z"}]`} {
		if start, end := root.Get(path).Span(); text[start:end] != want {
			t.Errorf("%s spans %s", path, text[start:end])
		}
	}
}
