package storage

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/mcpwatch/mcpwatch/finding"
)

// FindingsQuery selects findings. Zero fields select all.
type FindingsQuery struct {
	// Since is by the collector's clock (Received): the source's may be wrong, or the
	// event late.
	Since   time.Time
	Minimum finding.Severity
	Limit   int
}

// Findings returns findings, oldest first; of more than Limit, the newest.
func (c *Client) Findings(ctx context.Context, q FindingsQuery) ([]finding.Finding, error) {
	rows, err := c.conn.Query(ctx, `SELECT body FROM (
			SELECT body, time, finding_id FROM `+Database+`.findings
			WHERE received >= @since AND toInt8(severity) >= @rank
			ORDER BY time DESC, finding_id DESC LIMIT @limit
		) ORDER BY time, finding_id`,
		clickhouse.DateNamed("since", atLeast1970(q.Since), clickhouse.MicroSeconds),
		clickhouse.Named("rank", q.Minimum.Rank()),
		clickhouse.Named("limit", q.Limit))
	if err != nil {
		return nil, fmt.Errorf("asking ClickHouse at %s for findings: %w", c.host, err)
	}
	defer func() { _ = rows.Close() }()
	var found []finding.Finding
	for rows.Next() {
		var body string
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("reading a finding: %w", err)
		}
		f, err := finding.Decode([]byte(body))
		if err != nil {
			return nil, err
		}
		found = append(found, f)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading findings from ClickHouse at %s: %w", c.host, err)
	}
	return found, nil
}

func atLeast1970(t time.Time) time.Time {
	if epoch := time.Unix(0, 0).UTC(); t.Before(epoch) {
		return epoch
	}
	return t.UTC()
}

// Query runs one statement of a person's and gives its rows to each, column names first.
// The values are Go's of the column's type. Query returns the first error of each.
func (c *Client) Query(ctx context.Context, sql string, columns func(names []string) error, each func(values []any) error) error {
	rows, err := c.conn.Query(ctx, sql)
	if err != nil {
		return fmt.Errorf("asking ClickHouse at %s: %w", c.host, err)
	}
	defer func() { _ = rows.Close() }()
	if err := columns(rows.Columns()); err != nil {
		return err
	}
	types := rows.ColumnTypes()
	for rows.Next() {
		targets := make([]any, len(types))
		for i, t := range types {
			targets[i] = reflect.New(t.ScanType()).Interface()
		}
		if err := rows.Scan(targets...); err != nil {
			return fmt.Errorf("reading a row: %w", err)
		}
		values := make([]any, len(targets))
		for i, target := range targets {
			values[i] = reflect.ValueOf(target).Elem().Interface()
		}
		if err := each(values); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading rows from ClickHouse at %s: %w", c.host, err)
	}
	return nil
}
