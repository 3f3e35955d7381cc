package storage_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestEveryFieldHasItsColumn holds the rows of a full event and a full finding.
func TestEveryFieldHasItsColumn(t *testing.T) {
	s := newSite(t)
	stop := s.runSink()
	defer stop()
	full := event.Event{
		ID: "e2", Parent: "e0", Tenant: "acme", Actor: "agent:laptop/a", Time: noon, Received: noon.Add(time.Second), ClaimedTime: noon.Add(-time.Hour),
		Agent:     event.Agent{ID: "laptop/a", Name: "assistant", Version: "1.2", Host: "laptop", User: "alice"},
		Server:    event.Server{ID: "files", Name: "filesystem", Version: "3.4", URL: "https://mcp.example/mcp", Command: "npx files"},
		Principal: event.Principal{Subject: "alice", Issuer: "https://id.example", ClientID: "c", Audience: "files", Scopes: []string{"read", "write"}, Token: "sha256:ab"},
		Session:   "s", Trace: "t", Transport: "http", Direction: event.ToClient,
		HTTP:     event.HTTP{Status: 200, Method: "POST", ClientIP: "192.0.2.1", Headers: map[string]string{"mcp-method": "tools/call"}},
		Source:   event.Source{Format: "tap", Name: "laptops", Collector: "c1", Instance: "i", Sequence: 7, Completeness: []string{"arguments", "results"}},
		Request:  &event.Request{Event: "e1", Method: "tools/call", Name: "read_file", Arguments: []byte(`{"path":"/a\u0000\n'\\"}`)},
		Activity: "policy_change", Outcome: event.Outcome{Status: event.OutcomeDenied, Reason: "by rule 7"},
		Marks:   []string{"time_in_past"},
		Message: []byte(`{"jsonrpc": "2.0", "id": "3", "result": {"isError": true, "content": [{"type":"text","text":"tab\t quote \" é 你 \u0000"}]}}`),
		Extra:   []byte(`{"site":"north"}`),
	}
	failed := call("e3")
	failed.Direction, failed.Message = event.ToClient, []byte(`{"jsonrpc":"2.0","id":4,"error":{"code":-32602,"message":"no"}}`)
	read := call("e4")
	read.Message = []byte(`{"jsonrpc":"2.0","id":5,"method":"resources/read","params":{"uri":"file:///etc/hosts"}}`)
	noise := call("e5")
	noise.Message, noise.Raw = nil, "Server started\x1b[0m"
	s.send(full, failed, read, noise)
	f := finding.Finding{
		Time: noon, Received: noon.Add(time.Second), Tenant: "acme", Rule: "a-rule", RuleVersion: "v", Control: "c", Title: "A rule",
		Severity: finding.Critical, Mode: finding.Shadow, Risk: 60, Tags: []string{"safe-mcp.T1001"}, Playbook: "p",
		Actor: "agent:laptop/a", Agent: full.Agent, Server: full.Server, Session: "s", Trace: "t",
		Method: "tools/call", Name: "read_file", Key: []string{"k"}, Events: []string{"e2"},
	}
	f.DeriveID()
	value, err := finding.Encode(&f)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.findings.Produce(t.Context(), []kafka.Record{{Value: value}}); err != nil {
		t.Fatal(err)
	}
	s.await("SELECT count() FROM mcpwatch.events", "4")
	s.await("SELECT count() FROM mcpwatch.findings", "1")

	var got strings.Builder
	for _, sql := range []string{
		"SELECT * EXCEPT (kafka_partition, kafka_offset) FROM mcpwatch.events WHERE event_id = 'e2'",
		"SELECT event_id, kind, method, rpc_id, tool, resource, error_code, is_error, raw FROM mcpwatch.events WHERE event_id != 'e2' ORDER BY event_id",
		"SELECT * EXCEPT (kafka_partition, kafka_offset) FROM mcpwatch.findings",
	} {
		fmt.Fprintf(&got, "-- %s\n", sql)
		var names []string
		err := s.store.Query(t.Context(), sql, func(n []string) error { names = n; return nil }, func(values []any) error {
			for i, v := range values {
				fmt.Fprintf(&got, "%s: %#v\n", names[i], plain(v))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	const golden = "testdata/rows.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("rows differ from %s:\n%s", golden, got.String())
	}
}

func plain(v any) any {
	if at, ok := v.(time.Time); ok {
		return at.UTC().Format(time.RFC3339Nano)
	}
	return v
}
