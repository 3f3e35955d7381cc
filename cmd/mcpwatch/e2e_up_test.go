package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/go-json-experiment/json"

	enginehouse "github.com/mcpwatch/mcpwatch/internal/embedded/clickhouse"
	embeddedkafka "github.com/mcpwatch/mcpwatch/internal/embedded/kafka"
	embeddednats "github.com/mcpwatch/mcpwatch/internal/embedded/nats"
)

// TestUpRefusals demands one clear line, exit code 1 and nothing left running of every
// start that cannot work.
func TestUpRefusals(t *testing.T) {
	// The port: one of the four is taken, here or by somebody else.
	data := filepath.Join(t.TempDir(), "data")
	before := freePorts()
	if taken, err := net.Listen("tcp", "127.0.0.1:7401"); err == nil {
		t.Cleanup(func() { taken.Close() })
	}
	refused(t, nil, []string{"address already in use", "--ports auto"}, "--data", data)
	eventually(t, "the freeing of the other ports", func() (bool, string) {
		free := freePorts()
		missing := slices.DeleteFunc(slices.Clone(before), func(p string) bool { return slices.Contains(free, p) || p == "7401" })
		return len(missing) == 0, fmt.Sprintf("%v are held", missing)
	})
	if _, err := os.Stat(filepath.Join(data, addressFile)); err == nil {
		t.Error("a start that was refused has announced its addresses")
	}

	// The engine, missing a part and with another content.
	for _, size := range []int64{1000, engineSize(t)} {
		cache := t.TempDir()
		damage(t, cache, size)
		refused(t, []string{"XDG_CACHE_HOME=" + cache}, []string{"ClickHouse engine is damaged", "make engine"}, "--data", data, "--ports", "auto")
	}
	refused(t, []string{"XDG_CACHE_HOME=" + t.TempDir()}, []string{"ClickHouse engine is not installed", "make engine"}, "--data", data, "--ports", "auto")

	// Somebody's directory: it stays as it is.
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "thesis.txt"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, nil, []string{foreign, "thesis.txt", "--data"}, "--data", foreign, "--ports", "auto")
	if entries, err := os.ReadDir(foreign); err != nil || len(entries) != 1 {
		t.Errorf("a foreign directory was changed: %v %v", entries, err)
	}

	// Rules: the one error that may need several lines, each with its place.
	rules := t.TempDir()
	if err := os.WriteFile(filepath.Join(rules, "bad.yaml"), []byte("id: bad\ntitle: Bad\nseverity: high\nseverety: low\nmatch: 'true'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := mcpwatch(t, nil, "up", "--json", "--data", data, "--ports", "auto", "--no-builtin", "--rules", rules)
	if o.code != exitFailed || o.stdout != "" || !strings.Contains(o.stderr, filepath.Join(rules, "bad.yaml")+":4:1: ") {
		t.Errorf("exit code %d, printed %q, said %s", o.code, o.stdout, o.stderr)
	}

	// None of the refusals has harmed the directory, and the one that holds it keeps it.
	u := startUp(t, data, smallRules(t)...)
	refused(t, nil, []string{data, "in use by another mcpwatch", "--data"}, "--data", data, "--ports", "auto")
	if n := post(t, u.Addresses["collector"], u.Token, shippedLine("still-up", "files", "to_server", harmless)); n != 1 {
		t.Errorf("%d lines were taken", n)
	}
	reaches(t, u.store, 1, "SELECT count() FROM events")
	u.stop(t)
}

// refused demands that `up` refuses to start, in one line that holds every word.
func refused(t *testing.T, env, words []string, args ...string) {
	t.Helper()
	o := mcpwatch(t, env, slices.Concat([]string{"up", "--json"}, smallRules(t), args)...)
	if o.code != exitFailed || o.stdout != "" {
		t.Errorf("up %q: exit code %d, want %d; it printed %q", args, o.code, exitFailed, o.stdout)
	}
	if strings.Count(o.stderr, "\n") != 1 || !strings.HasPrefix(o.stderr, "mcpwatch: ") {
		t.Errorf("up %q: want one line, got:\n%s", args, o.stderr)
	}
	for _, word := range words {
		if !strings.Contains(o.stderr, word) {
			t.Errorf("up %q: %q is not in: %s", args, word, o.stderr)
		}
	}
}

// freePorts lists those of up's fixed ports that nobody holds.
func freePorts() []string {
	var free []string
	for _, port := range []string{"7400", "7401", "7402", "7403"} {
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			_ = l.Close()
			free = append(free, port)
		}
	}
	return free
}

func engineSize(t *testing.T) int64 {
	t.Helper()
	library, err := enginehouse.DefaultLibrary()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(library)
	if err != nil {
		t.Fatalf("the ClickHouse engine is not there: run `make engine`: %v", err)
	}
	return info.Size()
}

