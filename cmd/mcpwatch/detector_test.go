package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	embeddedkafka "github.com/mcpwatch/mcpwatch/internal/embedded/kafka"
)

// TestADetectorLoadsItsRulesAgain holds that a running detector takes changed rules by API and at
// a hangup, and answers with file, line and column where they do not load.
func TestADetectorLoadsItsRulesAgain(t *testing.T) {
	broker, err := embeddedkafka.Start(embeddedkafka.Options{Listen: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	dir := t.TempDir()
	write := func(severity string) {
		t.Helper()
		text := fmt.Sprintf("id: ours\ntitle: T\nseverity: %s\nmatch: call.tool == \"x\"\n", severity)
		if err := os.WriteFile(filepath.Join(dir, "ours.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("low")
	telemetry := freeAddress(t)
	ctx, cancel := context.WithCancel(t.Context())
	var log buffer
	var detector sync.WaitGroup
	detector.Go(func() {
		args := []string{"detector", "--kafka", broker.Addr(), "--partitions", "1", "--no-builtin", "--rules", dir, "--telemetry", telemetry}
		if err := command(ctx, args, streams{strings.NewReader(""), io.Discard, &log}); err != nil {
			t.Errorf("detector: %v", err)
		}
	})
	defer func() { cancel(); detector.Wait() }()

	reload := func() (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+telemetry+"/-/reload", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, err.Error()
		}
		defer func() { _ = response.Body.Close() }()
		body, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(body)
	}
	await(t, func() bool { return strings.Contains(log.String(), "detector is up") })

	write("high")
	if status, body := reload(); status != http.StatusOK || !strings.Contains(body, `"rules":1`) {
		t.Errorf("reload answers %d %s", status, body)
	}
	write("great")
	status, body := reload()
	if want := `/ours.yaml","line":3,"column":11,"field":"severity","reason":"`; status != http.StatusUnprocessableEntity || !strings.Contains(body, want) {
		t.Errorf("reload of what does not load answers %d %s, want %s", status, body, want)
	}
	before := strings.Count(log.String(), `"message":"rules published"`)
	write("critical")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return strings.Count(log.String(), `"message":"rules published"`) > before })
}

// freeAddress is an address on loopback that nobody has.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func await(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}
