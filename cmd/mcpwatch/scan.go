package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
)

type scanCommand struct {
	ruleFlags
	Format   format.Format    `help:"Format of the records, see docs/sources.md; found by itself where not given." default:""`
	Output   string           `short:"o" help:"table, jsonl or ocsf; a table on a terminal, else jsonl." enum:",table,jsonl,ocsf" default:""`
	Verdicts bool             `help:"Print one verdict a row in place of findings."`
	FailOn   finding.Severity `help:"Exit with 2 if a finding is at least this bad." enum:",info,low,medium,high,critical" default:""`
	File     string           `arg:"" help:"File to read, - for standard input."`
}

// scanned is a finding and the row that made it.
type scanned struct {
	row int
	finding.Finding
}

// scanGarbage is how much garbage a scan lets lie, in percent of what it uses: rules are most of
// that, and looking through them costs more than the memory.
const scanGarbage = 200

// Run implements the command.
func (c *scanCommand) Run(s streams) error {
	defer debug.SetGCPercent(debug.SetGCPercent(scanGarbage))
	set, err := c.load()
	if err != nil {
		return err
	}
	for _, passed := range rule.Unread(c.folders()...) {
		_, _ = fmt.Fprintln(s.err, printableLines(passed.Error()))
	}
	out := bufio.NewWriterSize(s.out, 64<<10)
	scan := scan{command: c, detector: detector.New(set), form: outputFor(c.Output, s.out), out: out}
	rows := rowReader{format: c.Format, err: s.err, each: scan.judge}
	read := rows.readFile(c.File, s.in)
	rows.end()
	counts := scan.detector.Counts()
	if err := errors.Join(read, scan.end(), out.Flush(), writeCut(s.err, &counts)); err != nil {
		return err
	}
	switch {
	case c.FailOn == "":
		return nil
	case scan.worst >= c.FailOn.Rank():
		return &exitError{code: exitCondition}
	case rows.refused > 0:
		return fmt.Errorf("scanning: no finding is %s or worse, but --fail-on passes only what could be read whole", c.FailOn)
	}
	return nil
}

type scan struct {
	command  *scanCommand
	detector *detector.Detector
	form     string
	out      io.Writer

	events int64
	worst  int
	found  []scanned // in the current row
	table  [][]string
}

// judge decides on the events of a row.
func (s *scan) judge(row int, events []event.Event, parsed *event.Message) error {
	s.found = s.found[:0]
	for i := range events {
		s.events++
		s.add(row, s.detector.Decide(s.events, &events[i], parsed).Findings)
	}
	return s.verdict(row)
}

func (s *scan) add(row int, found []finding.Finding) {
	for _, f := range found {
		s.found = append(s.found, scanned{row, f})
		if f.Mode == finding.Alert {
			s.worst = max(s.worst, f.Severity.Rank())
		}
	}
}

// verdict writes what was found in a row.
func (s *scan) verdict(row int) error {
	if s.command.Verdicts {
		return s.writeVerdict(row)
	}
	for i := range s.found {
		f := &s.found[i]
		switch s.form {
		case "table":
			if len(s.table) == maxTableRows {
				return errTableTooLong
			}
			line := findingLine(&f.Finding)
			for n := range line {
				line[n] = strings.Clone(line[n]) // it may lie in the record
			}
			s.table = append(s.table, append([]string{fmt.Sprint(f.row)}, line[1:]...))
		case "ocsf":
			if err := writeFinding(s.out, s.form, &f.Finding); err != nil {
				return err
			}
		default:
			data, err := json.Marshal(struct {
				Row int `json:"row"`
				finding.Finding
			}{f.row, f.Finding})
			if err != nil {
				return fmt.Errorf("encoding a finding: %w", err)
			}
			if _, err := fmt.Fprintf(s.out, "%s\n", data); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *scan) writeVerdict(row int) error {
	worst, rules := "none", []string{}
	rank := 0
	for _, f := range s.found {
		if f.Mode != finding.Alert {
			continue // shadow findings are recorded, they judge nothing
		}
		if f.Severity.Rank() > rank {
			rank, worst = f.Severity.Rank(), string(f.Severity)
		}
		rules = append(rules, f.Rule)
	}
	slices.Sort(rules)
	data, err := json.Marshal(struct {
		Row      int      `json:"row"`
		Severity string   `json:"severity"`
		Rules    []string `json:"rules"`
	}{row, worst, slices.Compact(rules)})
	if err != nil {
		return fmt.Errorf("encoding a verdict: %w", err)
	}
	_, err = fmt.Fprintf(s.out, "%s\n", data)
	return err
}

// end writes the table.
func (s *scan) end() error {
	if s.form != "table" || s.command.Verdicts {
		return nil
	}
	return table(s.out, []string{"ROW", "SEVERITY", "RULE", "ACTOR", "TARGET", "TITLE"}, s.table)
}
