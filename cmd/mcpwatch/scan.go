package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
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
	Format   format.Format    `help:"events, flat, jsonrpc or tools; found by itself where not given." enum:",events,flat,jsonrpc,tools" default:""`
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
	limits := event.Limits{Bytes: maxRecord, Depth: event.DefaultLimits().Depth}
	scan := scan{command: c, engine: detector.New(set), reader: format.NewReader(c.Format, limits), form: outputFor(c.Output, s.out), out: out, err: s.err}
	read := eachRecord(in, scan.record, scan.refuse)
	if read == nil && scan.rows == 0 {
		read = errors.New("scanning: the file holds nothing")
	}
	if err := errors.Join(read, scan.end(), out.Flush()); err != nil {
		return err
	}
	switch {
	case c.FailOn == "":
		return nil
	case scan.worst >= c.FailOn.Rank():
		return &exitError{code: exitCondition}
	case scan.refused > 0:
		return fmt.Errorf("scanning: no finding is %s or worse, but --fail-on passes only what could be read whole", c.FailOn)
	}
	return nil
}

type scan struct {
	command *scanCommand
	engine  *detector.Detector
	reader  *format.Reader
	parser  event.Parser
	form    string
	out     io.Writer
	err     io.Writer

	rows, refused int
	events        int64
	worst         int
	found         []scanned // in the current row
	table         [][]string
}

// refuse counts a row that nobody can read.
func (s *scan) refuse(reason string) error {
	s.complain(reason)
	s.rows++
	s.found = s.found[:0]
	return s.verdict(s.rows - 1)
}

// complain says why not all of the current row could be scanned.
func (s *scan) complain(reason string) {
	s.refused++
	if s.refused <= 10 {
		_, _ = fmt.Fprintf(s.err, "row %d: %s\n", s.rows, event.Printable(reason))
	}
}

// record scans one record of the file.
func (s *scan) record(record []byte) error {
	if record[0] == '[' && s.command.Format != format.Tools && !isBatch(record) {
		return s.list(record)
	}
	return s.judge(record)
}

// list scans the elements of an array that stands on a line: no format's record looks
// like this, a batch of messages and a list of tools aside.
func (s *scan) list(array []byte) error {
	if !jsontext.Value(array).IsValid(lenient()) {
		return s.refuse("is not JSON")
	}
	d := jsontext.NewDecoder(bytes.NewReader(array), lenient())
	_, err := d.ReadToken()
	for err == nil && d.PeekKind() != ']' {
		var record []byte
		if record, err = d.ReadValue(); err != nil {
			break
		}
		if record[0] == '[' && !isBatch(record) {
			err = s.refuse("is an array in an array")
			continue
		}
		err = s.judge(record)
	}
	return err
}

// isBatch reports whether an array holds JSON-RPC messages, bare ones, and nothing else.
func isBatch(array []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(array), lenient())
	if _, err := d.ReadToken(); err != nil {
		return false
	}
	for d.PeekKind() == '{' {
		message, err := d.ReadValue()
		if err != nil || !isBare(message) {
			return false
		}
	}
	return d.PeekKind() == ']'
}

// isBare reports whether an object is a JSON-RPC message that nobody put into an envelope.
func isBare(object []byte) bool {
	var envelope struct {
		Message jsontext.Value `json:"message"`
		Raw     jsontext.Value `json:"raw"`
	}
	err := json.Unmarshal(object, &envelope, lenient())
	form, _ := format.Detect(object)
	return err == nil && form == format.JSONRPC && envelope.Message == nil && envelope.Raw == nil
}

// judge scans one record, one row of the output. The record is read into the same memory as the
// one before: nothing that is found in it is kept once the row is written.
func (s *scan) judge(record []byte) error {
	e, err := s.reader.Read(record)
	if err != nil {
		return s.refuse(err.Error())
	}
	if e.Session == "" && e.Source.Format == string(format.JSONRPC) {
		e.Session = "scan" // a bare transcript is one conversation
	}
	row := s.rows
	s.found = s.found[:0]
	if !s.decide(e, record, row) {
		s.complain("holds more messages or definitions than are judged: give one a line")
	}
	s.rows++
	return s.verdict(row)
}

// decide decides on an event and what is lifted out of it, and reports whether that was all of it.
func (s *scan) decide(e *event.Event, record []byte, row int) (whole bool) {
	origin := event.Origin{Tenant: "scan", Source: "scan"}
	// No clock is read, so that a file gives the same output whenever it is scanned.
	received := e.Time
	if received.IsZero() {
		received = time.Unix(0, 0)
	}
	if m, err := s.parser.Parse(e.Message); err == nil && !m.Holds() {
		e.Accept(origin, received, record, row)
		s.events++
		s.add(row, s.engine.Decide(s.events, e, &m))
		return true
	}
	whole = true
	taken := s.parser.Take(event.Shipment{Event: *e, Origin: origin, Received: received, Raw: record, Ordinal: row})
	for i := range taken {
		whole = whole && !taken[i].HasMark("children_dropped")
		s.events++
		s.add(row, s.engine.Process(s.events, &taken[i]))
	}
	return whole
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
