package main

import (
	"testing"
	"testing/fstest"

	detectrule "github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/ruletest"
)

// BenchmarkCount is one count by actor, of whom there are 20,000, over every call.
func BenchmarkCount(b *testing.B) {
	c := theCorpus(b)
	set, err := detectrule.Load(detectrule.Folder{Name: "count", Files: fstest.MapFS{"count.yaml": {Data: []byte(`
id: many-calls
title: Many calls of one actor
severity: high
count: {when: event.method == "tools/call", by: [actor], within: 5m, at_least: 60000}
`)}}})
	if err != nil {
		b.Fatal(err)
	}
	w, n := newWorker(set), 0
	measure(b, func() error {
		n++
		return w.event(c.events[n%len(c.events)])
	})
	if keys := w.engine.Counts().Keys; keys == 0 {
		b.Error("nothing was counted")
	}
}

// BenchmarkLoad compiles 1,000 rules and runs their tests.
func BenchmarkLoad(b *testing.B) {
	rules, err := readRules(generated(b, "rules-1000.json"))
	if err != nil {
		b.Fatal(err)
	}
	never := 0
	for n := range rules {
		if !rules[n].satisfiable() {
			never++
		}
	}
	files := folder(rules)
	measure(b, func() error {
		set, err := detectrule.Load(files)
		if err != nil {
			return err
		}
		failed := 0
		for _, result := range ruletest.Run(set) {
			failed += result.Failed()
		}
		if failed != never {
			b.Errorf("%d tests failed, want %d", failed, never)
		}
		return nil
	})
}
