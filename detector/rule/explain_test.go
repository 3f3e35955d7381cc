package rule

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/cel-go/common/types"
	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/event"
)

// TestExplainSaysWhatIsSo holds what is explained of random rules against what is decided, and
// each leaf against the leaf alone.
func TestExplainSaysWhatIsSo(t *testing.T) {
	yes, no, absent := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		set, err := Compile([]*Rule{{ID: "r", Title: "R", Severity: "low", Match: expressions(3).Draw(t, "expression")}},
			[]*List{{Name: "words", Values: []string{"read", "a"}}}, nil)
		if err != nil {
			t.Skip(err) // too deep or too costly an expression
		}
		p, view := set.Programs[0], set.NewView()
		for i, e := range shapes() {
			var parser event.Parser
			m, err := parser.Parse(e.Message)
			if err != nil {
				t.Fatal(err)
			}
			view.Reset(&e, &m)
			found := len(collect(set.Match, view))
			explained, err := view.Explain(p)
			if err != nil {
				t.Fatal(err)
			}
			met := 0
			for _, x := range explained {
				if x.Met() {
					met++
				}
				for _, l := range x.Steps[0].Leaves {
					switch {
					case l.True && l.Absent:
						t.Fatalf("shape %d: %s is true and absent", i, l.Text)
					case l.True:
						yes++
					case l.Absent:
						absent++
					default:
						no++
					}
				}
			}
			if met != found {
				t.Fatalf("shape %d: %d found, %d explained as true", i, found, met)
			}
		}
	})
	if yes == 0 || no == 0 || absent == 0 {
		t.Errorf("%d leaves true, %d false, %d absent: it was not put to the test", yes, no, absent)
	}
}

// TestExplainShowsLeavesAndValues holds the form in which a person reads them.
func TestExplainShowsLeavesAndValues(t *testing.T) {
	for _, test := range []struct {
		match string
		want  []Leaf
	}{
		{`call.tool == "read" && !(server.id == "x")`, []Leaf{
			{Text: `call.tool == "read"`, True: true, Values: []string{`call.tool = "read"`}},
			{Text: `server.id == "x"`, Absent: true, Values: []string{`server.id is absent`}},
		}},
		{`result.text == call.tool || call.tool in lists.words`, []Leaf{
			{Text: `result.text == call.tool`, Absent: true, Values: []string{"result.text is absent", `call.tool = "read"`}},
			{Text: `call.tool in lists.words`, True: true, Values: []string{`call.tool = "read"`}},
		}},
		{`call.args_text.startsWith("a") ? call.args.path == "a" : true`, []Leaf{
			{Text: `call.args_text.startsWith("a")`, True: true, Values: []string{`call.args_text = "a` + strings.Repeat("é", 39) + `"…`}},
			{Text: `call.args.path == "a"`, Values: []string{`call.args.path = "a` + strings.Repeat("é", 39) + `"…`}},
			{Text: "true", True: true},
		}},
		{`call.args["path"] == "a" || call.args.other.deep == "b" || call.args.size() == 0`, []Leaf{
			{Text: `call.args["path"] == "a"`, Values: []string{`call.args["path"] = "a` + strings.Repeat("é", 39) + `"…`}},
			{Text: `call.args.other.deep == "b"`, Absent: true, Values: []string{"call.args.other.deep is absent"}},
			{Text: "call.args.size() == 0", Values: []string{`call.args = {"path": "a` + strings.Repeat("é", 35) + `"…}`}},
		}},
		{`call.args.path.contains("needle") || call.args_text.lowerAscii().matches("n[e]+dle") || call.args_text.contains("a")`, []Leaf{
			{Text: `call.args.path.contains("needle")`, True: true, Values: []string{`call.args.path = …"` + strings.Repeat("é", 10) + `needle` + strings.Repeat("é", 27) + `"…`}},
			{Text: `call.args_text.lowerAscii().matches("n[e]+dle")`, True: true, Values: []string{`call.args_text = …"` + strings.Repeat("é", 10) + `needle` + strings.Repeat("é", 27) + `"…`}},
			{Text: `call.args_text.contains("a")`, True: true, Values: []string{`call.args_text = "a` + strings.Repeat("é", 39) + `"…`}},
		}},
	} {
		arguments := fmt.Sprintf(`{"path":"a%sneedle%s"}`, strings.Repeat("é", 100), strings.Repeat("é", 100))
		explained := explainCall(t, test.match, arguments)
		if got := explained[0].Steps[0].Leaves; !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s\nis explained as %+v\nwant            %+v", test.match, got, test.want)
		}
	}
}

