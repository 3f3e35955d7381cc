package main

import (
	"context"
)

type sqlCommand struct {
	storeFlags
	Output    string `short:"o" help:"table, jsonl or csv; a table on a terminal, else jsonl." enum:",table,jsonl,csv" default:""`
	Statement string `arg:"" help:"One statement, such as 'SELECT count() FROM events'."`
}

// Run implements the command.
func (c *sqlCommand) Run(ctx context.Context, s streams) error {
	store, err := c.open()
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	r := newRecords(outputFor(c.Output, s.out), s.out)
	if err := store.Query(ctx, c.Statement, r.columns, r.row); err != nil {
		return err
	}
	return r.end()
}
