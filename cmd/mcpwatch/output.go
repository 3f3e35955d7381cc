package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/mattn/go-isatty"

	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
)

// isTerminal reports whether a person is looking.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// outputFor is the wanted form of output, or what suits the writer: a table for people,
// JSON lines for programs.
func outputFor(wanted string, w io.Writer) string {
	switch {
	case wanted != "":
		return wanted
	case isTerminal(w):
		return "table"
	default:
		return "jsonl"
	}
}

// findingLine is a finding in one line for people. Everything in it that came from an
// event is made safe for a terminal.
func findingLine(f *finding.Finding) []string {
	target := f.Server.ID
	if f.Name != "" {
		target += " " + f.Name
	}
	return []string{
		f.Time.Local().Format(time.TimeOnly), strings.ToUpper(string(f.Severity)), f.Rule,
		event.Printable(f.Actor), event.Printable(strings.TrimSpace(target)), event.Printable(f.Title),
	}
}

// findingLines prints findings as they come, at most so many a second: a terminal that
// scrolls faster than it is read tells nothing. What is left out is counted.
type findingLines struct {
	mu      sync.Mutex
	out     io.Writer
	second  time.Time
	printed int
	skipped int
}

const findingLinesASecond = 20

func newFindingLines(out io.Writer) *findingLines { return &findingLines{out: out} }

func (l *findingLines) add(f finding.Finding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now().Truncate(time.Second); now != l.second {
		if l.skipped > 0 {
			_, _ = fmt.Fprintf(l.out, "… and %d more: see `mcpwatch findings`\n", l.skipped)
		}
		l.second, l.printed, l.skipped = now, 0, 0
	}
	if l.printed == findingLinesASecond {
		l.skipped++
		return
	}
	l.printed++
	p := findingLine(&f)
	_, _ = fmt.Fprintf(l.out, "%s  %-8s  %-28s  %s → %s: %s\n", p[0], p[1], p[2], p[3], p[4], p[5])
}

// table aligns rows for people.
func table(w io.Writer, header []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		if _, err := fmt.Fprintln(t, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return t.Flush()
}

// records writes rows of a query in one of the forms table, jsonl and csv.
type records struct {
	form    string
	out     io.Writer
	names   []string
	pending [][]string
	csv     *csv.Writer
}

func newRecords(form string, out io.Writer) *records { return &records{form: form, out: out} }

func (r *records) columns(names []string) error {
	r.names = names
	if r.form == "csv" {
		r.csv = csv.NewWriter(r.out)
		return r.csv.Write(names)
	}
	return nil
}

func (r *records) row(values []any) error {
	switch r.form {
	case "jsonl":
		return r.jsonRow(values)
	case "csv":
		return r.csv.Write(texts(values, func(s string) string { return s }))
	default:
		r.pending = append(r.pending, texts(values, event.Printable))
		return nil
	}
}

func (r *records) jsonRow(values []any) error {
	e := jsontext.NewEncoder(r.out, jsontext.AllowInvalidUTF8(true))
	if err := e.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for i, v := range values {
		if err := e.WriteToken(jsontext.String(r.names[i])); err != nil {
			return err
		}
		if err := json.MarshalEncode(e, v, jsontext.AllowInvalidUTF8(true), json.Deterministic(true)); err != nil {
			return fmt.Errorf("encoding column %s: %w", r.names[i], err)
		}
	}
	return e.WriteToken(jsontext.EndObject)
}

func (r *records) end() error {
	switch r.form {
	case "csv":
		r.csv.Flush()
		return r.csv.Error()
	case "table":
		return table(r.out, r.names, r.pending)
	}
	return nil
}

func texts(values []any, safe func(string) string) []string {
	row := make([]string, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case string:
			row[i] = safe(v)
		case time.Time:
			row[i] = v.UTC().Format("2006-01-02 15:04:05.000000")
		case fmt.Stringer:
			row[i] = safe(v.String())
		default:
			if data, err := json.Marshal(v, jsontext.AllowInvalidUTF8(true), json.Deterministic(true)); err == nil {
				row[i] = safe(string(data))
			} else {
				row[i] = safe(fmt.Sprint(v))
			}
		}
	}
	return row
}

// shellQuote makes a word of a POSIX shell.
func shellQuote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
