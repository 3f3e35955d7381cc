package storage

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// column is one column of a table: its name, and how the rows fill it. Blocks are written
// column by column, which is how ClickHouse takes them and costs no boxing of each value.
type column[R any] struct {
	name string
	fill func(rows []R) any
}

func values[R, V any](name string, get func(*R) V) column[R] {
	return column[R]{name, func(rows []R) any {
		list := make([]V, len(rows))
		for i := range rows {
			list[i] = get(&rows[i])
		}
		return list
	}}
}

func text[R any](name string, get func(*R) string) column[R]            { return values(name, get) }
func times[R any](name string, get func(*R) time.Time) column[R]        { return values(name, get) }
func lists[R any](name string, get func(*R) []string) column[R]         { return values(name, get) }
func maps[R any](name string, get func(*R) map[string]string) column[R] { return values(name, get) }

func numbers[R any, V uint8 | uint16 | uint32 | uint64 | int64 | bool](name string, get func(*R) V) column[R] {
	return values(name, get)
}

// insert writes rows as one block. It returns once ClickHouse has them on its disk.
func insert[R any](ctx context.Context, c *Client, table string, columns []column[R], rows []R) error {
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = column.name
	}
	// Neither a queue in the server nor its memory of former blocks may stand between an
	// insert and its rows: repeats collapse by the table's own key.
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"async_insert": 0, "insert_deduplicate": 0}))
	batch, err := c.conn.PrepareBatch(ctx, fmt.Sprintf("INSERT INTO %s.%s (%s)", Database, table, strings.Join(names, ", ")))
	if err != nil {
		return fmt.Errorf("preparing an insert into %s at %s: %w", table, c.host, err)
	}
	defer func() { _ = batch.Close() }()
	for i, column := range columns {
		if err := batch.Column(i).Append(column.fill(rows)); err != nil {
			return fmt.Errorf("filling column %s of %s: %w", column.name, table, err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("inserting %d rows into %s at %s: %w", len(rows), table, c.host, err)
	}
	return nil
}
