package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpwatch/mcpwatch/finding"
)

const keyText = "-----BEGIN OPENSSH PRIVATE KEY-----\nthis is no key, it only looks like one\n-----END OPENSSH PRIVATE KEY-----\n"

// TestSessionBecomesAlert is the product's main job on real input: three MCP servers under
// the tap, the official client, and at the other end each message, finding and webhook.
func TestSessionBecomesAlert(t *testing.T) {
	filesystem, everything := realServers(t)
	hook := newReceiver(t)
	data := t.TempDir()
	u := startUp(t, data, "--webhook", hook.URL, "--no-redaction") // what is stored is compared with the wire
	b := subscribe(t, u.Addresses["nats"])

	sessions := []*session{
		readKeyAndClimb(t, data, filesystem),
		talkToEverything(t, data, everything),
		listPoisonedTool(t, data),
	}
	shipped(t, data)
	for _, s := range sessions {
		s.landed(t, u.store)
		s.verify(t, u.store)
	}
	unique(t, u.store, "events", "event_id")

	judged(t, u)
	found := awaitFindings(t, u.store, map[string]string{"secret-file-access": "files", "path-traversal": "files", "definition-": "weather"})
	unique(t, u.store, "findings", "finding_id")
	for _, f := range found {
		if n, err := value[uint64](t, u.store, "SELECT count() FROM events WHERE event_id IN ?", f.Events); err != nil || n != uint64(len(f.Events)) {
			t.Errorf("finding %s names the events %q, of which %d are there (%v)", f.ID, f.Events, n, err)
		}
	}
	times := everyAlertPosted(t, u.store, b, hook, u.WebhookSecret)
	stored := b.stored(t)
	_, bodies := hook.received(t, u.WebhookSecret)
	eventually(t, "the findings at the subscriber", func() (bool, string) {
		return len(b.published()) >= len(times), fmt.Sprintf("%d of %d", len(b.published()), len(times))
	})
	same(t, "findings published", slices.Sorted(maps.Keys(b.published())), slices.Sorted(maps.Keys(times)))
	for _, f := range found {
		if f.Mode != string(finding.Alert) {
			continue
		}
		if times[f.ID] != 1 || b.published()[f.ID] != 1 {
			t.Errorf("finding %s was published %d times and posted %d times, want once", f.ID, b.published()[f.ID], times[f.ID])
		}
		if stored[f.ID].Rule != f.Rule || bodies[f.ID].Rule != f.Rule {
			t.Errorf("finding %s is of rule %q on NATS and %q at the webhook, want %q", f.ID, stored[f.ID].Rule, bodies[f.ID].Rule, f.Rule)
		}
	}
	commandLineAgrees(t, data, found)
	u.stop(t)
}

// judged waits until the detector has looked at all that the taps have sent: an actor's
// events are judged in order, and this one is the last.
func judged(t *testing.T, u *up) {
	t.Helper()
	actor := query[struct {
		Agent string `ch:"agent_id"`
	}](t, u.store, "SELECT DISTINCT agent_id FROM events")
	if len(actor) != 1 || actor[0].Agent == "" {
		t.Fatalf("the taps of one user name the agents %v, want one", actor)
	}
	post(t, u.Addresses["collector"], u.Token, fmt.Sprintf(`{"id":"last","agent":{"id":%q},"server":{"id":"last"},"direction":"to_server","message":%s}`, actor[0].Agent, readKey))
	reaches(t, u.store, 1, "SELECT count() FROM findings WHERE server_id = 'last' AND rule = 'secret-file-access'")
	reaches(t, u.store, 1, "SELECT count() FROM events WHERE server_id = 'last'")
}

