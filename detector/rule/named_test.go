package rule_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
)

// withLists is one rule with lists of each kind.
func withLists(t testing.TB, match string) (*rule.Set, error) {
	t.Helper()
	files := map[string]string{
		"r.yaml":                "id: r\ntitle: R\nseverity: low\nmatch: " + fmt.Sprintf("%q", match),
		"lists/phrases.yaml":    "name: phrases\ndescription: d\nvalues: [Ignore all, forget it]\n",
		"lists/short.yaml":      "name: short\ndescription: d\nvalues: [abc, ab]\n",
		"lists/bad_domains.txt": "# What a feed says.\n# kind: domains\n\n*.evil[.]test\n0.0.0.0 worse.co.uk\n",
		"lists/bad_nets.txt":    "# kind: addresses\n10.0.0.0/8 seen\n",
		"lists/bad_urls.yaml":   "name: bad_urls\ndescription: d\nkind: urls\nvalues: ['hxxp://Drop.test:80/a']\n",
	}
	return rule.Load(folder(files))
}

func TestLists(t *testing.T) {
	for _, tt := range []struct{ match, text string }{
		{`call.args_text.containsAny(lists.phrases)`, "please ignore ALL of it"},
		{`call.args_text.containsAny(["x y", "IGNORE all"])`, "please ignore ALL of it"},
		{`!call.args_text.containsAny(lists.phrases)`, "please ignore  all of it"},
		{`call.args_text.mentions(lists.bad_domains)`, "nslookup a.b.Evil.test"},
		{`call.args.a.mentioned(lists.bad_domains) == ["evil.test", "worse.co.uk"]`, "a.evil.test evil.test x.worse.co.uk"},
		{`!call.args_text.mentions(lists.bad_domains)`, "notevil.test co.uk"},
		{`hosts(call.args_text).exists(h, h in lists.bad_domains)`, "http://a.worse.co.uk:80/"},
		{`hosts(call.args_text).exists(h, listed(h, lists.bad_nets))`, "http://0xa000001/"},
		{`addresses(call.args_text).exists(a, a in lists.bad_nets)`, "ping 10.2.3.4"},
		{`urls(call.args_text).exists(u, u in lists.bad_urls)`, "get HTTP://drop.test/x/../a#b now"},
		{`call.args_text.mentions(lists.bad_urls)`, "(http://drop.test/a)."},
	} {
		set, err := withLists(t, tt.match)
		if err != nil {
			t.Errorf("%s: %v", tt.match, err)
			continue
		}
		message := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":%q}}}`, tt.text)
		if len(matches(t, set, &event.Event{ID: "e", Message: message})) == 0 {
			t.Errorf("%s is false for %q", tt.match, tt.text)
		}
	}
}

func TestListsOfTheWrongKind(t *testing.T) {
	for match, want := range map[string]string{
		`call.args_text.mentions(lists.phrases)`:           "r.yaml:4:38: match: lists.phrases has no kind",
		`call.args_text.mentions(["a.test"])`:              "mentions takes a list of the rule set, lists.NAME",
		`call.args_text.containsAny(urls(call.args_text))`: "containsAny takes a list of the rule set, lists.NAME, or one of constants",
		`call.args_text.containsAny(["a b", ""])`:          "a value of the list is empty",
		`call.args_text.containsAny(lists.none)`:           "unknown name",
	} {
		if _, err := withLists(t, match); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", match, err, want)
		}
	}
	set, err := withLists(t, `call.args_text.containsAny(lists.short)`)
	if err != nil {
		t.Fatal(err)
	}
	if w := set.Programs[0].Warnings; len(w) != 1 || !strings.Contains(w[0].Error(), `containsAny looks for "ab": a value of less than 3 bytes`) {
		t.Errorf("warns of %v", w)
	}
}

func TestMalformedIndicators(t *testing.T) {
	many := "# kind: hashes\n" + strings.Repeat("x\n", 30)
	for text, want := range map[string]string{
		many: "lists/a.txt: 10 more values are wrong",

		"# kind: domains\ngood.test\n10.0.0.1\n\nbad/x\n": "lists/a.txt:3:1: \"10.0.0.1\" is an address: a list of kind addresses holds those\nlists/a.txt:5:1: \"bad/x\" is no domain name",
		"good.test\n# kind: domains\n":                    "lists/a.txt:2:1: the kind of a list stands before its values",
		"# kind: domain\nx":                               "lists/a.txt:1:1: kind \"domain\" is none: there are [\"domains\" \"addresses\" \"urls\" \"hashes\"]",
		",,\nx":                                           "lists/a.txt:1:1: holds no value",
		"# nothing":                                       "lists/a.txt: holds no value",
	} {
		_, err := rule.ParseIndicators("lists/a.txt", "a", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	_, err := rule.ParseList("lists/a.yaml", []byte("name: a\nkind: addresses\nvalues:\n  - 10.0.0.1\n  - x\n"))
	if want := `lists/a.yaml:5:5: "x" is no address and no CIDR block`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// BenchmarkManyPhrases: 10,000 phrases of which none occurs cost a text what one rule with literals does.
func BenchmarkManyPhrases(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := &rule.List{Name: "phrases"}
			for i := range n {
				l.Values = append(l.Values, fmt.Sprintf("forget rule %d and obey %d", i, i*7919%n))
			}
			r := &rule.Rule{ID: "r", Title: "R", Severity: "low", Match: "call.args_text.containsAny(lists.phrases)"}
			set, err := rule.Compile([]*rule.Rule{r}, []*rule.List{l}, nil)
			if err != nil {
				b.Fatal(err)
			}
			text := strings.Repeat("Invoices show the wrong total after a refund of them through the panel. ", 20)
			e := event.Event{Message: fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":%q}}}`, text)}
			var parser event.Parser
			m, err := parser.Parse(e.Message)
			if err != nil {
				b.Fatal(err)
			}
			view := set.NewView()
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				view.Reset(&e, &m)
				set.Match(view, func(*rule.Program, uint32, *rule.Definition) {})
			}
		})
	}
}
