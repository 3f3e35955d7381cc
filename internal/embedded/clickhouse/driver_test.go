//go:build linux

package clickhouse

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"
)

const eventsTable = `CREATE TABLE mcpwatch.events (
	event_id String, tool LowCardinality(String), event_time DateTime64(6, 'UTC'), n UInt64, small UInt8,
	attrs Map(String, String), tags Array(String), message String,
	INDEX words message TYPE text(tokenizer = splitByNonAlpha)
) ENGINE = MergeTree PARTITION BY toDate(event_time) ORDER BY (tool, event_time)`

type event struct {
	ID      string            `ch:"event_id"`
	Tool    string            `ch:"tool"`
	Time    time.Time         `ch:"event_time"`
	N       uint64            `ch:"n"`
	Small   uint8             `ch:"small"`
	Attrs   map[string]string `ch:"attrs"`
	Tags    []string          `ch:"tags"`
	Message string            `ch:"message"`
}

func TestDriverRoundTrip(t *testing.T) {
	s, conn := writerConn(t)
	mustExec(t, conn, eventsTable)
	w, _ := s.Credentials()
	for i, method := range []ch.CompressionMethod{ch.CompressionNone, ch.CompressionLZ4, ch.CompressionZSTD} {
		t.Run(method.String(), func(t *testing.T) {
			conn := open(t, s, w, func(o *ch.Options) { o.Compression = &ch.Compression{Method: method} })
			want := event{
				ID: fmt.Sprint("id-", i), Tool: "read_file", Time: time.Date(2026, 5, 4, 3, 2, 1, 123456000, time.UTC),
				N: 1<<63 + 7, Small: 200, Attrs: map[string]string{"k": "v'\\\n", "ü": ""}, Tags: []string{"a", "", "ж"},
				Message: strings.Repeat("hello wörld\x00", 10),
			}
			batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO mcpwatch.events")
			if err != nil {
				t.Fatal(err)
			}
			defer batch.Close()
			if err := batch.AppendStruct(&want); err != nil {
				t.Fatal(err)
			}
			if err := batch.Send(); err != nil {
				t.Fatal(err)
			}
			var got event
			row := conn.QueryRow(t.Context(), "SELECT * FROM mcpwatch.events WHERE event_id = ?", want.ID)
			if err := row.ScanStruct(&got); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
		})
	}
	if n := scalar[uint64](t, conn, "SELECT count() FROM mcpwatch.events WHERE hasToken(message, 'hello')"); n != 3 {
		t.Errorf("the text index finds %d rows, want 3", n)
	}
	plan := scalar[string](t, conn, "SELECT arrayStringConcat(groupArray(explain), ' ') FROM "+
		"(EXPLAIN indexes = 1 SELECT count() FROM mcpwatch.events WHERE hasToken(message, 'absent'))")
	if !strings.Contains(plan, "words") {
		t.Errorf("the text index isn't used: %s", plan)
	}
}

