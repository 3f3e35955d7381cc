package rule

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/event"
)

// manyRules are rules of the usual forms, each under another thing of an event.
func manyRules(n int) []*Rule {
	forms := []string{
		`event.method == "tools/call" && call.tool in ["tool_%[1]d", "other_%[1]d"] && call.args_text.lowerAscii().contains("secret number %[1]d")`,
		`result.text.lowerAscii().contains("forget rule %[1]d") || result.text.lowerAscii().contains("instead of %[1]d")`,
		`event.method == "tools/call" && server.id == "server-%[1]d" && call.tool in ["tool_%[1]d"]`,
		`result.text.matches("(?i)number\\s+%[1]d\\s+(?:is|was)\\s+hidden")`,
		`call.tool.lowerAscii() in ["spawn_%[1]d", "kill_%[1]d"] && measured.size > %[1]d`,
		`definition.text.contains("definition %[1]d") && definition.name == "tool_%[1]d"`,
		`event.method == "tools/call" && call.args_text.contains("--flag-%[1]d")`,
	}
	var rules []*Rule
	for i := range n {
		rules = append(rules, &Rule{ID: fmt.Sprintf("r%05d", i), Title: "R", Severity: "low", Match: fmt.Sprintf(forms[i%len(forms)], i)})
	}
	return rules
}

// answer is an answer of a tool, with its request.
func answer(t testing.TB, arguments, result string) (event.Event, event.Message) {
	t.Helper()
	e := event.Event{
		Server:  event.Server{ID: "files"},
		Request: &event.Request{Event: "r", Method: "tools/call", Name: "Read_File", Arguments: fmt.Appendf(nil, `{"path":%q}`, arguments)},
		Message: fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":%q}]}}`, result),
	}
	var parser event.Parser
	m, err := parser.Parse(e.Message)
	if err != nil {
		t.Fatal(err)
	}
	return e, m
}

const (
	usualArguments = "/srv/projects/billing/docs/2026/Refunds and totals.md"
	usualResult    = "Invoices show the wrong total after a refund.\n1. Open the dashboard and choose a customer with two paid invoices.\n" +
		"2. Refund one of them through the admin panel.\n3. Go back to the list: the total stays at 1,249.50 EUR until the cache expires."
)

// TestMatchOfNothingDoesNotAllocate: most events meet no rule, and must not make work for the
// collector of garbage.
func TestMatchOfNothingDoesNotAllocate(t *testing.T) {
	set, err := Compile(manyRules(200), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, m := answer(t, usualArguments, usualResult)
	view, found := set.NewView(), 0
	count := func(*Program, uint32, *Definition) { found++ }
	match := func() {
		view.Reset(&e, &m)
		set.Match(view, count)
	}
	match()
	if n := testing.AllocsPerRun(20, match); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if found != 0 {
		t.Errorf("%d found: it was not put to the test", found)
	}
	for _, word := range view.scratch.event.picked {
		if word != 0 {
			t.Error("a rule was picked")
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		set, err := Compile(manyRules(n), nil, nil)
		if err != nil {
			b.Fatal(err)
		}
		every := ""
		for i := range n {
			every += fmt.Sprintf("forget rule %[1]d number %[1]d is hidden, ", i)
		}
		for _, event := range []struct{ name, result string }{
			{"usual", usualResult},
			{"every literal", strings.Repeat(every, 48<<10/len(every)+1)[:48<<10]},
		} {
			b.Run(fmt.Sprintf("rules=%d/%s", n, event.name), func(b *testing.B) {
				e, m := answer(b, usualArguments, event.result)
				view := set.NewView()
				b.ReportAllocs()
				b.SetBytes(int64(len(e.Message)))
				for b.Loop() {
					view.Reset(&e, &m)
					set.Match(view, func(*Program, uint32, *Definition) {})
				}
			})
		}
	}
}
