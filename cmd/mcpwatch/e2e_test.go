package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/go-json-experiment/json"

	"github.com/mcpwatch/mcpwatch/storage"
)

// announced is the line that `up --json` prints when it is ready.
type announced struct {
	Ready         bool              `json:"ready"`
	Addresses     map[string]string `json:"addresses"`
	Token         string            `json:"token"`
	WebhookSecret string            `json:"webhook_secret"`
	Data          string            `json:"data"`
}

// up is a running `mcpwatch up`, with clients of its parts.
type up struct {
	*service
	announced
	store driver.Conn
}

// startUp starts `up` on a data directory and returns when it is ready.
func startUp(t *testing.T, data string, args ...string) *up {
	t.Helper()
	return ready(t, start(t, nil, append([]string{"up", "--data", data, "--ports", "auto", "--json"}, args...)...))
}

func ready(t *testing.T, s *service) *up {
	t.Helper()
	u := &up{service: s}
	line := s.line(t)
	t.Cleanup(func() {
		if log, err := os.ReadFile(filepath.Join(u.Data, "mcpwatch.log")); t.Failed() && err == nil {
			t.Logf("the end of the log:\n%s", log[max(0, len(log)-8<<10):])
		}
	})
	if err := json.Unmarshal([]byte(line), &u.announced); err != nil || !u.Ready {
		t.Fatalf("up printed %q: %v", line, err)
	}
	u.store = openStore(t, u.Addresses["clickhouse"])
	return u
}

// stop ends `up` as Ctrl-C does. It must have printed nothing after its one line.
func (u *up) stop(t *testing.T) {
	t.Helper()
	_ = u.store.Close()
	u.service.stop(t)
	for line := range u.lines {
		t.Errorf("up --json printed a second line: %s", line)
	}
	if text := u.stderr.String(); text != "" {
		t.Errorf("up wrote to standard error: %s", text)
	}
}

// kill ends `up` as a crash does: the process alone, with no chance to say anything.
func (u *up) kill(t *testing.T) {
	t.Helper()
	_ = u.store.Close()
	if err := u.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	u.wait(t)
}

// openStore connects as an analyst's own program does.
func openStore(t *testing.T, address string) driver.Conn {
	t.Helper()
	options, err := clickhouse.ParseDSN(address + "/" + storage.Database)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// value asks for one value. While a test polls, the answer may be an error.
func value[T any](t *testing.T, conn driver.Conn, query string, args ...any) (T, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var v T
	err := conn.QueryRow(ctx, query, args...).Scan(&v)
	return v, err
}

// reaches waits until a query counts n.
func reaches(t *testing.T, conn driver.Conn, n uint64, query string, args ...any) {
	t.Helper()
	eventually(t, query, func() (bool, string) {
		got, err := value[uint64](t, conn, query, args...)
		return err == nil && got == n, fmt.Sprintf("%d, want %d (%v)", got, n, err)
	})
}

// query asks for rows of any shape; their fields bear the tag "ch".
func query[T any](t *testing.T, conn driver.Conn, text string, args ...any) []T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var rows []T
	if err := conn.Select(ctx, &rows, text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return rows
}