func TestDriverAnswers(t *testing.T) {
	s, conn := writerConn(t)
	w, _ := s.Credentials()
	if err := conn.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	v, err := conn.ServerVersion()
	if err != nil || v.Version.Major != 26 || v.Timezone.String() != "UTC" {
		t.Errorf("version %v, %v", v, err)
	}
	rows, err := conn.Query(t.Context(), "SELECT number FROM system.numbers WHERE 0 LIMIT 0")
	if err != nil || rows.Next() || rows.Err() != nil {
		t.Errorf("an empty result: %v, %v", err, rows.Err())
	}
	rows.Close()
	err = conn.Exec(t.Context(), "SELECT * FROM mcpwatch.absent")
	if code(err) != 60 {
		t.Errorf("code %d, want 60: %v", code(err), err)
	}

	ctx := ch.Context(t.Context(), ch.WithParameters(ch.Parameters{"p": `it's \\ a tab:\t`}))
	var p string
	if err := conn.QueryRow(ctx, "SELECT {p:String}").Scan(&p); err != nil || p != "it's \\ a tab:\t" {
		t.Errorf("parameter %q, %v", p, err)
	}
	ctx = ch.Context(t.Context(), ch.WithSettings(ch.Settings{"format_schema": "/etc/hostname"}))
	if err := conn.Exec(ctx, "SELECT 1"); code(err) != codeUnknownSetting {
		t.Errorf("a setting outside the list: %v", err)
	}
	for _, bad := range []Credentials{{"writer", "wrong"}, {"nobody", "x"}, {"", ""}, {"nobody", ""}} {
		if status, body := curl(t, s, bad, http.MethodPost, nil, "SELECT 1"); status != 403 || !strings.Contains(body, "Code: 516.") {
			t.Errorf("%q: %d %s", bad.User, status, body)
		}
	}
	wrong := open(t, s, Credentials{"writer", "wrong"})
	if err := wrong.Ping(t.Context()); code(err) != codeAuth {
		t.Errorf("the driver's wrong password: %v", err)
	}
	if got := fmt.Sprintf("%v %+v %#v", w, w, w); strings.Contains(got, w.Password) {
		t.Error("credentials print their password")
	}
}

// An error after the first rows can't change the status any more.
func TestErrorMidStream(t *testing.T) {
	s, conn := writerConn(t)
	w, _ := s.Credentials()
	lz4 := open(t, s, w, func(o *ch.Options) { o.Compression = &ch.Compression{Method: ch.CompressionLZ4} })
	for name, c := range map[string]driver.Conn{"plain": conn, "lz4": lz4} {
		rows, err := c.Query(t.Context(), "SELECT throwIf(number = 900000, 'late') FROM numbers(1000000) SETTINGS max_block_size = 1000")
		if err != nil {
			t.Fatalf("%s: failed before the first row: %v", name, err)
		}
		n := 0
		for rows.Next() {
			n++
		}
		if code(rows.Err()) != 395 || n == 0 {
			t.Errorf("%s: after %d rows: %v", name, n, rows.Err())
		}
		rows.Close()
	}
}

func TestCancelStopsTheQuery(t *testing.T) {
	_, conn := writerConn(t)
	for _, sql := range []string{
		"SELECT sum(sleepEachRow(0.05)) FROM numbers(1000) SETTINGS max_block_size = 1, max_threads = 1", // no rows yet
		"SELECT number, repeat('x', 1000) FROM system.numbers",                                           // rows without end
	} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(300*time.Millisecond, cancel)
		rows, err := conn.Query(ctx, sql)
		if err == nil {
			for rows.Next() {
			}
			if rows.Err() == nil {
				t.Errorf("%s: it ended well", sql)
			}
			rows.Close()
		}
		running := uint64(1)
		for deadline := time.Now().Add(5 * time.Second); running > 0 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			running = scalar[uint64](t, conn, "SELECT count() FROM system.processes WHERE query NOT ILIKE '%system.processes%' AND query NOT ILIKE 'KILL%'")
		}
		if running > 0 {
			t.Errorf("%s: still running", sql)
		}
	}
}

