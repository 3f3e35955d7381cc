package main

import (
	"encoding/xml"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/mcpwatch/mcpwatch/detector/ruletest"
)

// junitReport is results in the XML that JUnit writes and build servers read. It holds no times,
// so that the same rules give the same file.
type junitReport struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

// junitSuite is the tests of one file, which holds one rule.
type junitSuite struct {
	Name     string      `xml:"name,attr"`
	File     string      `xml:"file,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr,omitempty"`
	Failure *junitFailure `xml:"failure"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// add adds a rule's results. Gaps are what the tests had to show and do not: a test that failed.
func (j *junitReport) add(r *ruletest.Result, gaps []string) {
	suite := junitSuite{Name: r.Rule, File: visible(r.File)}
	add := func(t ruletest.TestResult) {
		one := junitCase{Name: visible(t.Name), Class: r.Rule, File: visible(r.File), Line: t.Line}
		if t.Failure != "" {
			message, _, _ := strings.Cut(t.Failure, "\n")
			one.Failure = &junitFailure{visible(message), visible(placeOf(r, t) + ": " + t.Failure)}
			suite.Failures++
		}
		suite.Tests++
		suite.Cases = append(suite.Cases, one)
	}
	for _, t := range r.Tests {
		add(t)
	}
	if len(gaps) > 0 {
		add(ruletest.TestResult{Name: "the tests show the rule whole", Failure: strings.Join(gaps, "\n")})
	}
	j.Name = "mcpwatch rules test"
	j.Tests += suite.Tests
	j.Failures += suite.Failures
	j.Suites = append(j.Suites, suite)
}

// visible is a text with all that cannot be seen, and of which XML takes some in no form, written as Go does.
func visible(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r == '\n' || r == ' ' || unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

// write writes the file.
func (j *junitReport) write(name string) error {
	data, err := xml.MarshalIndent(j, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the results: %w", err)
	}
	data = slices.Concat([]byte(xml.Header), data, []byte{'\n'})
	if err := os.WriteFile(name, data, 0o644); err != nil { //nolint:gosec // results are no secret
		return fmt.Errorf("writing the results: %w", err)
	}
	return nil
}
