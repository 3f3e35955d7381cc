package sigma_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/sigma"
)

// TestDefaultMappingNamesFieldsThatRulesRead holds the mapping against what expressions can read.
func TestDefaultMappingNamesFieldsThatRulesRead(t *testing.T) {
	data, err := os.ReadFile("mapping.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Fields map[string]any    `yaml:"fields"`
		Names  map[string]string `yaml:"names"`
	}
	if err := yaml.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, f := range rule.Fields() {
		known = append(known, f.Name)
	}
	for name := range m.Fields {
		if !slices.Contains(known, name) {
			t.Errorf("rules have no field %s", name)
		}
	}
	for name, target := range m.Names {
		if target == "event.time" || strings.HasSuffix(name, ".*") {
			continue
		}
		value := "5"
		if target == "result.is_error" {
			value = "true"
		}
		done := translate(t, detection("s: {'"+name+"': "+value+"}\nf: {'"+name+"': "+value+"}\ncondition: s and not f"))
		match(t, done)
		compile(t, done)
	}
}

func TestMappingLaidOver(t *testing.T) {
	m, err := mapping(t).With("own.yaml", []byte(`
fields:
  'call.args_text.size()': {type: number, present: 'event.method == "tools/call" || false'}
names: {length: call.args_text.size(), tool: agent.name, user: ""}
keywords: event.normal
logsources: {chat: 'event.kind == "request" || event.kind == "response"'}
`))
	if err != nil {
		t.Fatal(err)
	}
	translate := func(text string) sigma.Import {
		return sigma.Translate([]sigma.File{{Name: "r.yml", Data: []byte(text)}}, m)
	}
	for text, want := range map[string]string{
		detection("s: {length|gt: 5}\ncondition: s"):                                               `(call.args_text.size()) > 5`,
		detection("s: {length|gt: 5}\ncondition: not s"):                                           `!((event.method == "tools/call" || false) && (call.args_text.size()) > 5)`,
		detection("s: {tool: A}\ncondition: s"):                                                    `agent.name.lowerAscii() == "a"`,
		detection("s: [A]\ncondition: s"):                                                          `event.normal.contains("a")`,
		strings.Replace(detection("s: {tool: a}\ncondition: s"), "mcp}", "mcp, service: chat}", 1): `(event.kind == "request" || event.kind == "response") && agent.name.lowerAscii() == "a"`,
	} {
		done := translate(text)
		if got := match(t, done); strings.Join(strings.Fields(got), " ") != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		compile(t, done)
	}
	if done := translate(detection("s: {user: a}\ncondition: s")); len(done.Refused) != 1 {
		t.Errorf("a name taken away is mapped: %v", done)
	}
}

func TestMappingMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"names: {a: nothing}":                        `reading the mapping own.yaml: names: a: "nothing" is not under fields`,
		"names: {a: call.args}":                      "reading the mapping own.yaml: names: a: only NAME.* stands for the members of a field of type args or headers",
		"names: {'a.*': call.tool}":                  "reading the mapping own.yaml: names: a.*: only NAME.* stands for the members of a field of type args or headers",
		"keywords: call.args":                        `reading the mapping own.yaml: keywords: "call.args" must be a field of type text or lines`,
		"fields: {a: {type: word}}":                  `reading the mapping own.yaml: fields: a: type "word" must be one of [text lines list number bool time args headers]`,
		"wrong: 1":                                   "reading the mapping own.yaml: [1:1] unknown field \"wrong\"\n>  1 | wrong: 1\n       ^\n",
		"keywords: '" + strings.Repeat("a", 1<<20+1): "reading the mapping own.yaml: 1048588 bytes, at most 1048576 are read",
	} {
		if _, err := mapping(t).With("own.yaml", []byte(text)); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