func TestReplacingMergeTreeInParallel(t *testing.T) {
	s, conn := writerConn(t)
	mustExec(t, conn,
		"CREATE TABLE mcpwatch.f (id UInt64, version UInt64, status String) ENGINE = ReplacingMergeTree(version) ORDER BY id",
		"CREATE VIEW mcpwatch.current AS SELECT * FROM mcpwatch.f FINAL")
	_, analyst := s.Credentials()
	reader := open(t, s, analyst, func(o *ch.Options) { o.MaxOpenConns = 6 })

	const writers, versions, ids = 3, 20, 500
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error {
			for v := range versions {
				b, err := conn.PrepareBatch(t.Context(), "INSERT INTO mcpwatch.f")
				if err != nil {
					return err
				}
				defer b.Close()
				for id := range ids {
					if err := b.Append(uint64(w*ids+id), uint64(v), fmt.Sprint("v", v)); err != nil {
						return err
					}
				}
				if err := b.Send(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for range 4 {
		g.Go(func() error {
			for range 30 {
				var n, unique uint64
				if err := reader.QueryRow(t.Context(), "SELECT count(), uniqExact(id) FROM mcpwatch.current").Scan(&n, &unique); err != nil {
					return err
				}
				if n != unique {
					return fmt.Errorf("FINAL shows %d rows for %d ids", n, unique)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := scalar[uint64](t, reader, "SELECT countIf(status = 'v19') FROM mcpwatch.current"); n != writers*ids {
		t.Errorf("%d rows are current, want %d", n, writers*ids)
	}
}

func TestPlainHTTP(t *testing.T) {
	s, conn := writerConn(t)
	w, _ := s.Credentials()
	mustExec(t, conn, "CREATE TABLE mcpwatch.t (a UInt32, s String) ENGINE = MergeTree ORDER BY a")
	insert := func(query, body string) {
		t.Helper()
		if status, out := curl(t, s, w, http.MethodPost, url.Values{"query": {query}}, body); status != 200 {
			t.Errorf("%s: %d %s", query, status, out)
		}
	}
	insert("INSERT INTO mcpwatch.t FORMAT JSONEachRow", `{"a":1,"s":"one"}`+"\n"+`{"a":2,"s":"two"}`)
	insert("INSERT INTO mcpwatch.t VALUES", "(3,'three')")
	insert("INSERT INTO mcpwatch.t (a, s) FORMAT TSV", "4\tfour\n")
	insert("", "INSERT INTO mcpwatch.t VALUES (5,'five')")
	insert("", "INSERT INTO mcpwatch.t FORMAT JSONEachRow\n{\"a\":6,\"s\":\"six\"}")

	for sql, want := range map[string]string{
		"SELECT count(), sum(a) FROM mcpwatch.t":                      "6\t21\n",
		"SELECT s FROM mcpwatch.t WHERE a = 2 FORMAT TabSeparatedRaw": "two\n",
		"SHOW TABLES FROM mcpwatch":                                   "t\n",
		"/* c */ -- d\n(SELECT 1) UNION ALL (SELECT 1)":               "1\n1\n",
		"EXISTS TABLE mcpwatch.t FORMAT CSV":                          "1\n",
	} {
		if status, out := curl(t, s, w, http.MethodPost, nil, sql); status != 200 || out != want {
			t.Errorf("%s: %d %q, want %q", sql, status, out, want)
		}
	}
	for _, c := range []struct {
		name, method, sql string
		q                 url.Values
		status            int
	}{
		{"two statements", http.MethodPost, "SELECT 1; SELECT 2", nil, 400},
		{"long SQL", http.MethodPost, "SELECT '" + strings.Repeat("x", 1<<20) + "'", nil, 413},
		{"GET writes", http.MethodGet, "", url.Values{"query": {"DROP TABLE mcpwatch.t"}}, 403},
		{"DELETE", http.MethodDelete, "SELECT 1", nil, 405},
		{"bad JSON", http.MethodPost, `{"a":`, url.Values{"query": {"INSERT INTO mcpwatch.t FORMAT JSONEachRow"}}, 500},
		{"bad format", http.MethodPost, "SELECT 1", url.Values{"default_format": {"x y"}}, 400},
		{"outfile", http.MethodPost, "SELECT 1 INTO OUTFILE '/tmp/mcpwatch-test'", nil, 403},
	} {
		if status, out := curl(t, s, w, c.method, c.q, c.sql); status != c.status {
			t.Errorf("%s: %d %.200s, want %d", c.name, status, out, c.status)
		}
	}
	if n := scalar[uint64](t, conn, "SELECT count() FROM mcpwatch.t"); n != 6 {
		t.Errorf("a refused statement changed the table: %d rows", n)
	}
}
