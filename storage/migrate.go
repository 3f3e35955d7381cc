package storage

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// ErrNewerSchema says that a newer mcpwatch has changed the schema.
var ErrNewerSchema = errors.New("the schema is newer than this mcpwatch")

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one numbered step of the schema. Its statements may be run again after a
// crash between a statement and the record of the step.
type migration struct {
	version    uint32
	name       string
	statements []string
}

// Migrate brings the schema up to this version, each step once. A schema that is newer
// than this version is refused: it would be misread.
func (c *Client) Migrate(ctx context.Context) error {
	steps, err := migrations(migrationFiles)
	if err != nil {
		return err
	}
	for _, statement := range []string{
		"CREATE DATABASE IF NOT EXISTS " + Database,
		"CREATE TABLE IF NOT EXISTS " + Database + `.schema_migrations (
			version UInt32, name String, applied DateTime64(3, 'UTC') DEFAULT now64(3)
		) ENGINE = MergeTree ORDER BY version COMMENT 'The steps of the schema that were taken'`,
	} {
		if err := c.conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("preparing ClickHouse at %s for the schema: %w", c.host, err)
		}
	}
	current, err := c.schemaVersion(ctx)
	if err != nil {
		return err
	}
	if newest := steps[len(steps)-1].version; current > newest {
		return fmt.Errorf("ClickHouse at %s: %w (version %d, this mcpwatch knows up to %d): use a newer mcpwatch", c.host, ErrNewerSchema, current, newest)
	}
	for _, step := range steps {
		if step.version <= current {
			continue
		}
		for _, statement := range step.statements {
			if err := c.conn.Exec(ctx, inDatabase(statement)); err != nil {
				return fmt.Errorf("migrating ClickHouse at %s to schema %d (%s): %w", c.host, step.version, step.name, err)
			}
		}
		if err := c.conn.Exec(ctx, fmt.Sprintf("INSERT INTO %s.schema_migrations (version, name) SELECT %d, '%s'", Database, step.version, step.name)); err != nil {
			return fmt.Errorf("recording schema %d in ClickHouse at %s: %w", step.version, c.host, err)
		}
	}
	return nil
}

func (c *Client) schemaVersion(ctx context.Context) (uint32, error) {
	var version uint32
	row := c.conn.QueryRow(ctx, "SELECT max(version) FROM "+Database+".schema_migrations")
	if err := row.Scan(&version); err != nil {
		return 0, fmt.Errorf("reading the schema version from ClickHouse at %s: %w", c.host, err)
	}
	return version, nil
}

// inDatabase puts the database's name where a migration file has {database}.
func inDatabase(statement string) string {
	return strings.ReplaceAll(statement, "{database}", Database)
}

// migrations reads NNNN_name.sql files. Statements end with a semicolon at a line's end.
func migrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("listing migrations: %w", err)
	}
	var steps []migration
	for _, file := range names {
		number, name, _ := strings.Cut(strings.TrimSuffix(path.Base(file), ".sql"), "_")
		version, err := strconv.ParseUint(number, 10, 32)
		if err != nil || int(version) != len(steps)+1 {
			return nil, fmt.Errorf("migration %s is out of order: number %d is next", file, len(steps)+1)
		}
		data, err := fs.ReadFile(files, file)
		if err != nil {
			return nil, fmt.Errorf("reading migration %s: %w", file, err)
		}
		step := migration{version: uint32(version), name: name}
		for statement := range strings.SplitSeq(string(data), ";\n") {
			if statement = strings.TrimSpace(statement); statement != "" {
				step.statements = append(step.statements, statement)
			}
		}
		steps = append(steps, step)
	}
	if len(steps) == 0 {
		return nil, fmt.Errorf("no migration is built in")
	}
	return steps, nil
}
