package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
)

type scanCommand struct {
	ruleFlags
	Format   format.Format    `help:"events, jsonrpc or tools; found by itself where not given." enum:",events,jsonrpc,tools" default:""`
	Output   string           `short:"o" help:"table, jsonl or ocsf; a table on a terminal, else jsonl." enum:",table,jsonl,ocsf" default:""`
	Verdicts bool             `help:"Print one verdict a row in place of findings."`
	FailOn   finding.Severity `help:"Exit with 2 if a finding is at least this bad." enum:",info,low,medium,high,critical" default:""`
	File     string           `arg:"" help:"File to read, - for standard input."`
}

// maxRecord bounds one record of a scanned file, in bytes.
const maxRecord = 16 << 20

// scanned is a finding and the row that made it.
type scanned struct {
	row int
	finding.Finding
}

// Run implements the command.
func (c *scanCommand) Run(s streams) error {
	set, err := c.load()
	if err != nil {
		return err
	}
	in := s.in
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return fmt.Errorf("scanning: %w", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	out := bufio.NewWriterSize(s.out, 64<<10)
	scan := scan{command: c, engine: detector.NewEngine(set), form: outputFor(c.Output, s.out), out: out, err: s.err, started: time.Now()}
	read := eachRecord(in, scan.record)
	if read == nil && scan.rows == 0 {
		read = errors.New("scanning: the file holds nothing")
	}
	if err := errors.Join(read, scan.end(), out.Flush()); err != nil {
		return err
	}
	if c.FailOn != "" && scan.worst >= c.FailOn.Rank() {
		return &exitError{code: exitCondition}
	}
	return nil
}

type scan struct {
	command *scanCommand
	engine  *detector.Engine
	parser  event.Parser
	form    string
	out     io.Writer
	err     io.Writer
	started time.Time

	rows, refused int
	worst         int
	table         [][]string
}

// record scans one record of the file.
func (s *scan) record(record []byte) error {
	row := s.rows
	s.rows++
	limits := event.Limits{Bytes: maxRecord, Depth: event.DefaultLimits().Depth}
	e, err := format.Read(s.command.Format, record, limits)
	if err != nil {
		s.refused++
		if s.refused <= 10 {
			_, _ = fmt.Fprintf(s.err, "row %d: %s\n", row, event.Printable(err.Error()))
		}
		return s.verdict(row, nil)
	}
	if e.Session == "" && e.Source.Format == string(format.JSONRPC) {
		e.Session = "scan" // a bare transcript is one conversation
	}
	var found []scanned
	taken := s.parser.Take(event.Shipment{
		Event: e, Origin: event.Origin{Tenant: "scan", Source: "scan"}, Received: s.started, Raw: record, Ordinal: row,
	})
	for i := range taken {
		for _, f := range s.engine.Process(&taken[i]) {
			found = append(found, scanned{row, f})
			if f.Mode == finding.Alert {
				s.worst = max(s.worst, f.Severity.Rank())
			}
		}
	}
	return s.verdict(row, found)
}

// verdict writes what was found in a row.
func (s *scan) verdict(row int, found []scanned) error {
	if s.command.Verdicts {
		return s.writeVerdict(row, found)
	}
	for _, f := range found {
		switch s.form {
		case "table":
			line := findingLine(&f.Finding)
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

func (s *scan) writeVerdict(row int, found []scanned) error {
	worst, rules := "none", []string{}
	rank := 0
	for _, f := range found {
		if f.Mode != finding.Alert {
			continue // shadow findings are recorded, they judge nothing
		}
		if f.Severity.Rank() > rank {
			rank, worst = f.Severity.Rank(), string(f.Severity)
		}
		if len(rules) == 0 || rules[len(rules)-1] != f.Rule {
			rules = append(rules, f.Rule)
		}
	}
	data, err := json.Marshal(struct {
		Row      int      `json:"row"`
		Severity string   `json:"severity"`
		Rules    []string `json:"rules"`
	}{row, worst, rules})
	if err != nil {
		return fmt.Errorf("encoding a verdict: %w", err)
	}
	_, err = fmt.Fprintf(s.out, "%s\n", data)
	return err
}

// end writes the table and what people want to know at the end.
func (s *scan) end() error {
	if s.form == "table" && !s.command.Verdicts {
		if err := table(s.out, []string{"ROW", "SEVERITY", "RULE", "ACTOR", "TARGET", "TITLE"}, s.table); err != nil {
			return err
		}
	}
	if s.refused > 0 {
		_, _ = fmt.Fprintf(s.err, "%d of %d rows could not be read\n", s.refused, s.rows)
	}
	return nil
}

// eachRecord calls do with each record of a file: the lines of NDJSON, or the elements of
// one JSON array, or one JSON document over several lines.
func eachRecord(in io.Reader, do func([]byte) error) error {
	r := bufio.NewReaderSize(in, 1<<20)
	first, err := r.Peek(r.Size())
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return fmt.Errorf("reading: %w", err)
	}
	if isDocument(first) {
		return eachOfDocument(r, do)
	}
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 64<<10), maxRecord+1)
	for scanner.Scan() {
		if line := bytes.TrimSpace(scanner.Bytes()); len(line) > 0 {
			if err := do(line); err != nil {
				return err
			}
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("reading: %w (a line may have %d bytes)", err, maxRecord)
	}
	return nil
}

// isDocument reports whether the file is one JSON value that does not end on its first line.
func isDocument(start []byte) bool {
	line, _, several := bytes.Cut(bytes.TrimLeft(start, " \t\r\n"), []byte("\n"))
	if !several || len(line) == 0 {
		return len(line) > 0 && line[0] == '['
	}
	return (line[0] == '{' || line[0] == '[') && !jsontext.Value(line).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) &&
		looksOpen(line)
}

// looksOpen reports whether a line's brackets are left open, as in an indented document.
func looksOpen(line []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(line), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for {
		if _, err := d.ReadToken(); err != nil {
			return errors.Is(err, io.ErrUnexpectedEOF)
		}
	}
}

func eachOfDocument(r io.Reader, do func([]byte) error) error {
	d := jsontext.NewDecoder(r, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	array := d.PeekKind() == '['
	if array {
		if _, err := d.ReadToken(); err != nil {
			return fmt.Errorf("reading: %w", err)
		}
	}
	for d.PeekKind() != ']' {
		value, err := d.ReadValue()
		if errors.Is(err, io.EOF) && !array {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading: %w", err)
		}
		if err := do(value); err != nil {
			return err
		}
	}
	return nil
}
