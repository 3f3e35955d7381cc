//go:build linux

package clickhouse

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAnalystReachesNothingElse goes through every hole that readonly=1 alone leaves open, and the ways around the
// single gates. The statements run with the sandbox on; TestForbiddenName holds the scan alone to account.
func TestAnalystReachesNothingElse(t *testing.T) {
	s, conn := writerConn(t)
	_, analyst := s.Credentials()
	mustExec(t, conn,
		"CREATE TABLE mcpwatch.t (a UInt32, s String) ENGINE = MergeTree ORDER BY a",
		"INSERT INTO mcpwatch.t VALUES (1, 'file(')",
		"CREATE DATABASE secret", "CREATE TABLE secret.t (a UInt32) ENGINE = MergeTree ORDER BY a",
		"INSERT INTO secret.t VALUES (42)")
	outfile := filepath.Join(t.TempDir(), "out")

	refused := []string{
		// files, by scalar function, by reference, by name, by text
		"SELECT file('/etc/hostname')", "SELECT `file`('/etc/hostname')", "SELECT \"file\"('/etc/hostname')",
		"SELECT fi/**/le('/etc/hostname')", "SELECT file /* c */ ('/etc/hostname')",
		"SELECT arrayMap(file, ['/etc/hostname'])", "SELECT * APPLY(file) FROM (SELECT '/etc/hostname')",
		"SELECT * APPLY(x -> file(x)) FROM (SELECT '/etc/hostname')",
		"SELECT * REPLACE(file('/etc/hostname') AS x) FROM (SELECT '' AS x)",
		"SELECT `\\x66ile`('/etc/hostname')", "SELECT $a$ $a$, file('/etc/hostname')",
		"SELECT '\\\\', file('/etc/hostname'), '\\''", "SELECT '''', file('/etc/hostname'), ''",
		"SHOW TABLES FROM mcpwatch WHERE file('/etc/hostname') != ''", "DESCRIBE (SELECT file('/etc/hostname'))",
		"EXPLAIN SELECT file('/etc/hostname')", "SELECT * FROM view(SELECT file('/etc/hostname'))",
		"SELECT * FROM `/etc/hostname`", "SELECT * FROM default.`/etc/hostname`",
		"SELECT * FROM file('/etc/hostname', LineAsString)", "DESCRIBE TABLE file('/etc/hostname')",
		"SELECT * FROM filesystem('/etc')", "SELECT * FROM eval('SELECT 1')", "SELECT catboostEvaluate('/etc/hostname', 1)",
		// the network and other programs
		"SELECT * FROM url('http://127.0.0.1:1/', LineAsString)", "SELECT * FROM remote('127.0.0.1:1', system.one)",
		"SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')", "SELECT * FROM sqlite('/tmp/x.db', 't')",
		"SELECT * FROM executable('x', TSV, 'a Int')", "SELECT * FROM s3('http://127.0.0.1:1/bucket/key', 'TSV', 'a Int')",
		"EXPLAIN TABLE OVERRIDE mysql('127.0.0.1:1', 'a', 'b', 'c', 'd') PARTITION BY a",
		// other databases
		"SELECT * FROM secret.t", "SELECT * FROM merge('secret', '.*')", "SELECT * FROM loop(secret.t) LIMIT 1",
		"SELECT * FROM mergeTreeIndex(secret, t)", "SHOW CREATE TABLE secret.t", "DESCRIBE TABLE secret.t",
		"SELECT hasColumnInTable('secret', 't', 'a')", "EXPLAIN ESTIMATE SELECT * FROM secret.t", "CHECK TABLE secret.t",
		"SELECT * FROM system.users", "SELECT * FROM system.grants",
		// writing, in any way
		"SELECT 1 INTO OUTFILE '" + outfile + "'", "EXPLAIN SELECT 1 INTO OUTFILE '" + outfile + "'",
		"SHOW TABLES INTO OUTFILE '" + outfile + "'", "DESCRIBE TABLE mcpwatch.t INTO OUTFILE '" + outfile + "'",
		"INSERT INTO mcpwatch.t VALUES (2, '')", "INSERT INTO FUNCTION file('" + outfile + "', TSV, 'a Int') VALUES (1)",
		"INSERT INTO mcpwatch.t (s) FROM INFILE '/etc/hostname' FORMAT LineAsString",
		"CREATE TABLE mcpwatch.x (a Int) ENGINE = Memory", "CREATE TEMPORARY TABLE x (a Int)", "DROP TABLE mcpwatch.t",
		"ALTER TABLE mcpwatch.t DELETE WHERE 1", "TRUNCATE TABLE mcpwatch.t", "OPTIMIZE TABLE mcpwatch.t",
		"BACKUP TABLE mcpwatch.t TO File('" + outfile + "')", "CREATE FUNCTION f AS (x) -> file(x)",
		// the session and its limits
		"SET readonly = 0", "SET ROLE writer", "SET ROLE DEFAULT", "USE secret", "EXECUTE AS default", "KILL QUERY WHERE 1",
		"SYSTEM SHUTDOWN", "SELECT 1 SETTINGS max_memory_usage = 100000000000", "SELECT 1 SETTINGS readonly = 0",
		"SELECT 1 FORMAT Template SETTINGS format_template_resultset = '/etc/hostname'",
		"SELECT * FROM mcpwatch.t SETTINGS additional_table_filters = {'mcpwatch.t': 'file(\\'/etc/hostname\\') != 0'}",
		"SELECT 1; SELECT 2", "SELECT 1 PARALLEL WITH SELECT 2", "", ";", "1 + 1",
	}
	for _, sql := range refused {
		status, out := curl(t, s, analyst, http.MethodPost, nil, sql)
		if status == http.StatusOK {
			t.Errorf("%s: it ran and returned %.200q", sql, out)
		}
	}
	if _, err := os.Stat(outfile); err == nil {
		t.Error("a file was written")
	}

	for _, c := range []struct {
		sql string
		q   url.Values
	}{
		{"SELECT {f:Identifier}('/etc/hostname')", url.Values{"param_f": {"file"}}},
		{"SELECT arrayMap({f:Identifier}, ['/etc/hostname'])", url.Values{"param_f": {`fil\x65`}}},
		{"SELECT 1", url.Values{"format_schema": {"x"}}},
		{"SELECT 1", url.Values{"param_a = 1, readonly": {"0"}}},
		{`{"a":2}`, url.Values{"query": {"INSERT INTO mcpwatch.t FORMAT JSONEachRow"}}},
		{"SELECT * FROM t", url.Values{"database": {"secret"}}},
	} {
		if status, out := curl(t, s, analyst, http.MethodPost, c.q, c.sql); status == http.StatusOK {
			t.Errorf("%s %v: it ran and returned %.200q", c.sql, c.q, out)
		}
	}
	// The limit on an answer's rows is found after the first ones went out.
	_, out := curl(t, s, analyst, http.MethodPost, nil, "SELECT number FROM numbers(2000000)")
	if !strings.Contains(out, "Code: 396.") || len(out) > 8<<20 {
		t.Errorf("2,000,000 rows: %d bytes, and %q at the end", len(out), out[max(0, len(out)-200):])
	}
	if n := scalar[uint64](t, conn, "SELECT count() FROM mcpwatch.t"); n != 1 {
		t.Errorf("the table has %d rows, want 1", n)
	}
}

