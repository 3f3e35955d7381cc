package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// TestIngestAndDoctor sends files to a running up, by name, by pipe and as they grow, and asks the
// doctor before and after.
func TestIngestAndDoctor(t *testing.T) {
	data, logs := t.TempDir(), t.TempDir()
	u := startUp(t, data)
	doctor := func(args ...string) (outcome, diagnosis) {
		o := mcpwatch(t, nil, append([]string{"doctor", "--data", data, "--json"}, args...)...)
		var d diagnosis
		if err := json.Unmarshal([]byte(o.stdout), &d); err != nil {
			t.Fatalf("%v: %s %s", err, o.stdout, o.stderr)
		}
		return o, d
	}
	if o, d := doctor(); o.code != exitDone || !d.OK || len(d.Sources) != 0 {
		t.Errorf("an up that is well: exit code %d, %+v", o.code, d)
	}

	flat := func(n int, at time.Time) string {
		return fmt.Sprintf(`{"time":%q,"session":"s","method":"tools/call","tool":"t","args_text":"%d"}`, at.UTC().Format(time.RFC3339), n)
	}
	log := filepath.Join(logs, "gateway.jsonl")
	write := func(lines ...string) {
		f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
		}
		if err != nil || f.Close() != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	write(flat(1, now), flat(2, now), "no JSON", flat(2, now))
	for range 2 {
		o := mcpwatch(t, nil, "ingest", "--data", data, logs)
		if o.code != exitDone || !strings.HasPrefix(o.stdout, "1 file: ") || o.stderr != "" {
			t.Fatalf("%+v", o)
		}
	}
	cmd := productCommand(t, nil, "ingest", "--data", data, "--format", "auto", "-")
	cmd.Stdin = strings.NewReader(flat(1, now) + "\n" + flat(2, now) + "\n")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "1 file: 2 records, 2 events, 0 refused") {
		t.Errorf("%v %s", err, out)
	}
	reaches(t, u.store, 3, "SELECT count() FROM events WHERE source_format = 'flat'")

	follower := start(t, nil, "ingest", "--data", data, "--follow", log)
	write(flat(3, now.Add(10*time.Minute)))
	reaches(t, u.store, 4, "SELECT count() FROM events WHERE source_format = 'flat'")
	follower.signal(t, syscall.SIGINT)
	if line := follower.line(t); !strings.HasPrefix(line, "1 file: 1 record, 1 event, 0 refused, ") || follower.wait(t) != exitDone {
		t.Errorf("the follower ended with %q", line)
	}

	o, d := doctor()
	if o.code != exitCondition || d.OK || len(d.Sources) != 1 {
		t.Fatalf("a clock ahead: exit code %d, %+v", o.code, d)
	}
	if s := d.Sources[0]; s.Events != 4 || s.Format != "flat" || s.Ahead < 500 || len(s.Blind) == 0 || len(s.Completeness) == 0 {
		t.Errorf("%+v", s)
	}
	found := map[string]string{}
	for _, s := range d.Symptoms {
		found[s.What+" "+string(s.State)] = s.Says + ": " + s.Mend
	}
	for _, want := range []string{"dead letters note", "source default/local wrong", "kafka ok", "collector ok", "clickhouse ok", "nats ok", "groups ok", "spool ok"} {
		if found[want] == "" {
			t.Errorf("the doctor does not say %q: %v", want, found)
		}
	}
	if table := mcpwatch(t, nil, "doctor", "--data", data); table.code != exitCondition || !strings.Contains(table.stdout, "BLIND RULES") {
		t.Errorf("%+v", table)
	}
	u.stop(t)

	gone := mcpwatch(t, nil, "doctor", "--data", data, "--json", "--collector", u.Addresses["collector"], "--kafka", u.Addresses["kafka"],
		"--clickhouse", u.Addresses["clickhouse"], "--nats", u.Addresses["nats"])
	if gone.code != exitCondition || strings.Count(gone.stdout, `"wrong"`) != 4 || strings.Contains(gone.stdout, u.Token) {
		t.Errorf("all is down: %+v", gone)
	}
}