// readKeyAndClimb reads a private key, and tries to leave the allowed directory.
func readKeyAndClimb(t *testing.T, data, server string) *session {
	t.Helper()
	allowed, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(allowed, "id_rsa")
	if err := os.WriteFile(key, []byte(keyText), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startSession(t, data, "files", "node", server, allowed)
	tools, err := s.ListTools(t.Context(), nil)
	if err != nil || len(tools.Tools) == 0 {
		t.Fatalf("listing tools: %v", err)
	}
	if text, failed := s.call(t, "read_text_file", map[string]any{"path": key}); failed || text != keyText {
		t.Errorf("the server gave %q for the key (failed: %v)", text, failed)
	}
	if text, failed := s.call(t, "read_text_file", map[string]any{"path": "../../etc/passwd"}); !failed || strings.Contains(text, "root:") {
		t.Errorf("the server did not refuse to leave its directory: %s", text)
	}
	s.end(t)
	return s
}

// talkToEverything exchanges what a harmless session does: long and odd texts, and
// requests that come from the server.
func talkToEverything(t *testing.T, data, server string) *session {
	t.Helper()
	s := startSession(t, data, "everything", "node", server)
	if _, err := s.ListTools(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if _, err := s.ListPrompts(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if _, err := s.ListResources(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if err := s.Ping(t.Context(), nil); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"", "naïve \u2028 \"quoted\" 日本語 <b>&amp;</b> \\u0000 \U0001f440\t\r\n", strings.Repeat("long ", 60_000)} {
		if got, failed := s.call(t, "echo", map[string]any{"message": text}); failed || got != "Echo: "+text {
			t.Errorf("echo gave %.100q for %.100q", got, text)
		}
	}
	if _, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "no-such-tool"}); err == nil {
		t.Log("a call of an unknown tool is answered by a result")
	}
	// The server asks for the client's roots a while after the start.
	eventually(t, "a request of the server", func() (bool, string) {
		return strings.Contains(s.toClient.String(), `"method":"roots/list"`), "none yet"
	})
	s.end(t)
	return s
}

// listPoisonedTool lists a tool whose description hides an instruction.
func listPoisonedTool(t *testing.T, data string) *session {
	t.Helper()
	s := startSession(t, data, "weather", poisonedServer)
	tools, err := s.ListTools(t.Context(), nil)
	if err != nil || len(tools.Tools) != 1 {
		t.Fatalf("listing tools: %v", err)
	}
	if text, failed := s.call(t, "get_weather", map[string]any{"city": "Bern"}); failed || text != "Bern: sunny" {
		t.Errorf("get_weather gave %q", text)
	}
	s.end(t)
	return s
}

type findingRow struct {
	ID     string   `ch:"finding_id" json:"finding_id"`
	Rule   string   `ch:"rule" json:"rule"`
	Mode   string   `ch:"mode" json:"mode"`
	Server string   `ch:"server_id" json:"server_id"`
	Events []string `ch:"events" json:"events"`
}

// awaitFindings waits for a finding of each rule (or of one that begins so) at its server,
// and returns all there are.
func awaitFindings(t *testing.T, store driver.Conn, want map[string]string) []findingRow {
	t.Helper()
	var rows []findingRow
	eventually(t, "the findings", func() (bool, string) {
		rows = query[findingRow](t, store, "SELECT finding_id, rule, mode, server_id, events FROM findings ORDER BY finding_id")
		missing := maps.Clone(want)
		for _, r := range rows {
			for rule, server := range want {
				if strings.HasPrefix(r.Rule, rule) && r.Server == server && r.Mode == string(finding.Alert) {
					delete(missing, rule)
				}
			}
		}
		return len(missing) == 0, fmt.Sprintf("%v are missing", missing)
	})
	return rows
}

// commandLineAgrees holds `mcpwatch findings` and `mcpwatch sql` against the table.
func commandLineAgrees(t *testing.T, data string, want []findingRow) {
	t.Helper()
	listed := mcpwatch(t, nil, "findings", "--data", data, "-o", "jsonl")
	asked := mcpwatch(t, nil, "sql", "--data", data, "-o", "jsonl", "SELECT finding_id, rule, mode, server_id, events FROM findings")
	for _, o := range []outcome{listed, asked} {
		if o.code != exitDone || o.stderr != "" {
			t.Fatalf("exit code %d: %s", o.code, o.stderr)
		}
	}
	var fromTable, fromFindings, fromSQL []string
	for _, f := range want {
		fromTable = append(fromTable, f.ID+" "+f.Rule+" "+f.Server)
	}
	for _, f := range jsonLines[finding.Finding](t, listed.stdout) {
		fromFindings = append(fromFindings, f.ID+" "+f.Rule+" "+f.Server.ID)
	}
	for _, f := range jsonLines[findingRow](t, asked.stdout) {
		fromSQL = append(fromSQL, f.ID+" "+f.Rule+" "+f.Server)
	}
	slices.Sort(fromFindings)
	slices.Sort(fromSQL)
	same(t, "mcpwatch findings", fromFindings, fromTable)
	same(t, "mcpwatch sql", fromSQL, fromTable)
}
