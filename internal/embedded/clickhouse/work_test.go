//go:build linux

package clickhouse

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"golang.org/x/sync/errgroup"
)

// Mutations need a pool with enough free entries, and moving parts and tables needs the sandbox to allow renames.
func TestMaintenance(t *testing.T) {
	_, conn := writerConn(t)
	mustExec(t, conn,
		"CREATE TABLE mcpwatch.t (day Date, a UInt32, b String DEFAULT '') ENGINE = MergeTree PARTITION BY day ORDER BY a TTL day + INTERVAL 100 YEAR",
		"INSERT INTO mcpwatch.t (day, a) SELECT toDate('2026-01-01') + number % 3, number FROM numbers(300)",
		"INSERT INTO mcpwatch.t (day, a) SELECT toDate('2026-01-01') + number % 3, number FROM numbers(300)",
		"ALTER TABLE mcpwatch.t DROP PARTITION '2026-01-01'",
		"ALTER TABLE mcpwatch.t DELETE WHERE a % 2 = 0 SETTINGS mutations_sync = 2",
		"ALTER TABLE mcpwatch.t ADD COLUMN c UInt8 DEFAULT 7",
		"ALTER TABLE mcpwatch.t ADD INDEX words b TYPE text(tokenizer = splitByNonAlpha)",
		"ALTER TABLE mcpwatch.t MATERIALIZE INDEX words SETTINGS mutations_sync = 2",
		"OPTIMIZE TABLE mcpwatch.t FINAL",
		"ALTER TABLE mcpwatch.t DETACH PARTITION '2026-01-02'", "ALTER TABLE mcpwatch.t ATTACH PARTITION '2026-01-02'",
		"RENAME TABLE mcpwatch.t TO mcpwatch.renamed")
	if n := scalar[uint64](t, conn, "SELECT sum(c) FROM mcpwatch.renamed"); n != 200*7 {
		t.Errorf("the sum is %d, want %d", n, 200*7)
	}
	if n := scalar[uint64](t, conn, "SELECT count() FROM system.parts WHERE table = 'renamed' AND active"); n != 2 {
		t.Errorf("%d parts after OPTIMIZE, want 2", n)
	}
	mustExec(t, conn, "DROP TABLE mcpwatch.renamed SYNC", "DROP DATABASE mcpwatch SYNC")
}

// A token makes a repeated block harmless, which the sink relies on.
func TestInsertDeduplication(t *testing.T) {
	_, conn := writerConn(t)
	mustExec(t, conn, "CREATE TABLE mcpwatch.t (a UInt32) ENGINE = MergeTree ORDER BY a "+
		"SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1")
	for i, want := range []uint64{1, 1, 2} {
		token := "block-" + fmt.Sprint(i/2)
		ctx := ch.Context(t.Context(), ch.WithSettings(ch.Settings{"insert_deduplication_token": token, "async_insert": 0}))
		b, err := conn.PrepareBatch(ctx, "INSERT INTO mcpwatch.t (a)")
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if err := b.Append(uint32(1)); err != nil {
			t.Fatal(err)
		}
		if err := b.Send(); err != nil {
			t.Fatal(err)
		}
		if n := scalar[uint64](t, conn, "SELECT count() FROM mcpwatch.t"); n != want {
			t.Errorf("after %s: %d rows, want %d", token, n, want)
		}
	}
}

// A client that dies in the middle of its data leaves nothing behind, even where the data is cut between two rows.
func TestCutInsertCommitsNothing(t *testing.T) {
	s, conn := writerConn(t)
	w, _ := s.Credentials()
	mustExec(t, conn, "CREATE TABLE mcpwatch.t (a UInt32) ENGINE = MergeTree ORDER BY a")
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(c, "POST /?%s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nAuthorization: Basic %s\r\n\r\n1\n2\n3\n",
		url.Values{"query": {"INSERT INTO mcpwatch.t FORMAT TSV"}}.Encode(),
		base64.StdEncoding.EncodeToString([]byte(w.User+":"+w.Password)))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	c.Close()
	time.Sleep(200 * time.Millisecond)
	mustExec(t, conn, "INSERT INTO mcpwatch.t VALUES (4)")
	if n := scalar[uint64](t, conn, "SELECT count() FROM mcpwatch.t"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestManyClients(t *testing.T) {
	s, conn := writerConn(t)
	w, _ := s.Credentials()
	many := open(t, s, w, func(o *ch.Options) { o.MaxOpenConns = 3 * maxInflight })
	var g errgroup.Group
	for range 3 * maxInflight {
		g.Go(func() error {
			for range 5 {
				if err := many.Exec(t.Context(), "SELECT sleep(0.02)"); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	// Each session used to start the engine's pools anew when it was the last one (see engine.anchor).
	if n := scalar[int64](t, conn, "SELECT value FROM system.metrics WHERE metric = 'GlobalThread'"); n > 100 {
		t.Errorf("the engine has %d threads", n)
	}
}

// An answer of half a gigabyte passes through without being held.
func TestLargeAnswerIsStreamed(t *testing.T) {
	s, _ := writerConn(t)
	w, _ := s.Credentials()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.Addr(),
		strings.NewReader("SELECT repeat('x', 1000) FROM numbers(500000)"))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(w.User, w.Password)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n != 500_000*1001 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if total, _ := childRSS(t, s); total > 700 {
		t.Errorf("the child has %.0f MB", total)
	}
}

// endless is a body without an end.
type endless struct{ line string }

func (e endless) Read(p []byte) (int, error) { return copy(p, e.line), nil }

func TestInsertIsCapped(t *testing.T) {
	s, conn := writerConn(t)
	w, _ := s.Credentials()
	mustExec(t, conn, "CREATE TABLE mcpwatch.t (s String) ENGINE = Null")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost,
		"http://"+s.Addr()+"/?"+url.Values{"query": {"INSERT INTO mcpwatch.t FORMAT TSV"}}.Encode(),
		endless{strings.Repeat("x", 4000) + "\n"})
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(w.User, w.Password)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Logf("the connection was cut: %v", err) // the answer can get lost behind the data that is still coming
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d, want 413", resp.StatusCode)
	}
}
