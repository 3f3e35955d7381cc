package tap

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFullDisk lets the spool's writes fail half way, as on a full disk, and then work
// again. The agent must not notice, and what was lost must be declared.
func TestFullDisk(t *testing.T) {
	const limit = 20_000
	c := newCollector(t)
	log, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd, stdin, stdout := tapProcess(t, tapConfig{
		Instance: "F1", SpoolDir: t.TempDir(), Endpoint: c.server.URL, Mode: "echo", FileLimit: limit,
	}, stderr)
	stderr.Close()
	lines := bufio.NewReader(stdout)
	n := 0
	say := func(times int) {
		for range times {
			n++
			line := fmt.Sprintf(`{"jsonrpc":"2.0","method":"m%d"}`, n) + "\n"
			if _, err := stdin.Write([]byte(line)); err != nil {
				t.Fatal(err)
			}
			if got, err := lines.ReadString('\n'); got != line {
				t.Fatalf("got %q (%v), want %q", got, err, line)
			}
		}
	}
	say(100) // some 40 KB of events: the segment outgrows its limit
	for messages := bufio.NewScanner(log); !strings.Contains(messages.Text(), "the spool cannot be written"); {
		if !messages.Scan() {
			t.Fatal("no write failed")
		}
	}
	no := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_FSIZE, &no, nil); err != nil {
		t.Skipf("cannot lift the limit: %v", err)
	}
	say(1)
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	events := c.events()
	lost := uint64(0)
	for _, e := range events {
		if g := gapIn(t, e); g.Reason == GapDisk {
			lost += g.Events
		}
	}
	if top := checkWhole(t, events, "F1"); top < 202 || lost == 0 {
		t.Errorf("events up to %d, %d declared lost", top, lost)
	}
	if uint64(len(events))+lost < 202 {
		t.Errorf("%d events and %d lost do not make 202", len(events), lost)
	}
}
