package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mcpwatch/mcpwatch/finding"
	"github.com/mcpwatch/mcpwatch/storage"
)

// storeFlags say which ClickHouse to ask.
type storeFlags struct {
	Data       string `help:"Data directory of a running up." default:"${data}" type:"path" placeholder:"DIR"`
	ClickHouse string `name:"clickhouse" help:"Ask this ClickHouse in place of a local up, http://USER:PASSWORD@HOST:8123." placeholder:"URL"`
}

// open returns a client whose statements may leave out the database.
func (f storeFlags) open() (*storage.Client, error) {
	address := f.ClickHouse
	if address == "" {
		r, err := findRunning(f.Data)
		if err != nil {
			return nil, err
		}
		address = r.ClickHouse
	}
	return storage.Open(strings.TrimRight(address, "/") + "/" + storage.Database)
}

type findingsCommand struct {
	storeFlags
	Since    time.Duration    `help:"How far back, by when the evidence was received." default:"24h"`
	Follow   bool             `short:"f" help:"Go on with new ones until Ctrl-C."`
	Severity finding.Severity `help:"Least severity shown." enum:"info,low,medium,high,critical" default:"info"`
	Limit    int              `help:"At most so many, the newest." default:"1000"`
	Output   string           `short:"o" help:"table, jsonl or ocsf; a table on a terminal, else jsonl." enum:",table,jsonl,ocsf" default:""`
}

// followEvery is how often --follow looks; overlap is how much later than its evidence a
// finding may land and still be shown.
const (
	followEvery = time.Second
	overlap     = 10 * time.Minute
)

// Run implements the command.
func (c *findingsCommand) Run(ctx context.Context, s streams) error {
	if c.Since <= 0 {
		return &exitError{code: exitUsage, err: fmt.Errorf("findings: --since is %s, must be more than nothing, such as 24h", c.Since)}
	}
	store, err := c.open()
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	form := outputFor(c.Output, s.out)
	first := time.Now().Add(-c.Since)
	query := storage.FindingsQuery{Since: first, Minimum: c.Severity, Limit: c.Limit}
	found, err := store.Findings(ctx, query)
	if err != nil {
		return err
	}
	if !c.Follow {
		return writeFindings(s.out, form, found)
	}
	lines := newFindingWriter(s.out, form)
	shown := map[string]time.Time{}
	for {
		for _, f := range found {
			if _, again := shown[f.ID]; again {
				continue
			}
			shown[f.ID] = f.Received
			if err := lines(f); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
		since := time.Now().Add(-overlap)
		for id, received := range shown {
			if received.Before(since.Add(-overlap)) {
				delete(shown, id)
			}
		}
		if query.Since = since; since.Before(first) {
			query.Since = first
		}
		if found, err = store.Findings(ctx, query); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// newFindingWriter writes one finding at a time.
func newFindingWriter(out io.Writer, form string) func(finding.Finding) error {
	return func(f finding.Finding) error {
		if form == "table" {
			_, err := io.WriteString(out, findingText(&f))
			return err
		}
		return writeFinding(out, form, &f)
	}
}

func writeFindings(out io.Writer, form string, found []finding.Finding) error {
	if form == "table" {
		rows := make([][]string, len(found))
		for i := range found {
			rows[i] = findingLine(&found[i])
		}
		return table(out, []string{"TIME", "SEVERITY", "RULE", "ACTOR", "TARGET", "TITLE"}, rows)
	}
	for i := range found {
		if err := writeFinding(out, form, &found[i]); err != nil {
			return err
		}
	}
	return nil
}

// writeFinding writes a finding as one line of JSON, ours or OCSF's.
func writeFinding(out io.Writer, form string, f *finding.Finding) error {
	data, err := finding.Encode(f)
	if form == "ocsf" {
		data, err = finding.OCSF(f, version)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", data)
	return err
}
