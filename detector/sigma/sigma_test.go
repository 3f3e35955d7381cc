package sigma_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/sigma"
)

var update = flag.Bool("update", false, "write the golden files")

// mapping is the default one, laid over where the present rules cannot read a field yet.
func mapping(t testing.TB) *sigma.Mapping {
	t.Helper()
	m, err := sigma.DefaultMapping()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// translate turns one file into rules.
func translate(t testing.TB, text string) sigma.Import {
	t.Helper()
	return sigma.Translate([]sigma.File{{Name: "r.yml", Data: []byte(text)}}, mapping(t))
}

// detection is a rule with a detection, which is given without its indent.
func detection(text string) string {
	return "title: T\nlogsource: {product: mcp}\ndetection:\n  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
}

// match is the expression of an import's one rule.
func match(t testing.TB, done sigma.Import) string {
	t.Helper()
	if len(done.Rules) != 1 || len(done.Refused) > 0 {
		t.Fatalf("%d rules, refused: %v", len(done.Rules), done.Refused)
	}
	var r struct {
		Match string `yaml:"match"`
	}
	if err := yaml.Unmarshal(done.Rules[0].YAML, &r); err != nil {
		t.Fatalf("%v\n%s", err, done.Rules[0].YAML)
	}
	return r.Match
}

// parsed reads the import's rules.
func parsed(t testing.TB, done sigma.Import) []*rule.Rule {
	t.Helper()
	var rules []*rule.Rule
	for _, r := range done.Rules {
		parsed, err := rule.Parse(r.ID+".yaml", r.YAML)
		if err != nil {
			t.Fatalf("%v\n%s", err, r.YAML)
		}
		rules = append(rules, parsed)
	}
	return rules
}

// compile compiles the import's rules.
func compile(t testing.TB, done sigma.Import) {
	t.Helper()
	if _, err := rule.Compile(parsed(t, done), nil, nil); err != nil {
		t.Fatalf("%v\n%s", err, done.Rules[0].YAML)
	}
}

// TestDetection holds expressions against what they should be, and compiles them.
func TestDetection(t *testing.T) {
	for name, test := range map[string]struct{ detection, want string }{
		"a word of the protocol": {"s: {method: Tools/Call}\ncondition: s", `event.method == "tools/call"`},
		"equality":               {"s: {tool: Read_File}\ncondition: s", `call.tool.lowerAscii() == "read_file"`},
		"one of several":         {"s: {tool: [A, b]}\ncondition: s", `call.tool.lowerAscii() in ["a", "b"]`},
		"cased":                  {"s: {tool|cased: [A, b]}\ncondition: s", `call.tool in ["A", "b"]`},
		"a number for a text":    {"s: {tool: 0x10}\ncondition: s", `call.tool.lowerAscii() == "0x10"`},
		"contains":               {"s: {tool|contains: Foo}\ncondition: s", `call.tool.lowerAscii().contains("foo")`},
		"contains one of": {
			"s: {result_text|contains: [Foo, bar]}\ncondition: s",
			`result.text.lowerAscii().contains("foo") || result.text.lowerAscii().contains("bar")`,
		},
		"contains all": {
			"s: {result_text|contains|all: [Foo, bar]}\ncondition: s",
			`result.text.lowerAscii().contains("foo") && result.text.lowerAscii().contains("bar")`,
		},
		"startswith":                {"s: {tool|startswith: Foo}\ncondition: s", `call.tool.lowerAscii().startsWith("foo")`},
		"endswith":                  {"s: {tool|endswith: Foo}\ncondition: s", `call.tool.lowerAscii().endsWith("foo")`},
		"lower case already":        {"s: {call.args_normal|contains: Foo}\ncondition: s", `call.args_normal.contains("foo")`},
		"beyond ASCII":              {"s: {tool|contains: É}\ncondition: s", `call.tool.matches("(?i)É")`},
		"beyond ASCII without case": {"s: {tool|contains: 中}\ncondition: s", `call.tool.lowerAscii().contains("中")`},
		"a line of several":         {"s: {args_text: a.b}\ncondition: s", `call.args_text.matches("(?im)^a\\.b$")`},
		"a line's start":            {"s: {args_text|startswith: a}\ncondition: s", `call.args_text.matches("(?im)^a")`},
		"wildcard at the end":       {"s: {tool: 'get*'}\ncondition: s", `call.tool.lowerAscii().startsWith("get")`},
		"wildcards around":          {"s: {tool: '*get*'}\ncondition: s", `call.tool.lowerAscii().contains("get")`},
		"wildcards within":          {"s: {tool: 'a*b?c'}\ncondition: s", `call.tool.matches("(?is)^a.*b.c$")`},
		"anything":                  {"s: {tool: '*'}\ncondition: s", `call.tool != ""`},
		"escapes":                   {`s: {tool: 'C:\a\*\\\?'}` + "\ncondition: s", `call.tool.lowerAscii() == "c:\\a*\\?"`},
		"an escaped backslash":      {`s: {tool: 'a\\*'}` + "\ncondition: s", `call.tool.lowerAscii().startsWith("a\\")`},
		"empty":                     {"s: {tool: ''}\ncondition: s", `call.tool == ""`},
		"empty is absent":           {"s: {user: ''}\ncondition: s", `!(has(principal.subject))`},
		"null":                      {"s: {tool: null}\ncondition: s", `!(has(call.tool)) || call.tool == ""`},
		"null of a header":          {"s: {http.request.headers.Origin: null}\ncondition: s", `!((has(http.headers) && "origin" in http.headers)) || http.headers["origin"] == ""`},
		"exists":                    {"s: {tool|exists: true}\ncondition: s", `has(call.tool)`},
		"exists not":                {"s: {resource_uri|exists: false}\ncondition: s", `!(has(resource.uri))`},
		"numbers":                   {"s: {error_code: -32603}\ncondition: s", `error.code == -32603`},
		"order":                     {"s: {event.size|gt: 5, event.size|lte: 1_000}\ncondition: s", `event.size > 5 && event.size <= 1000`},
		"a fraction":                {"s: {event.size|gte: 2.5}\ncondition: s", `event.size >= 2.5`},
		"true":                      {"s: {is_error: true}\ncondition: s", `result.is_error`},
		"false":                     {"s: {is_error: false}\ncondition: s", `result.is_error == false`},
		"neq":                       {"s: {tool|neq: [a, b]}\ncondition: s", `!(has(call.tool) && call.tool.lowerAscii() in ["a", "b"])`},
		"re":                        {`s: {tool|re: '^a\d+$'}` + "\ncondition: s", `call.tool.matches("^a\\d+$")`},
		"re with flags":             {"s: {tool|re|i|s: a.b}\ncondition: s", `call.tool.matches("(?is)a.b")`},
		"re on lines":               {"s: {args_text|re: ^a$}\ncondition: s", `call.args_text.matches("(?m)^a$")`},
		"base64":                    {"s: {args_text|base64|contains: cmd}\ncondition: s", `call.args_text.contains("Y21k")`},
		"wide base64":               {"s: {args_text|wide|base64|contains: cmd}\ncondition: s", `call.args_text.contains("YwBtAGQA")`},
		"base64offset": {
			"s: {args_text|base64offset|contains: /bin/sh}\ncondition: s",
			`call.args_text.contains("L2Jpbi9za") || call.args_text.contains("9iaW4vc2") || call.args_text.contains("vYmluL3No")`,
		},
		"windash":         {"s: {args_text|windash|contains: ' -enc'}\ncondition: s", `call.args_text.matches("(?i) [-/–—―]enc")`},
		"cidr":            {"s: {src_ip|cidr: 10.32.0.0/11}\ncondition: s", `http.client_ip.matches("^10\\.(?:32|33|34|35|36|37|38|39|40|41|42|43|44|45|46|47|48|49|50|51|52|53|54|55|56|57|58|59|60|61|62|63)\\.[0-9]{1,3}\\.[0-9]{1,3}$")`},
		"cidr of octets":  {"s: {src_ip|cidr: 192.168.0.0/16}\ncondition: s", `http.client_ip.matches("^192\\.168\\.[0-9]{1,3}\\.[0-9]{1,3}$")`},
		"fieldref":        {"s: {agent.name|fieldref: server.name}\ncondition: s", `agent.name.lowerAscii() == server.name.lowerAscii()`},
		"fieldref within": {"s: {args_text|contains|fieldref: server.url}\ncondition: s", `call.args_text.lowerAscii().contains(server.url.lowerAscii())`},
		"a list's texts":  {"s: {scopes|contains: Admin}\ncondition: s", `principal.scopes.exists(x, x.lowerAscii().contains("admin"))`},
		"a list has any":  {"s: {scopes: null}\ncondition: s", `!(has(principal.scopes))`},
		"an argument": {
			"s: {arguments.path|contains: .ssh}\ncondition: s", `string(call.args["path"]).lowerAscii().contains(".ssh")`,
		},
		"an argument's member": {"s: {parameters.a.b|gt: 5}\ncondition: s", `call.args["a"]["b"] > 5`},
		"no argument": {
			"s: {arguments.path|exists: false}\ncondition: s", `!((has(call.args) && "path" in call.args))`,
		},
		"a header":       {"s: {http.request.headers.Origin|startswith: http}\ncondition: s", `http.headers["origin"].lowerAscii().startsWith("http")`},
		"time of day":    {"s: {timestamp|hour|gte: 22}\ncondition: s", `event.time.getHours() >= 22`},
		"month":          {"s: {timestamp|month: 3}\ncondition: s", `event.time.getMonth() + 1 == 3`},
		"keywords":       {"keywords: [Foo, 'a*b']\ncondition: keywords", `event.text.lowerAscii().contains("foo") || event.text.matches("(?is)a.*b")`},
		"all keywords":   {"keywords: {'|all': [Foo, bar]}\ncondition: keywords", `event.text.lowerAscii().contains("foo") && event.text.lowerAscii().contains("bar")`},
		"maps in a list": {"s: [{tool: a}, {user: b, tool: c}]\ncondition: s", `call.tool.lowerAscii() == "a" || (principal.subject.lowerAscii() == "b" && call.tool.lowerAscii() == "c")`},
		"and not": {
			"s: {tool: a}\nf: {user: b}\ncondition: s and not f", `call.tool.lowerAscii() == "a" && !(has(principal.subject) && principal.subject.lowerAscii() == "b")`,
		},
		"not of what may be absent": {
			"s: {tool: a}\nf: {result_text|contains: b}\ncondition: NOT f",
			`!(has(result.text) && result.text.lowerAscii().contains("b"))`,
		},
		"not of two absent": {
			"f: {tool: a, result_text|contains: b}\ncondition: not f",
			`!((has(call.tool) && call.tool.lowerAscii() == "a") && (has(result.text) && result.text.lowerAscii().contains("b")))`,
		},
		"precedence": {
			"a: {user: a}\nb: {user: b}\nc: {user: c}\ncondition: a or b and c",
			`principal.subject.lowerAscii() == "a" || (principal.subject.lowerAscii() == "b" && principal.subject.lowerAscii() == "c")`,
		},
		"brackets": {
			"a: {user: a}\nb: {user: b}\nc: {user: c}\ncondition: (a or b) and c",
			`(principal.subject.lowerAscii() == "a" || principal.subject.lowerAscii() == "b") && principal.subject.lowerAscii() == "c"`,
		},
		"1 of":       {"sel_a: {user: a}\nsel_b: {user: b}\nx: {user: c}\ncondition: 1 of sel_*", `principal.subject.lowerAscii() == "a" || principal.subject.lowerAscii() == "b"`},
		"all of":     {"sel_a: {user: a}\nsel_b: {user: b}\nx: {user: c}\ncondition: all of sel*", `principal.subject.lowerAscii() == "a" && principal.subject.lowerAscii() == "b"`},
		"1 of them":  {"a: {user: a}\nb: {user: b}\n_c: {user: c}\ncondition: 1 of them", `principal.subject.lowerAscii() == "a" || principal.subject.lowerAscii() == "b"`},
		"all of one": {"a: {user: a}\ncondition: all of them", `principal.subject.lowerAscii() == "a"`},
		"conditions": {"a: {user: a}\nb: {user: b}\ncondition: [a, b]", `principal.subject.lowerAscii() == "a" || principal.subject.lowerAscii() == "b"`},
		"unused and unmapped": {
			"a: {user: a}\nb: {whatever: b}\ncondition: a", `principal.subject.lowerAscii() == "a"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			done := translate(t, detection(test.detection))
			if got := match(t, done); strings.Join(strings.Fields(got), " ") != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			compile(t, done)
		})
	}
}

func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"an unmapped field":    {detection("s:\n  whatever|contains: a\ncondition: s"), "r.yml:5: whatever: no field of ours is mapped to it"},
		"expand":               {detection("s:\n  user|expand: '%a%'\ncondition: s"), "r.yml:5: user|expand: modifier expand: its placeholders are filled in by the site that has them"},
		"an unknown modifier":  {detection("s: {tool|in: [a]}\ncondition: s"), `r.yml:4: tool|in: modifier "in" is not known`},
		"two modifiers":        {detection("s: {tool|contains|re: a}\ncondition: s"), "r.yml:4: tool|contains|re: modifiers contains and re exclude each other"},
		"a look-ahead":         {detection("s:\n  tool|re:\n    - a\n    - a(?=b)\ncondition: s"), `r.yml:7: tool|re: the pattern has a look-ahead, "(?=", which RE2 has not`},
		"a look-behind":        {detection("s: {tool|re: (?<!a)b}\ncondition: s"), `r.yml:4: tool|re: the pattern has a look-behind, "(?<!", which RE2 has not`},
		"a back-reference":     {detection(`s: {tool|re: '(a)\1'}` + "\ncondition: s"), `r.yml:4: tool|re: the pattern has a back-reference, "\\1", which RE2 has not`},
		"a slow one":           {detection("s: {tool|re: '[ab]a[ab]{90}c'}\ncondition: s"), "r.yml:4: tool|re: the pattern copies what it repeats up to 90 times, at most 64 are taken: repeat one class, such as [^.]{0,80} or [a-z]{8,}, which is counted, not a group or exactly so often; or write several patterns"},
		"a possessive":         {detection("s: {tool|re: a++}\ncondition: s"), `r.yml:4: tool|re: the pattern has a possessive or doubled repeat, "++", which RE2 has not`},
		"an atomic group":      {detection("s: {tool|re: (?>a)b}\ncondition: s"), `r.yml:4: tool|re: the pattern has an atomic group, "(?>", which RE2 has not`},
		"a short offset":       {detection("s: {args_text|base64offset|contains: a}\ncondition: s"), `r.yml:4: args_text|base64offset|contains: "a" is too short for base64offset: at one of its three places nothing of it is sure`},
		"text order":           {detection("s: {tool|gt: 5}\ncondition: s"), "r.yml:4: tool|gt: call.tool is not a number"},
		"no number":            {detection("s: {size|gt: x}\ncondition: s"), `r.yml:4: size|gt: "x" is not a number`},
		"text in a number":     {detection("s: {size|contains: 5}\ncondition: s"), "r.yml:4: size|contains: measured.size is a number, not a text"},
		"IPv6":                 {detection("s: {src_ip|cidr: '2001:db8::/32'}\ncondition: s"), "r.yml:4: src_ip|cidr: an IPv6 address has several texts: name it by contains, or write the rule by hand"},
		"exists of a size":     {detection("s: {event.size|exists: false}\ncondition: s"), "r.yml:4: event.size|exists: nothing tells whether an event has event.size"},
		"aggregation":          {detection("s: {tool: a}\ncondition: s | count() > 5"), "r.yml:5: condition: what follows | is not of Sigma 2: write a correlation"},
		"timeframe":            {detection("s: {tool: a}\ntimeframe: 5m\ncondition: s"), "r.yml:5: timeframe: is not of Sigma 2: write a correlation"},
		"two of":               {detection("s: {tool: a}\ncondition: 2 of s*"), `r.yml:5: condition: "2" of selections cannot be asked for: 1, any and all can`},
		"an unknown selection": {detection("s: {tool: a}\ncondition: t"), `r.yml:5: condition: there is no selection "t"`},
		"an open bracket":      {detection("s: {tool: a}\ncondition: (s or s"), "r.yml:5: condition: a bracket is not closed"},
		"no condition":         {detection("s: {tool: a}"), "r.yml:4: condition: is missing"},
		"an empty selection":   {detection("s: []\ncondition: s"), "r.yml:4: s: the selection is empty"},
		"an empty text":        {detection("s: {tool|contains: ''}\ncondition: s"), "r.yml:4: tool|contains: an empty text is part of every text"},
		"another product":      {"title: T\nlogsource:\n  product: windows\ndetection: {s: {tool: a}, condition: s}\n", `r.yml:3: logsource.product: "windows" is not mcp`},
		"a level":              {"level: bad\n" + detection("s: {tool: a}\ncondition: s"), `r.yml:1: level: "bad" must be informational, low, medium, high or critical`},
		"deprecated":           {"status: deprecated\n" + detection("s: {tool: a}\ncondition: s"), "r.yml:1: status: the rule is deprecated"},
		"a filter":             {"title: F\nfilter: {rules: [a]}\n", "r.yml:2: filter: a Sigma filter is not a rule: make it an exception"},
		"not a rule":           {"title: F\n", "r.yml:1: neither a detection nor a correlation"},
		"broken YAML":          {"---\n# T\n---\ntitle: [\n", "r.yml:4: sequence end token ']' not found"},
		"an alias":             {"a: &x b\nc: *x\n", "r.yml:1: YAML anchors, aliases, merge keys and tags are not read"},
		"too long": {
			detection("s: {tool|contains: " + strings.Repeat("a", 17*1024) + "}\ncondition: s"), "r.yml:1: the expression is longer than 16384 bytes",
		},
		"not UTF-8": {"title: \xff", "r.yml: not UTF-8"},
		"empty":     {"# nothing\n", "r.yml: no Sigma rule in it"},
	} {
		t.Run(name, func(t *testing.T) {
			done := translate(t, test.text)
			var got []string
			for _, r := range done.Refused {
				got = append(got, r.String())
			}
			if len(got) == 0 || got[0] != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// TestGolden translates the files under testdata and compares all that comes of it.
func TestGolden(t *testing.T) {
	names, err := filepath.Glob("testdata/*.yml")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			done := sigma.Translate([]sigma.File{{Name: filepath.Base(name), Data: data}}, mapping(t))
			var got strings.Builder
			for _, r := range done.Rules {
				fmt.Fprintf(&got, "### %s %s %s:%d\n%s", r.ID, r.Kind, r.File, r.Line, r.YAML)
				for _, note := range r.Notes {
					fmt.Fprintf(&got, "# NOTE %s\n", note)
				}
			}
			for _, at := range done.Inlined {
				fmt.Fprintf(&got, "### INLINED %s\n", at)
			}
			for _, r := range done.Refused {
				fmt.Fprintf(&got, "### REFUSED %s (%s)\n", r.String(), r.Title)
			}
			golden := strings.TrimSuffix(name, ".yml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("differs from %s:\n%s", golden, got.String())
			}
			compile(t, done)
		})
	}
}