// damage puts a file of that size, with nothing in it, where the engine belongs in a cache.
func damage(t *testing.T, cache string, size int64) {
	t.Helper()
	library := filepath.Join(cache, "mcpwatch", "engine", enginehouse.Version, "node_modules", "@chdb", "lib-linux-x64-gnu", "libchdb.so")
	if err := os.MkdirAll(filepath.Dir(library), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(library, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(library, size); err != nil {
		t.Fatal(err)
	}
}

// TestCtrlCKeepsTheData ends `up` as a terminal does: all its processes are gone, and the
// next one goes on with the same data, token and secret.
func TestCtrlCKeepsTheData(t *testing.T) {
	data := t.TempDir()
	hook := newReceiver(t)
	flags := append(smallRules(t), "--webhook", hook.URL)
	u := startUp(t, data, append(flags, "--demo")...)
	reaches(t, u.store, 1, "SELECT toUInt64(count() > 0) FROM events")
	// What is accepted in the last moment before Ctrl-C is there after it.
	post(t, u.Addresses["collector"], u.Token, batchTo("before", func(n int) string { return fmt.Sprint("before-", n) })...)
	first := u.announced
	u.stop(t)

	u = startUp(t, data, flags...)
	if u.Token != first.Token || u.WebhookSecret != first.WebhookSecret {
		t.Error("the next up has another token or secret: shippers and receivers would have to be told")
	}
	reaches(t, u.store, 4, "SELECT count() FROM events WHERE server_id = 'before'")
	raised(t, u.store, "before")
	post(t, u.Addresses["collector"], u.Token, batchTo("after", func(n int) string { return fmt.Sprint("after-", n) })...)
	reaches(t, u.store, 4, "SELECT count() FROM events WHERE server_id = 'after'")
	unique(t, u.store, "events", "event_id")
	unique(t, u.store, "findings", "finding_id")
	u.stop(t)
	if _, err := os.Stat(filepath.Join(data, addressFile)); err == nil {
		t.Error("addresses are announced of an up that has ended")
	}
}

// TestPartsRunAlone runs collector, detector, sink and alert as four processes, against
// servers that they did not start.
func TestPartsRunAlone(t *testing.T) {
	hook := newReceiver(t)
	broker, err := embeddedkafka.Start(embeddedkafka.Options{Listen: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	messages, err := embeddednats.Start(embeddednats.Options{Listen: "127.0.0.1:0", Data: t.TempDir(), Token: "bus-token"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(messages.Close)
	engine, err := enginehouse.Start(t.Context(), enginehouse.Options{
		Verify: true, Data: t.TempDir(), Stderr: os.Stderr, Command: []string{product(t), "clickhouse-engine"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	natsURL := withUser(messages.URL(), url.User("bus-token"))
	writer, analyst := engine.Credentials()
	address := func(c enginehouse.Credentials) string {
		return withUser("http://"+engine.Addr(), url.UserPassword(c.User, c.Password))
	}
	const token = "a token of this test"
	secret := randomWebhookSecret()
	hash := sha256.Sum256([]byte(token))
	tokens := filepath.Join(t.TempDir(), "credentials.yaml")
	if err := os.WriteFile(tokens, fmt.Appendf(nil, "tokens:\n  - {tenant: acme, source: laptops, sha256: %s}\n", hex.EncodeToString(hash[:])), 0o600); err != nil {
		t.Fatal(err)
	}

	kafkaFlag := "--kafka=" + broker.Addr()
	parts := []*service{
		start(t, []string{"MCPWATCH_WEBHOOK_SECRET=" + secret}, "alert", kafkaFlag, "--nats", natsURL, "--webhook", hook.URL),
		start(t, []string{"MCPWATCH_CLICKHOUSE=" + address(writer)}, "sink", kafkaFlag),
		start(t, nil, "detector", kafkaFlag),
		start(t, nil, append(append([]string{"collector"}, intakeKeys(t)...), kafkaFlag, "--listen", "127.0.0.1:0", "--credentials", tokens, "--name", "intake-1")...),
	}
	collector := "http://" + addressOf(t, parts[3])
	post(t, collector, token, batchTo("parts", func(n int) string { return fmt.Sprint("parts-", n) })...)

	store := openStore(t, address(analyst))
	reaches(t, store, 4, "SELECT count() FROM events WHERE tenant = 'acme' AND source_name = 'laptops' AND collector = 'intake-1'")
	raised(t, store, "parts")
	b := subscribe(t, natsURL)
	times := everyAlertPosted(t, store, b, hook, secret)
	_, bodies := hook.received(t, secret)
	for id, f := range bodies {
		if f.Tenant != "acme" || times[id] != 1 {
			t.Errorf("finding %s of tenant %q was posted %d times", id, f.Tenant, times[id])
		}
	}
	_ = store.Close()
	for _, p := range slices.Backward(parts) {
		p.signal(t, syscall.SIGTERM)
		if code := p.wait(t); code != exitDone {
			t.Errorf("%s: exit code %d after SIGTERM: %s", p.name, code, p.stderr.String())
		}
	}
}

// addressOf is where a part that has started listens, as it says itself.
func addressOf(t *testing.T, part *service) (address string) {
	t.Helper()
	eventually(t, "the part's address", func() (bool, string) {
		for line := range strings.Lines(part.stderr.String()) {
			var said struct {
				Address string `json:"address"`
			}
			if json.Unmarshal([]byte(line), &said) == nil && said.Address != "" {
				address = said.Address
			}
		}
		return address != "", part.stderr.String()
	})
	return address
}
