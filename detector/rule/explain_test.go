package rule

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

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
			{Text: `call.args_text.startsWith("a")`, True: true, Values: []string{`call.args_text = "a` + strings.Repeat("é", 39) + `…"`}},
			{Text: `call.args.path == "a"`, Values: []string{`call.args.path = "a` + strings.Repeat("é", 39) + `…"`}},
			{Text: "true", True: true},
		}},
		{`call.args["path"] == "a" || call.args.other.deep == "b" || call.args.size() == 0`, []Leaf{
			{Text: `call.args["path"] == "a"`, Values: []string{`call.args["path"] = "a` + strings.Repeat("é", 39) + `…"`}},
			{Text: `call.args.other.deep == "b"`, Absent: true, Values: []string{"call.args.other.deep is absent"}},
			{Text: "call.args.size() == 0", Values: []string{`call.args = "map[path:a` + strings.Repeat("é", 35) + `…"`}},
		}},
		{`call.args.path.contains("needle") || call.args_text.lowerAscii().matches("n[e]+dle") || call.args_text.contains("a")`, []Leaf{
			{Text: `call.args.path.contains("needle")`, True: true, Values: []string{`call.args.path = "…` + strings.Repeat("é", 10) + `needle` + strings.Repeat("é", 27) + `…"`}},
			{Text: `call.args_text.lowerAscii().matches("n[e]+dle")`, True: true, Values: []string{`call.args_text = "…` + strings.Repeat("é", 10) + `needle` + strings.Repeat("é", 27) + `…"`}},
			{Text: `call.args_text.contains("a")`, True: true, Values: []string{`call.args_text = "a` + strings.Repeat("é", 39) + `…"`}},
		}},
	} {
		set, err := Compile([]*Rule{{ID: "r", Title: "R", Severity: "low", Match: test.match}}, []*List{{Name: "words", Values: []string{"read"}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		e := event.Event{Message: fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"path":"a%sneedle%s"}}}`, strings.Repeat("é", 100), strings.Repeat("é", 100))}
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
		if got := explained[0].Steps[0].Leaves; !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s\nis explained as %+v\nwant            %+v", test.match, got, test.want)
		}
	}
}
