package rules_test

import (
	"io/fs"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/ruletest"
	"github.com/mcpwatch/mcpwatch/rules"
)

// leastRules guards against an embed pattern that matches less than it should.
const leastRules = 40

// compiled loads the catalogue once for all tests: compiling takes most of their time.
var compiled = sync.OnceValues(func() (*rule.Set, error) {
	return rule.Load(rule.Folder{Name: "rules", Files: rules.FS()})
})

func load(t *testing.T) *rule.Set {
	t.Helper()
	set, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Programs) < leastRules {
		t.Fatalf("%d rules, at least %d are known to exist", len(set.Programs), leastRules)
	}
	return set
}

// TestCatalogue holds what an analyst and an author rely on and what loading does not check.
func TestCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range load(t).Programs {
		r := p.Rule
		t.Run(r.ID, func(t *testing.T) {
			if want := r.ID + ".yaml"; path.Base(r.File()) != want {
				t.Errorf("file is %s, want %s", path.Base(r.File()), want)
			}
			if seen[r.ID] {
				t.Error("id is used twice")
			}
			seen[r.ID] = true
			if n := strings.Count(strings.TrimSpace(r.Description), ". ") + 1; n < 2 || n > 6 {
				t.Errorf("description has %d sentences, want 2 to 5", n)
			}
			if len(r.FalsePositives) == 0 {
				t.Error("false_positives is empty: every rule has some")
			}
			if r.Risk == 0 {
				t.Error("risk is missing")
			}
			checkTags(t, r.Tags)
			for _, w := range p.Warnings {
				t.Errorf("lint warns: %v", w)
			}
		})
	}
}

func checkTags(t *testing.T, tags []string) {
	t.Helper()
	if len(tags) == 0 {
		t.Error("tags are missing")
	}
	for _, tag := range tags {
		framework, id, _ := strings.Cut(tag, ".")
		prefix, known := map[string]string{"safe-mcp": "T", "owasp-mcp": "MCP", "atlas": "AML.T", "asi": "ASI"}[framework]
		if !known || !strings.HasPrefix(id, prefix) {
			t.Errorf("tag %q is of no framework known", tag)
		}
	}
}

// TestRules runs the tests that the rules carry, and holds that they show a rule from both sides: where
// it finds, where it nearly does, and each part of its conditions true and not true.
func TestRules(t *testing.T) {
	for _, r := range ruletest.Run(load(t)) {
		t.Run(r.Rule, func(t *testing.T) {
			for _, one := range r.Tests {
				t.Run(one.Name, func(t *testing.T) {
					if one.Failure != "" {
						t.Error(one.Failure)
					}
				})
			}
			for _, gap := range r.Gaps() {
				t.Error(gap)
			}
		})
	}
}

// TestLists checks that every list is read by a rule.
func TestLists(t *testing.T) {
	reads := map[string]bool{}
	for _, p := range load(t).Programs {
		for _, name := range p.Reads {
			reads[name] = true
		}
	}
	files, err := fs.Glob(rules.FS(), "lists/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no lists: %v", err)
	}
	for _, f := range files {
		if name := "lists." + strings.TrimSuffix(path.Base(f), ".yaml"); !reads[name] {
			t.Errorf("%s is read by no rule", name)
		}
	}
}
