package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	embeddedkafka "github.com/mcpwatch/mcpwatch/internal/embedded/kafka"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// TestTheOtherWaysIntoACollector sends syslog, and has a topic of others read.
func TestTheOtherWaysIntoACollector(t *testing.T) {
	broker, err := embeddedkafka.Start(embeddedkafka.Options{Listen: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	client, err := kafka.NewClient([]string{broker.Addr()}, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.EnsureTopics(t.Context(), kafka.Topic{Name: "gateway.logs", Partitions: 1, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	producer, err := client.NewProducer(t.Context(), "gateway.logs")
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if err := producer.Produce(t.Context(), []kafka.Record{{Value: []byte(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)}}); err != nil {
		t.Fatal(err)
	}
	credentials := filepath.Join(t.TempDir(), "credentials.yaml")
	if err := os.WriteFile(credentials, []byte("certificates:\n  - {tenant: acme, source: mesh, dns: gw.example}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	intake := start(t, nil, "collector", "--no-redaction", "--kafka="+broker.Addr(), "--listen=127.0.0.1:0", "--credentials="+credentials,
		"--syslog=127.0.0.1:0", "--syslog-source=acme/old", "--kafka-in=gateway.logs=auto:acme/gateway")
	address := ""
	eventually(t, "syslog", func() (bool, string) {
		for line := range strings.Lines(intake.stderr.String()) {
			var said struct{ Message, Address string }
			if json.Unmarshal([]byte(line), &said, json.MatchCaseInsensitiveNames(true)) == nil && said.Message == "syslog is up" {
				address = said.Address
			}
		}
		return address != "", intake.stderr.String()
	})
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "<13>1 - gw - - - - {\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\n"); err != nil {
		t.Fatal(err)
	}
	sources := map[string]int{}
	eventually(t, "an event of each", func() (bool, string) {
		clear(sources)
		for _, e := range eventsIn(t, broker.Addr()) {
			sources[e.Tenant+"/"+e.Source.Name]++
		}
		return len(sources) >= 2, fmt.Sprint(sources)
	})
	if sources["acme/old"] != 1 || sources["acme/gateway"] != 1 {
		t.Errorf("%v", sources)
	}
	intake.stop(t)
}
