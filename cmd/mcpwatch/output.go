package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
	"unicode"

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

// counted is a number of things, such as "1 rule" or "2 rules".
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
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
		f.Time.Local().Format(time.TimeOnly), strings.ToUpper(string(f.Severity)), event.Printable(f.Rule),
		event.Printable(f.Actor), event.Printable(strings.TrimSpace(target)), event.Printable(f.Title),
	}
}

// printableLines makes a text of several lines safe for a terminal. Unlike
// event.Printable it cuts nothing.
func printableLines(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == ' ' || unicode.IsPrint(r):
			return r
		case r == '\t':
			return ' '
		}
		return '?'
	}, s)
}

// findingText is a finding as a line of a terminal's log.
func findingText(f *finding.Finding) string {
	p := findingLine(f)
	return fmt.Sprintf("%s  %-8s  %-28s  %s → %s: %s\n", p[0], p[1], p[2], p[3], p[4], p[5])
}

// findingLines prints findings as they come, at most so many a second: a terminal that
// scrolls faster than it is read tells nothing. What is left out is counted. It never
// holds up who adds findings, be the terminal paused.
type findingLines struct {
	out     io.Writer
	waiting chan finding.Finding
	dropped atomic.Int64 // what waiting had no room for
	quit    func()
	ended   chan struct{}
}

const (
	findingLinesASecond = 20
	findingLinesWaiting = 100
)

// newFindingLines starts a goroutine that close ends.
func newFindingLines(out io.Writer) *findingLines {
	quit := make(chan struct{})
	l := &findingLines{
		out: out, waiting: make(chan finding.Finding, findingLinesWaiting),
		quit: sync.OnceFunc(func() { close(quit) }), ended: make(chan struct{}),
	}
	go l.print(quit)
	return l
}

func (l *findingLines) add(f finding.Finding) {
	select {
	case l.waiting <- f:
	default:
		l.dropped.Add(1)
	}
}

// close prints what waits and returns; where the terminal is paused, it gives up after a
// while.
func (l *findingLines) close() {
	l.quit()
	select {
	case <-l.ended:
	case <-time.After(time.Second):
	}
}

func (l *findingLines) print(quit <-chan struct{}) {
	defer close(l.ended)
	var second <-chan time.Time // ends the one that began with the first line printed
	printed, skipped := 0, 0
	one := func(f finding.Finding) {
		if printed == findingLinesASecond {
			skipped++
			return
		}
		printed++
		_, _ = io.WriteString(l.out, findingText(&f))
	}
	more := func() {
		if n := int64(skipped) + l.dropped.Swap(0); n > 0 {
			_, _ = fmt.Fprintf(l.out, "… and %d more: see `mcpwatch findings`\n", n)
		}
		printed, skipped = 0, 0
	}
	for {
		select {
		case f := <-l.waiting:
			if second == nil {
				second = time.After(time.Second)
			}
			one(f)
		case <-second:
			second = nil
			more()
		case <-quit:
			for len(l.waiting) > 0 {
				one(<-l.waiting)
			}
			more()
			return
		}
	}
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

// maxTableRows bounds a table, which is kept until its end: only then are its columns'
// widths known.
const maxTableRows = 100_000

var errTableTooLong = fmt.Errorf("a table has at most %d rows: use -o jsonl", maxTableRows)

// records writes rows of a query in one of the forms table, jsonl and csv.
type records struct {
	form    string
	out     io.Writer
	names   []string
	pending [][]string
	line    bytes.Buffer
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
		if len(r.pending) == maxTableRows {
			return errTableTooLong
		}
		r.pending = append(r.pending, texts(values, event.Printable))
		return nil
	}
}

// jsonRow writes a row whole or not at all.
func (r *records) jsonRow(values []any) error {
	r.line.Reset()
	e := jsontext.NewEncoder(&r.line, jsontext.AllowInvalidUTF8(true))
	if err := e.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for i, v := range values {
		if err := e.WriteToken(jsontext.String(r.names[i])); err != nil {
			return err
		}
		if err := json.MarshalEncode(e, v, valueOptions()); err != nil {
			return fmt.Errorf("encoding column %s: %w", r.names[i], err)
		}
	}
	if err := e.WriteToken(jsontext.EndObject); err != nil {
		return err
	}
	_, err := r.out.Write(r.line.Bytes())
	return err
}

// valueOptions say how ClickHouse's values become JSON. Numbers that JSON has not are
// texts, as with ClickHouse's output_format_json_quote_denormals.
var valueOptions = sync.OnceValue(func() json.Options {
	return json.JoinOptions(jsontext.AllowInvalidUTF8(true), json.Deterministic(true), json.WithMarshalers(json.JoinMarshalers(
		json.MarshalToFunc(func(e *jsontext.Encoder, v float64) error { return denormal(e, v) }),
		json.MarshalToFunc(func(e *jsontext.Encoder, v float32) error { return denormal(e, float64(v)) }),
	)))
})

func denormal(e *jsontext.Encoder, v float64) error {
	if text := denormalText(v); text != "" {
		return e.WriteToken(jsontext.String(text))
	}
	return errors.ErrUnsupported // it is encoded as ever
}

// denormalText is ClickHouse's name of a number that JSON has not, "" for others.
func denormalText(v float64) string {
	switch {
	case math.IsNaN(v):
		return "nan"
	case math.IsInf(v, 1):
		return "inf"
	case math.IsInf(v, -1):
		return "-inf"
	}
	return ""
}

func (r *records) end() error {
	switch r.form {
	case "csv":
		r.csv.Flush()
		return r.csv.Error()
	case "table":
		names := make([]string, len(r.names))
		for i, name := range r.names {
			names[i] = event.Printable(name)
		}
		return table(r.out, names, r.pending)
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
			if data, err := json.Marshal(v, valueOptions()); err == nil {
				row[i] = safe(unquoted(string(data)))
			} else {
				row[i] = safe(fmt.Sprint(v))
			}
		}
	}
	return row
}

// unquoted is the JSON of a value, without the quotes of a number that JSON has not.
func unquoted(text string) string {
	switch text {
	case `"inf"`, `"-inf"`, `"nan"`:
		return strings.Trim(text, `"`)
	}
	return text
}

// shellQuote makes a word of a POSIX shell.
func shellQuote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
