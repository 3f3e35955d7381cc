package main

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mcpwatch/mcpwatch/collector/format"
	detectrule "github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
)

const (
	// eventCount is how many of the generated events are read, the first ones.
	eventCount = 20_000
	// checkedCount is for how many of them it is known what rules find.
	checkedCount = 5_000
)

// generated is a file of the folder that BENCH names. Without one there is nothing to measure.
func generated(tb testing.TB, name string) string {
	tb.Helper()
	dir := os.Getenv("BENCH")
	if dir == "" {
		tb.Skip("BENCH names no folder of generated files: see make bench-engine")
	}
	return filepath.Join(dir, name)
}

// corpus is the generated events: as they are, as the detector gets them, and taken apart.
type corpus struct {
	lines, events [][]byte
	flat          []flat
}

var readCorpus = sync.OnceValues(func() (*corpus, error) {
	file, err := os.Open(filepath.Join(os.Getenv("BENCH"), "events.jsonl"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var c corpus
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	reader := format.NewReader(format.Flat, event.DefaultLimits())
	for len(c.lines) < eventCount && lines.Scan() {
		line := bytes.Clone(lines.Bytes())
		var f flat
		if err := json.Unmarshal(line, &f); err != nil {
			return nil, err
		}
		events, err := reader.Read(line)
		if err != nil {
			return nil, err
		}
		e := &events[0]
		accept(e, line)
		encoded, err := event.Encode(nil, e)
		if err != nil {
			return nil, err
		}
		c.lines, c.events, c.flat = append(c.lines, line), append(c.events, encoded), append(c.flat, f)
	}
	return &c, lines.Err()
})

// accept does what the collector does to an event.
func accept(e *event.Event, raw []byte) {
	e.Accept(event.Origin{Tenant: "bench", Source: "bench", Collector: "bench"}, e.Time.Add(time.Millisecond), raw, 0)
}

func theCorpus(tb testing.TB) *corpus {
	tb.Helper()
	generated(tb, "events.jsonl")
	c, err := readCorpus()
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// loaded is a set of generated rules, and how often it meets the events up to each of them.
type loaded struct {
	rules []rule
	set   *detectrule.Set
	found []int // found[n] is how many findings the first n events give
}

var sets = map[string]*loaded{}

// theSet compiles generated rules once, and goes through the events by hand for what they find.
func theSet(tb testing.TB, name string) *loaded {
	tb.Helper()
	if l := sets[name]; l != nil {
		return l
	}
	rules, err := readRules(generated(tb, "rules-"+name+".json"))
	if err != nil {
		tb.Fatal(err)
	}
	set, err := detectrule.Load(folder(rules))
	if err != nil {
		tb.Fatal(err)
	}
	l := &loaded{rules, set, reference(rules, theCorpus(tb).flat[:checkedCount])}
	sets[name] = l
	return l
}

func folder(rules []rule) detectrule.Folder {
	files := fstest.MapFS{}
	for n := range rules {
		files[ruleID(n)+".yaml"] = &fstest.MapFile{Data: rules[n].file(n)}
	}
	return detectrule.Folder{Name: "generated", Files: files}
}

// reference says what rules find, by nothing but comparing texts.
func reference(rules []rule, events []flat) []int {
	patterns := make([]*regexp.Regexp, len(rules))
	for n, r := range rules {
		if r.Pattern != "" {
			patterns[n] = regexp.MustCompile(r.Pattern)
		}
	}
	found := make([]int, len(events)+1)
	for i := range events {
		f := &events[i]
		f.argsText = stringsOf(f.Arguments)
		lower := map[string]string{"args_text": asciiLower(f.argsText), "result_text": asciiLower(f.ResultText)}
		found[i+1] = found[i]
		for n := range rules {
			if meets(f, lower, &rules[n], patterns[n]) {
				found[i+1]++
			}
		}
	}
	return found
}

func meets(f *flat, lower map[string]string, r *rule, pattern *regexp.Regexp) bool {
	isCall := f.Method == call
	switch {
	case r.Method != "" && r.Method != f.Method,
		r.Server != "" && r.Server != f.Server,
		len(r.Tools) > 0 && (!isCall || !slices.Contains(r.Tools, f.Tool)),
		r.MinSize > 0 && f.Size <= r.MinSize,
		r.Field == "args_text" && !isCall:
		return false
	}
	holds := func(l string) bool { return strings.Contains(lower[r.Field], l) }
	return (len(r.Literals) == 0 || slices.ContainsFunc(r.Literals, holds)) &&
		(pattern == nil || pattern.MatchString(f.ResultText))
}

// stringsOf is every string in a JSON text, one a line.
func stringsOf(raw []byte) string {
	var all []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			all = append(all, v)
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			for _, member := range v {
				walk(member)
			}
		}
	}
	var v any
	if json.Unmarshal(raw, &v) == nil {
		walk(v)
	}
	return strings.Join(all, "\n")
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}
