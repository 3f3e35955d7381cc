//go:build linux

package clickhouse

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"go.uber.org/goleak"
)

// TestMain lets the test binary be the engine's child: Start runs it again with this argument.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "clickhouse-engine" {
		os.Exit(Child())
	}
	goleak.VerifyTestMain(m)
}

// testLibrary is the installed library. Its absence fails the tests: skipping them would look like success.
func testLibrary(tb testing.TB) string {
	tb.Helper()
	lib, err := DefaultLibrary()
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := os.Stat(lib); err != nil {
		tb.Fatalf("%v: run `make engine`", err)
	}
	return lib
}

func startAt(tb testing.TB, data string) *Server {
	tb.Helper()
	s, err := Start(tb.Context(), Options{Library: testLibrary(tb), Data: data, Stderr: os.Stderr})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// open connects as the driver does in production.
func open(tb testing.TB, s *Server, c Credentials, change ...func(*ch.Options)) driver.Conn {
	tb.Helper()
	o := &ch.Options{
		Protocol: ch.HTTP, Addr: []string{s.Addr()},
		Auth:        ch.Auth{Username: c.User, Password: c.Password, Database: "default"},
		DialTimeout: 5 * time.Second,
	}
	for _, f := range change {
		f(o)
	}
	conn, err := ch.Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return conn
}

// writerConn starts a server with the database mcpwatch and connects to it as the writer.
func writerConn(tb testing.TB) (*Server, driver.Conn) {
	tb.Helper()
	s := startAt(tb, tb.TempDir())
	w, _ := s.Credentials()
	conn := open(tb, s, w)
	mustExec(tb, conn, "CREATE DATABASE mcpwatch")
	return s, conn
}

func mustExec(tb testing.TB, conn driver.Conn, sqls ...string) {
	tb.Helper()
	for _, sql := range sqls {
		if err := conn.Exec(tb.Context(), sql); err != nil {
			tb.Fatalf("%s: %v", sql, err)
		}
	}
}

func scalar[T any](tb testing.TB, conn driver.Conn, sql string) T {
	tb.Helper()
	var v T
	if err := conn.QueryRow(tb.Context(), sql).Scan(&v); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return v
}

// code is the number of a server's exception, or 0.
func code(err error) int {
	if e, ok := errors.AsType[*ch.Exception](err); ok {
		return int(e.Code)
	}
	return 0
}

// curl is a client without a driver.
func curl(tb testing.TB, s *Server, c Credentials, method string, q url.Values, body string) (int, string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.Addr()+"/?"+q.Encode(), strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	req.SetBasicAuth(c.User, c.Password)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		tb.Fatalf("%s %s: %v", q.Encode(), body, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return resp.StatusCode, string(b)
}
