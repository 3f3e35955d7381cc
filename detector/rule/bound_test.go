package rule_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/mcpwatch/mcpwatch/detector/rule"
)

func repeated(n int, line func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(line(i))
	}
	return b.String()
}

// TestFilesAreBounded holds that what would take long to parse is refused before it is parsed. A
// test that failed here would not end soon: a file of 64 KiB of names takes seconds.
func TestFilesAreBounded(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"64 KiB of names":           {repeated(16<<10, func(int) string { return "a:\n" }), "more than 8192 names"},
		"a file of names":           {repeated(1<<17, func(i int) string { return fmt.Sprintf("%d:\n", i) }), "more than 8192 names"},
		"brackets in brackets":      {"tags: " + strings.Repeat("[", 100_000), "more than 64 levels"},
		"braces in braces":          {"tags: " + strings.Repeat("{a: ", 8_000), "more than 64 levels"},
		"dashes behind dashes":      {"tags:\n" + strings.Repeat("- ", 100_000), "more than 64 levels"},
		"question marks":            {strings.Repeat("? ", 100_000), "more than 64 levels"},
		"aliases of aliases":        {"a: &a [x, x, x, x, x, x, x, x]\n" + repeated(8, bomb), "once its aliases"},
		"an alias of what it is in": {"a: &a [*a, *a]\n", `unknown field "a"`},
		"a file too long":           {"# " + strings.Repeat("x", 1<<20), "at most 1048576 are read: put long lists"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rule.Parse("f.yaml", []byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want %s", err, test.want)
			}
		})
	}
}

// bomb is a line of a list that is eight times as long as that of the line before.
func bomb(i int) string {
	of, name := string(rune('a'+i)), string(rune('b'+i))
	return fmt.Sprintf("%s: &%s [*%s, *%s, *%s, *%s, *%s, *%s, *%s, *%s]\n", name, name, of, of, of, of, of, of, of, of)
}

// TestAliasesAreRead holds that a rule may use what the bound counts.
func TestAliasesAreRead(t *testing.T) {
	r, err := rule.Parse("f.yaml", []byte(valid+"tests:\n  - {name: a, events: [&e {message: {jsonrpc: \"2.0\"}}, *e], want: []}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(r.Tests[0].Events[1]); got != fmt.Sprint(r.Tests[0].Events[0]) {
		t.Errorf("the alias is %s", got)
	}
}

// TestNothingIsPassedOver holds that each file of a folder is read or named.
func TestNothingIsPassedOver(t *testing.T) {
	files := map[string]string{
		"a.YAML": valid, "sub/b.yml": strings.Replace(valid, "id: a-rule", "id: b-rule", 1), "README.md": "", ".hidden.yaml.swp": "", "..data/x": "",
		"lists/sub/l.Yml": "name: l\nvalues: [a]\n", "lists/m.TXT": "a\n", "sub/lists/n.csv": "a,b\n",
		"exceptions/sub/x.yaml": "id: x\nrules: [a-rule]\nwhen: call.tool in lists.l || call.tool in lists.m || call.tool in lists.n\nreason: r\nowner: o\nexpires: 2026-12-31\n",
		"overrides/o.YML":       "rules: [b-rule]\nenabled: false\nreason: r\nowner: o\n",
		"c.json":                "{}", "lists/o.md": "", "hosts.txt": "a\n", "d.yaml~": "",
	}
	f := folder(files)
	s, err := rule.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	if got := []int{len(s.Programs), len(s.Off), len(s.Exceptions), len(s.Overrides)}; fmt.Sprint(got) != "[1 1 1 1]" {
		t.Errorf("rules, rules that are off, exceptions and overrides: %v", got)
	}
	f.Files.(fstest.MapFS)["linked"] = &fstest.MapFile{Data: []byte("sub"), Mode: 0o777}
	var got []string
	for _, e := range rule.Unread(f) {
		got = append(got, e.File)
	}
	if want := "[site/c.json site/d.yaml~ site/hosts.txt site/linked site/lists/o.md]"; fmt.Sprint(got) != want {
		t.Errorf("not read: %v, want %s", got, want)
	}
}

// TestOverridesDecide holds that the content address covers what an override decides, and that a
// rule's version, by which its memory is known, stays.
func TestOverridesDecide(t *testing.T) {
	load := func(override string) *rule.Set {
		files := map[string]string{"a.yaml": valid}
		if override != "" {
			files["overrides/o.yaml"] = "rules: [a-rule]\nreason: r\nowner: o\n" + override
		}
		s, err := rule.Load(folder(files))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	seen := map[string]string{}
	for _, override := range []string{"", "enabled: false\n", "mode: shadow\n", "severity: low\n", "severity: low\nexpires: 2026-12-31\n"} {
		s := load(override)
		if other, taken := seen[s.Hash]; taken {
			t.Errorf("%q and %q have one hash", override, other)
		}
		seen[s.Hash] = override
		if len(s.Programs) > 0 && s.Programs[0].Version != load("").Programs[0].Version {
			t.Errorf("%q changes the rule's version", override)
		}
	}
}
