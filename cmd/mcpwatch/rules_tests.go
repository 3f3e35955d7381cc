package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/mcpwatch/mcpwatch/detector/ruletest"
	"github.com/mcpwatch/mcpwatch/event"
)

type rulesTestCommand struct {
	ruleFlags
	Verbose bool     `short:"v" help:"Name the tests that pass, too, and what the tests do not show."`
	Strict  bool     `help:"Fail a rule without a test that wants a finding, one that wants none, and each part of its conditions seen true and false."`
	JUnit   string   `name:"junit" help:"Write the results to this file, as JUnit XML." type:"path" placeholder:"FILE"`
	Rule    []string `arg:"" optional:"" help:"Rules to test, by id; all where none is named."`
}

// Run implements the command.
func (c *rulesTestCommand) Run(s streams) error {
	set, err := c.load()
	if err != nil {
		return err
	}
	programs, err := programsNamed(set, c.Rule)
	if err != nil {
		return err
	}
	r := testReport{out: s.out, verbose: c.Verbose, strict: c.Strict}
	for _, p := range programs {
		r.rule(ruletest.RunRule(set, p))
	}
	if err := r.end(); err != nil {
		return err
	}
	if c.JUnit != "" {
		if err := r.junit.write(c.JUnit); err != nil {
			return err
		}
	}
	if r.failedRules > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}

// testReport prints what tests gave, a line a rule, and what failed below it.
type testReport struct {
	out             io.Writer
	verbose, strict bool
	junit           junitReport

	rules, failedRules, tests, failed, gaps int
}

func (r *testReport) rule(result ruletest.Result) {
	failed, gaps := result.Failed(), result.Gaps()
	r.rules++
	r.tests += len(result.Tests)
	r.failed += failed
	if len(gaps) > 0 {
		r.gaps++
	}
	switch {
	case failed > 0:
		r.failedRules++
		r.print("FAIL  %s  %d of %d tests failed\n", result.Rule, failed, len(result.Tests))
	case len(gaps) > 0 && r.strict:
		r.failedRules++
		r.print("FAIL  %s  %d tests do not show it whole\n", result.Rule, len(result.Tests))
	default:
		r.print("ok    %s  %s\n", result.Rule, counted(len(result.Tests), "test"))
	}
	for _, t := range result.Tests {
		if t.Failure != "" {
			failure := strings.ReplaceAll(printableLines(t.Failure), "\n", "\n      ")
			r.print("      %s: %s: %s\n", printableLines(placeOf(&result, t)), event.Printable(t.Name), failure)
		} else if r.verbose {
			r.print("      ok: %s\n", event.Printable(t.Name))
		}
	}
	for _, gap := range gaps {
		if r.strict || r.verbose {
			r.print("      missing: %s\n", event.Printable(gap))
		}
	}
	if !r.strict {
		gaps = nil
	}
	r.junit.add(&result, gaps)
}

func (r *testReport) print(format string, args ...any) { _, _ = fmt.Fprintf(r.out, format, args...) }

func (r *testReport) end() error {
	if r.gaps > 0 && !r.strict {
		r.print("The tests of %d rules show less than --strict asks for: -v names it.\n", r.gaps)
	}
	_, err := fmt.Fprintf(r.out, "%s, %d failed; %s, %d failed\n", counted(r.rules, "rule"), r.failedRules, counted(r.tests, "test"), r.failed)
	return err
}

// placeOf is where a test stands.
func placeOf(r *ruletest.Result, t ruletest.TestResult) string {
	if t.Line == 0 {
		return r.File
	}
	return fmt.Sprintf("%s:%d:%d", r.File, t.Line, t.Column)
}
