package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// SourceHealth is what a source has sent in one format since some time.
type SourceHealth struct {
	Tenant, Source, Format string
	Events                 uint64
	Last                   time.Time // received
	// Completeness is what its last event says that the source carries.
	Completeness []string
	// SkewLow, SkewMiddle and SkewHigh are how much later events were received than they happened
	// by the source's own clock, in seconds: of one in a hundred, of half and of 99 in a hundred as
	// late at most. Below 0 the source's clock is ahead. NaN where no event says when it happened.
	SkewLow, SkewMiddle, SkewHigh float64
}

// Sources tells of the sources whose events were received since a time, by tenant, source and format.
func (c *Client) Sources(ctx context.Context, since time.Time) ([]SourceHealth, error) {
	rows, err := c.conn.Query(ctx, `
		WITH if(toUnixTimestamp64Micro(claimed_time) != 0, claimed_time, time) AS own,
		     (toUnixTimestamp64Micro(received) - toUnixTimestamp64Micro(own)) / 1e6 AS late,
		     NOT has(marks, 'time_missing') AS timed
		SELECT tenant, source_name, source_format, count() AS events, max(received) AS last, argMax(completeness, received),
		       quantilesExactIf(0.01, 0.5, 0.99)(late, timed) AS skew
		FROM `+Database+`.events WHERE received >= @since AND parent_id = ''
		GROUP BY tenant, source_name, source_format ORDER BY tenant, source_name, source_format`,
		clickhouse.DateNamed("since", atLeast1970(since), clickhouse.MicroSeconds))
	if err != nil {
		return nil, fmt.Errorf("asking ClickHouse at %s for sources: %w", c.host, err)
	}
	defer func() { _ = rows.Close() }()
	var all []SourceHealth
	for rows.Next() {
		var s SourceHealth
		var skew []float64
		if err := rows.Scan(&s.Tenant, &s.Source, &s.Format, &s.Events, &s.Last, &s.Completeness, &skew); err != nil {
			return nil, fmt.Errorf("reading a source: %w", err)
		}
		if len(skew) == 3 {
			s.SkewLow, s.SkewMiddle, s.SkewHigh = skew[0], skew[1], skew[2]
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading sources from ClickHouse at %s: %w", c.host, err)
	}
	return all, nil
}
