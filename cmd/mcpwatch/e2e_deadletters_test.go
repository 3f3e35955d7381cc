package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/collector/deadletter"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// TestDeadLetters goes through the life of a letter that nothing can be made of, and of one that only
// a former collector could not read.
func TestDeadLetters(t *testing.T) {
	data := t.TempDir()
	u := startUp(t, data, smallRules(t)...)
	send(t, u.Addresses["collector"]+"/v1/events", u.Token, "no \x1b[31mJSON")
	formerly(t, u, `{"agent":{"id":"a1"},"message":{"jsonrpc":"2.0","id":1,"method":"ping"}}`)

	list := func(args ...string) []letterRow {
		t.Helper()
		o := mcpwatch(t, nil, append([]string{"deadletters", "list", "--data", data, "-o", "jsonl"}, args...)...)
		if o.code != exitDone {
			t.Fatalf("%+v", o)
		}
		return jsonLines[letterRow](t, o.stdout)
	}
	bad, good := list("--reason", "JSON"), list("--reason", "formerly")
	if all := list(); len(all) != 2 || len(bad) != 1 || len(good) != 1 || bad[0].State != "kept" || bad[0].Tenant != "default" {
		t.Fatalf("listed %+v", all)
	}
	run := func(args ...string) string {
		t.Helper()
		o := mcpwatch(t, nil, append([]string{"deadletters", args[0], "--data", data}, args[1:]...)...)
		if o.code != exitDone {
			t.Fatalf("%q: %+v", args, o)
		}
		return o.stdout
	}
	if got := run("show", bad[0].ID); got != "no ?[31mJSON\n" {
		t.Errorf("shows %q", got)
	}
	if got := run("show", bad[0].ID, "--raw"); got != "no \x1b[31mJSON" {
		t.Errorf("shows %q raw", got)
	}
	if got := run("redrive", "--all", "--dry-run"); !strings.HasSuffix(got, "1 would be redriven, 1 refused again\n") {
		t.Errorf("a dry run says %q", got)
	}
	for _, want := range []string{"1 are redriven, 1 refused again\n", "0 are redriven, 1 refused again\n"} {
		if got := run("redrive", "--all"); !strings.HasSuffix(got, want) || !strings.HasPrefix(got, bad[0].ID+" is refused again: is not JSON") {
			t.Errorf("redriving says %q, want %q", got, want)
		}
	}
	if got := run("redrive", good[0].ID); got != "0 are redriven, 0 refused again\n" {
		t.Errorf("redriving what is redriven says %q", got)
	}
	if all := list("--state", "redriven"); len(all) != 1 || all[0].ID != good[0].ID || all[0].At.IsZero() {
		t.Errorf("redriven are %+v", all)
	}
	reaches(t, u.store, 1, "SELECT count() FROM events WHERE tenant = 'acme' AND source_name = 'laptops' AND agent_id = 'a1'")
	for _, args := range [][]string{{"show", "nothing"}, {"redrive", "nothing"}, {"redrive"}, {"show", bad[0].ID, "--key-file", strangersKey(t)}} {
		if o := mcpwatch(t, nil, append([]string{"deadletters", args[0], "--data", data}, args[1:]...)...); o.code == exitDone || o.stdout != "" {
			t.Errorf("%q: %+v", args, o)
		}
	}
	u.stop(t)
}

// formerly writes a dead letter as a collector would have that could not read the record.
func formerly(t *testing.T, u *up, record string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(u.Data, deadLetterKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	opener, err := deadletter.ParseOpener(string(text))
	if err != nil {
		t.Fatal(err)
	}
	l, err := deadletter.New(deadletter.Letter{
		Origin: event.Origin{Tenant: "acme", Source: "laptops"}, Received: time.Now(), Reason: "formerly unknown",
	}, []byte(record), opener.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	client, err := kafka.NewClient([]string{u.Addresses["kafka"]}, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	producer, err := client.NewProducer(t.Context(), kafka.DeadLetters)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if err := producer.Produce(t.Context(), l.Records()); err != nil {
		t.Fatal(err)
	}
}

func strangersKey(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if o := mcpwatch(t, nil, "deadletters", "key", file); o.code != exitDone {
		t.Fatalf("%+v", o)
	}
	if o := mcpwatch(t, nil, "deadletters", "key", file); o.code == exitDone {
		t.Error("a key was written over")
	}
	return file
}

// TestCollectorRefusesToStartWithoutKeys: secrets would be written, or could not be known again.
func TestCollectorRefusesToStartWithoutKeys(t *testing.T) {
	credentials := filepath.Join(t.TempDir(), "credentials.yaml")
	if err := os.WriteFile(credentials, []byte("tokens:\n  - {tenant: acme, source: s, sha256: "+strings.Repeat("a1", 32)+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := mcpwatch(t, nil, "collector", "--kafka=127.0.0.1:1", "--credentials", credentials)
	if o.code != exitUsage || !strings.Contains(o.stderr, "--redaction-key-file") {
		t.Errorf("%+v", o)
	}
	keys := intakeKeys(t)
	keys[3] = keys[1] // the one key for the other
	o = mcpwatch(t, nil, append(append([]string{"collector", "--kafka=127.0.0.1:1"}, keys...), "--credentials", credentials)...)
	if o.code != exitFailed || !strings.Contains(o.stderr, "mcpwatch-dead-letters-public:") {
		t.Errorf("%+v", o)
	}
}

// TestTapRedacts holds that with --redact no secret gets into the spool.
func TestTapRedacts(t *testing.T) {
	data, key := t.TempDir(), intakeKeys(t)[:2]
	token := "ghp_" + random(36, lettersAndDigits)
	tap := func(args ...string) {
		t.Helper()
		args = append(append([]string{"tap", "--server=echo", "--data=" + data}, args...), "--", "cat")
		cmd := productCommand(t, []string{"MCPWATCH_TOKEN=x"}, args...)
		cmd.Stdin = strings.NewReader(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"from":"%s"}}`+"\n", token))
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), token) {
			t.Errorf("the agent gets %s (%v)", out, err)
		}
	}
	tap(append(key, "--collector=http://127.0.0.1:1", "--redact")...)
	var seen sightings
	seen.files(t, data)
	seen.search(t, []plantedSecret{{"github_token", token, token}})
	spooled := 0
	for _, text := range seen.what {
		spooled += strings.Count(string(text), "redacted~github_token~")
	}
	if spooled != 2 {
		t.Errorf("%d markers are in the spool, want that of the message and that of its echo", spooled)
	}
}
