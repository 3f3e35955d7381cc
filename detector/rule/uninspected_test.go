package rule

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/event"
)

// uninspected is what a view says of a message.
func uninspected(t testing.TB, view *View, message string) int64 {
	t.Helper()
	e := event.Event{Message: []byte(message)}
	var parser event.Parser
	m, err := parser.Parse(e.Message)
	if err != nil {
		t.Fatal(err)
	}
	view.Reset(&e, &m)
	return view.Uninspected()
}

func newView(t testing.TB) *View {
	t.Helper()
	set, err := Compile(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return set.NewView()
}

// TestUninspected says what of messages no text shows: a long text is shown to 65,536 bytes.
func TestUninspected(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	tool := func(description string) string { return fmt.Sprintf(`{"name":"tool","description":%q}`, description) }
	many := strings.TrimSuffix(strings.Repeat(tool(x(10_000))+",", 30), ",")
	few := strings.TrimSuffix(strings.Repeat(tool(x(10_000))+",", 16), ",")
	const names = len("name\ntool\ndescription\n") // of a tool, which definition.text has too
	view := newView(t)
	for name, test := range map[string]struct {
		message string
		want    int
	}{
		"a usual answer":        {`{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"x"}]}}`, 0},
		"a text that just fits": {`{"jsonrpc":"2.0","id":1,"result":{"x":"` + x(65_536) + `"}}`, 0},
		"a long text":           {`{"jsonrpc":"2.0","id":1,"result":{"x":"` + x(65_536+1000) + `"}}`, 1000},
		"long arguments":        {`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"x":"` + x(65_536) + `"}}}`, 2},
		"many tools":            {`{"jsonrpc":"2.0","id":1,"result":{"tools":[` + many + `]}}`, 0},
		"a long tool":           {`{"jsonrpc":"2.0","id":1,"result":{"tools":[` + tool(x(65_536+1000)) + `]}}`, 1000 + names},
		"a long tool of names":  {`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"t","` + x(65_536) + `":1}]}}`, len("name\nt\n")},
		"a text after tools":    {`{"jsonrpc":"2.0","id":1,"result":{"tools":[` + many + `],"x":"` + x(20_000) + `"}}`, 20_000 - 16_384},
		"a text among tools":    {`{"jsonrpc":"2.0","id":1,"result":{"tools":[` + many + `],"x":"` + x(5_000) + `","prompts":[` + few + `]}}`, 5_000 + 1},
		"a text before tools":   {`{"jsonrpc":"2.0","id":1,"result":{"x":"` + x(5_000) + `","tools":[` + many + `]}}`, 0},
		"tools twice":           {`{"jsonrpc":"2.0","id":1,"result":{"tools":[` + many + `],"tools":[` + many + `]}}`, 30*(10_000+len("tool\n")+1) - 49_152},
		"instructions":          {`{"jsonrpc":"2.0","id":1,"result":{"instructions":"` + x(65_536+1000) + `"}}`, 1000},
		"a long name":           {`{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"` + x(65) + `":1}}}`, 65},
		"a short name":          {`{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"` + x(64) + `":1}}}`, 0},
		"an empty tool":         {`{"jsonrpc":"2.0","id":1,"result":{"tools":[{` + strings.Repeat(" ", 70_000) + `}]}}`, 0},
		"a long name in a tool": {`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"t","inputSchema":{"properties":{"` + x(500) + `":{}}}}]}}`, 0},
		"and one beside it":     {`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"t","` + x(500) + `":{}}],"` + x(70) + `":1}}`, 70},
	} {
		if got := uninspected(t, view, test.message); got != int64(test.want) {
			t.Errorf("%s: %d bytes, want %d", name, got, test.want)
		}
	}
	e := event.Event{Raw: x(65_536 + 10)}
	view.Reset(&e, &event.Message{Kind: event.KindUnknown})
	if got := view.Uninspected(); got != 10 {
		t.Errorf("what was no JSON: %d bytes, want 10", got)
	}
}

// TestUninspectedIsWhatTextsDoNotShow holds the count against the texts: messages are made of marks, and those
// that no text shows must be what is counted.
func TestUninspectedIsWhatTextsDoNotShow(t *testing.T) {
	const markBytes = len("#000000")
	view, hid := newView(t), false
	rapid.Check(t, func(t *rapid.T) {
		marks := 0
		piece := func() string {
			var b strings.Builder
			for range rapid.IntRange(0, 14_000).Draw(t, "piece") {
				fmt.Fprintf(&b, "#%06d", marks)
				marks++
			}
			return b.String()
		}
		var members []string
		texts := 0
		for _, member := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"tools", "content", "prompts", "structuredContent"}), 1, 4, rapid.ID).Draw(t, "members") {
			var items []string
			for range rapid.IntRange(1, 3).Draw(t, "items") {
				items = append(items, fmt.Sprintf(`{"name":"t","description":%q}`, piece()))
				texts += 2
			}
			members = append(members, fmt.Sprintf("%q:[%s]", member, strings.Join(items, ",")))
		}
		e := event.Event{Message: []byte(`{"jsonrpc":"2.0","id":1,"result":{` + strings.Join(members, ",") + `}}`)}
		var parser event.Parser
		m, err := parser.Parse(e.Message)
		if err != nil {
			t.Fatal(err)
		}
		view.Reset(&e, &m)
		counted := int(view.Uninspected())
		shown := map[string]bool{}
		show := func(text string) {
			for i := range len(text) - markBytes + 1 {
				if text[i] == '#' {
					shown[strings.Clone(text[i:i+markBytes])] = true
				}
			}
		}
		show(view.text("event.text"))
		for _, d := range view.definitions() {
			view.setDefinition(&d)
			show(view.text("definition.text"))
		}
		view.setDefinition(nil)
		hidden := 0
		for i := range marks {
			if !shown[fmt.Sprintf("#%06d", i)] {
				hidden += markBytes
			}
		}
		// Marks that are cut in two, line breaks and the names in definitions are what may differ; a mark at the
		// end of what one text shows and the beginning of what another does is seen by both.
		slack := texts * (2*markBytes + len("name\ndescription\n"))
		if counted < hidden-slack || counted > hidden+slack {
			t.Errorf("%d bytes are hidden, %d are counted", hidden, counted)
		}
		hid = hid || hidden > slack
	})
	if !hid {
		t.Error("nothing was hidden: it was not put to the test")
	}
}
