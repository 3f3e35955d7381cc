package main

import (
	"github.com/mcpwatch/mcpwatch/internal/embedded/clickhouse"
)

// engineCommand is the child process that `up` starts for ClickHouse.
type engineCommand struct{}

// Run implements the command.
func (engineCommand) Run() error {
	if code := clickhouse.Child(); code != exitDone {
		return &exitError{code: code}
	}
	return nil
}