func TestAnalystCanHunt(t *testing.T) {
	s, conn := writerConn(t)
	_, analyst := s.Credentials()
	mustExec(t, conn,
		"CREATE TABLE mcpwatch.t (a UInt32, s String) ENGINE = ReplacingMergeTree ORDER BY a",
		"INSERT INTO mcpwatch.t VALUES (1, 'read file(x)')",
		"CREATE VIEW mcpwatch.v AS SELECT * FROM mcpwatch.t FINAL")
	for sql, want := range map[string]string{
		"SELECT count() FROM mcpwatch.t WHERE s LIKE '%file(%' AND hasToken(s, 'file') -- file": "1\n",
		"SELECT a FROM mcpwatch.v":                                                                "1\n",
		"SHOW TABLES FROM mcpwatch":                                                               "t\nv\n",
		"DESCRIBE TABLE mcpwatch.t":                                                               "a\tUInt32\t\t\t\t\t\ns\tString\t\t\t\t\t\n",
		"SELECT getSetting('readonly'), getSetting('max_execution_time')":                         "1\t60\n",
		"SELECT name FROM system.tables WHERE database = 'mcpwatch' ORDER BY name":                "t\nv\n",
		"SELECT count() FROM system.columns WHERE database = 'secret'":                            "0\n",
		"WITH x AS (SELECT number FROM numbers(3)) SELECT sum(number) FROM x":                     "3\n",
		"SELECT profile, filename, a_file FROM (SELECT 1 AS profile, 2 AS filename, 3 AS a_file)": "1\t2\t3\n",
	} {
		status, out := curl(t, s, analyst, http.MethodPost, nil, sql)
		if status != http.StatusOK || out != want {
			t.Errorf("%s: %d %q, want %q", sql, status, out, want)
		}
	}

	// A request may lower a limit and can't raise it.
	for value, want := range map[string]string{"5": "5\n", "3600": "60\n", "0": "60\n", "-1": "60\n"} {
		_, out := curl(t, s, analyst, http.MethodPost, url.Values{"max_execution_time": {value}}, "SELECT getSetting('max_execution_time')")
		if out != want {
			t.Errorf("max_execution_time=%s gives %q, want %q", value, out, want)
		}
	}
	if status, out := curl(t, s, analyst, http.MethodPost, nil, "SELEC 1"); status != http.StatusBadRequest || !strings.Contains(out, "Syntax error") {
		t.Errorf("a typing error: %d %s", status, out)
	}
	db := open(t, s, analyst)
	if err := db.Exec(t.Context(), "INSERT INTO mcpwatch.t VALUES (2, '')"); code(err) != codeReadOnly {
		t.Errorf("the driver's insert: %v", err)
	}
}