// explainCall explains a match rule on a call of the tool read.
func explainCall(t *testing.T, match, arguments string) []Explanation {
	t.Helper()
	set, err := Compile([]*Rule{{ID: "r", Title: "R", Severity: "low", Match: match}}, []*List{{Name: "words", Values: []string{"read"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := event.Event{
		Time:    time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC),
		Message: fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":%s}}`, arguments),
	}
	var parser event.Parser
	m, err := parser.Parse(e.Message)
	if err != nil {
		t.Fatal(err)
	}
	view := set.NewView()
	view.Reset(&e, &m)
	explained, err := view.Explain(set.Programs[0])
	if err != nil {
		t.Fatal(err)
	}
	return explained
}

// TestExplainTellsTypesErrorsAndAbsencesApart holds what each value is written as, and that what fails for
// another reason than want of a value says which.
func TestExplainTellsTypesErrorsAndAbsencesApart(t *testing.T) {
	const arguments = `{"n":5,"t":"5","f":5.0,"big":1e300,"half":0.5,"yes":true,"none":null,"list":["a",1,{"b":"\u001b\""}],"map":{"z":1,"a":[]}}`
	for match, want := range map[string]Leaf{
		`call.args.n == "5"`:                   {Values: []string{`call.args.n = 5`}},
		`call.args.t == 5`:                     {Values: []string{`call.args.t = "5"`}},
		`call.args.f == "5"`:                   {Values: []string{`call.args.f = 5.0`}},
		`call.args.big == 5`:                   {Values: []string{`call.args.big = 1e+300`}},
		`call.args.half == 5`:                  {Values: []string{`call.args.half = 0.5`}},
		`call.args.yes == "true"`:              {Values: []string{`call.args.yes = true`}},
		`call.args.none == "null"`:             {Values: []string{`call.args.none = null`}},
		`call.args.list == []`:                 {Values: []string{`call.args.list = ["a", 1, {"b": "\x1b\""}]`}},
		`call.args.map == {}`:                  {Values: []string{`call.args.map = {"a": [], "z": 1}`}},
		`event.time < timestamp(0)`:            {Values: []string{`event.time = timestamp("2026-11-25T09:00:00Z")`}},
		`event.marks.exists(m, m == "x")`:      {Values: []string{`event.marks = []`}},
		`call.args.n > "5"`:                    {Error: "values of these types cannot be compared or used so (no such overload)", Values: []string{`call.args.n = 5`}},
		`int(call.args.list[0]) > 5`:           {Error: `type conversion error from 'string' to 'int'`, Values: []string{`call.args.list[0] = "a"`}},
		`call.args.n / 0 == 5`:                 {Error: "division by zero", Values: []string{`call.args.n = 5`}},
		`call.args.t && true`:                  {Error: `is "5", neither true nor false`, Values: []string{`call.args.t = "5"`}},
		`call.args.yes && true`:                {True: true, Values: []string{`call.args.yes = true`}},
		`call.args.other == "5"`:               {Absent: true, Values: []string{`call.args.other is absent`}},
		`call.args.list[7] == "5"`:             {Absent: true, Values: []string{`call.args.list[7] is absent`}},
		`call.args.map.other.deep == "5"`:      {Absent: true, Values: []string{`call.args.map.other.deep is absent`}},
		`result.text.contains("5")`:            {Absent: true, Values: []string{`result.text is absent`}},
		`int(call.args.other) > 5`:             {Absent: true, Values: []string{`call.args.other is absent`}},
		`[result.text].exists(x, x == "5")`:    {Absent: true, Values: []string{`result.text is absent`}},
		`call.tool.startsWith(result.text)`:    {Absent: true, Values: []string{`call.tool = "read"`, `result.text is absent`}},
		`call.args.map[result.text] == "5"`:    {Absent: true, Values: []string{`call.args.map[result.text] is absent`, `result.text is absent`}},
		`resource.uri + result.text == "read"`: {Absent: true, Values: []string{`resource.uri is absent`, `result.text is absent`}},
	} {
		leaves := explainCall(t, match, arguments)[0].Steps[0].Leaves
		want.Text = leaves[0].Text
		if !reflect.DeepEqual(leaves[0], want) {
			t.Errorf("%s\nis explained as %+v\nwant            %+v", match, leaves[0], want)
		}
	}
}

// TestLiteralsAreBounded holds that no value is written long, or as what is no text.
func TestLiteralsAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var value any = rapid.String().Draw(t, "text") + string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		for range rapid.IntRange(0, 300).Draw(t, "depth") {
			if rapid.Bool().Draw(t, "list") {
				value = []any{value, value}
			} else {
				value = map[string]any{"a": value, strings.Repeat("k", 50): value}
			}
		}
		text := literal(types.DefaultTypeAdapter.NativeToValue(value), rapid.IntRange(0, 100).Draw(t, "at"))
		if !utf8.ValidString(text) || len(text) > 20*maxShown {
			t.Fatalf("%d bytes: %q", len(text), text)
		}
	})
}
