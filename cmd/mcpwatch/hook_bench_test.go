package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkHook starts a hook as an agent does: the process, from its start to its end. MCPWATCH_BINARY
// names the binary that `make build` makes; -benchtime 200x starts it 200 times.
func BenchmarkHook(b *testing.B) {
	binary := os.Getenv("MCPWATCH_BINARY")
	if binary == "" {
		b.Skip("MCPWATCH_BINARY is not set")
	}
	const record = `{"session_id":"s","hook_event_name":"PreToolUse","tool_name":"Bash","tool_input":{"command":"ls"},"tool_use_id":"t"}`
	took := make([]time.Duration, 0, b.N)
	var cpu time.Duration
	data := b.TempDir()
	for b.Loop() {
		hook := exec.CommandContext(b.Context(), binary, "hook", "--agent", "claude-code", "--data", data, "--collector", "http://127.0.0.1:1", "--token", "t")
		hook.Stdin = strings.NewReader(record)
		start := time.Now()
		if err := hook.Run(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
		cpu += hook.ProcessState.UserTime() + hook.ProcessState.SystemTime()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms/p99")
	b.ReportMetric(float64(cpu.Microseconds())/1000/float64(len(took)), "cpu-ms/op")
}
