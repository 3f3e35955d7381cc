package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/event"
	embedded "github.com/mcpwatch/mcpwatch/internal/embedded/kafka"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
	"github.com/mcpwatch/mcpwatch/internal/tlsfiles/certtest"
)

// TestTapAndCollectorProveThemselves ships from a tap to a collector that both have certificates of a
// private CA, and from one that has another's.
func TestTapAndCollectorProveThemselves(t *testing.T) {
	broker, err := embedded.Start(embedded.Options{Listen: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	ca, strangers := certtest.New(t), certtest.New(t)
	cert, key := ca.Issue(t.TempDir(), "localhost")
	credentials := filepath.Join(t.TempDir(), "credentials.yaml")
	if err := os.WriteFile(credentials, []byte("certificates:\n  - {tenant: acme, source: laptops, dns: laptop-17.example, agent: laptop-17}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	intake := start(t, nil, "collector", "--kafka="+broker.Addr(), "--listen=127.0.0.1:0", "--credentials="+credentials, "--no-redaction",
		"--tls-cert="+cert, "--tls-key="+key, "--tls-client-ca="+ca.File)
	_, port, _ := strings.Cut(addressOf(t, intake), ":")

	tap := func(from *certtest.Authority, name string) {
		cert, key := from.Issue(t.TempDir(), name)
		cmd := productCommand(t, nil, "tap", "--server=echo", "--data="+t.TempDir(), "--collector=https://localhost:"+port,
			"--ca="+ca.File, "--client-cert="+cert, "--client-key="+key, "--", "cat")
		cmd.Stdin = strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"from":"` + name + `"}}` + "\n")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), name) {
			t.Errorf("a tap of %s: %v, %s", name, err, out)
		}
	}
	tap(strangers, "laptop-17.example")
	tap(ca, "laptop-99.example")
	tap(ca, "laptop-17.example")

	var seen []event.Event
	eventually(t, "two events", func() (bool, string) {
		seen = eventsIn(t, broker.Addr())
		return len(seen) >= 2, fmt.Sprint(len(seen))
	})
	for _, e := range seen {
		if e.Tenant != "acme" || e.Source.Name != "laptops" || e.Actor != "agent:laptop-17" || !strings.Contains(string(e.Message), "laptop-17.example") {
			t.Errorf("%s of %s/%s: %s", e.Actor, e.Tenant, e.Source.Name, e.Message)
		}
	}
	if len(seen) != 2 {
		t.Errorf("%d events, want the two of one message through cat", len(seen))
	}
}

// eventsIn reads what mcp.events holds, ticks left out.
func eventsIn(t *testing.T, broker string) (events []event.Event) {
	t.Helper()
	client, err := kafka.NewClient([]string{broker}, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for partition := range 8 {
		end, err := client.End(t.Context(), kafka.Events, partition)
		if err != nil {
			t.Fatal(err)
		}
		err = client.Read(t.Context(), kafka.Events, partition, 0, end, func(r kafka.Record) error {
			if e, err := event.Decode(r.Value, event.StoredLimits()); err == nil && len(r.Key) > 0 {
				events = append(events, e)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return events
}