// The kernel's sandbox is what stops the writer, whom no scan looks at.
func TestSandboxConfinesTheEngine(t *testing.T) {
	s, _ := writerConn(t)
	if !s.Sandboxed() {
		t.Fatal("the kernel has no Landlock: this test needs Linux 5.19 or later")
	}
	w, _ := s.Credentials()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("top secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{secret, "/etc/hostname", "/proc/self/environ", "/proc/1/environ"} {
		status, out := curl(t, s, w, http.MethodPost, nil, "SELECT file('"+path+"')")
		if status == http.StatusOK || !strings.Contains(out, "Permission denied") {
			t.Errorf("%s: %d %s", path, status, out)
		}
	}
}

func TestForbiddenName(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT file('x')":                     "file",
		"SELECT `file`('x')":                   "file",
		"SELECT FILE, 'a'":                     "FILE",
		"SELECT 'it\\'s', eval":                "eval",
		"SELECT 'a''b' || file(c)":             "file",
		"SELECT {x:Identifier}":                "Identifier",
		"SELECT `a\\`b`":                       "a\\`b",
		"SELECT 'file(', `a file`, profile":    "",
		"SELECT a.files, file_name FROM `b.c`": "",
		"SELECT 'open":                         "",
		"`":                                    "",
		"":                                     "",
	} {
		if got, found := forbiddenName(text); got != want || found != (want != "") {
			t.Errorf("%s: %q, %v, want %q", text, got, found, want)
		}
	}
}

func TestKeyword(t *testing.T) {
	for sql, want := range map[string]string{
		"select 1": "SELECT", " \n( (WITH x": "WITH", "-- a\n/* b */ # c\nshow": "SHOW", "/* open": "", "": "", "--": "",
	} {
		if got := keyword(sql); got != want {
			t.Errorf("%q: %q, want %q", sql, got, want)
		}
	}
}
