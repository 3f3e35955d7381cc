//go:build unix

package tap

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestKilledTap kills a tap while messages stream through it and its collector fails in
// every way there is, and lets the next tap ship what it left.
func TestKilledTap(t *testing.T) {
	c := newCollector(t)
	c.answer = func(p post) answer {
		switch p.n % 4 {
		case 1:
			return answer{status: 503}
		case 2:
			return answer{hangUp: true} // taken, and the tap does not know
		}
		return answer{}
	}
	dir := t.TempDir()
	cmd, stdin, stdout := tapProcess(t, tapConfig{Instance: "K1", SpoolDir: dir, Endpoint: c.server.URL, Mode: "echo", SegmentBytes: 64 << 10}, nil)
	echoed := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, stdout); close(echoed) }()
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(stdin, `{"jsonrpc":"2.0","method":"m%d"}`+"\n", i); err != nil {
				return
			}
		}
	}()
	c.until("2,000 events and several posts", func() bool { return len(c.lines) > 2000 && len(c.posts) > 8 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-echoed // the server does not outlive the tap
	<-wrote
	_ = cmd.Wait()
	left := spooledWhole(t, filepath.Join(dir, "K1"))
	if left == 0 {
		t.Fatal("the killed tap left nothing")
	}

	o := options(t, "echo")
	o.SpoolDir, o.Target = dir, c.target
	o.NewInstance = func() string { return "K2" }
	r := startRun(t, o)
	c.until("the last event that the dead tap kept", func() bool { return c.lines[fmt.Sprintf("K1.%d", left)] != nil })
	r.in.Close()
	r.wait()
	events := c.events()
	if n := checkWhole(t, events, "K1"); n != left {
		t.Errorf("events up to %d, the spool had up to %d", n, left)
	}
	for i, e := range events {
		if e.Source.Instance != "K1" || e.Message == nil {
			t.Fatalf("event %d: %+v", i, e)
		}
	}
}

// spooledWhole returns the last number of the whole records in a spool.
func spooledWhole(t *testing.T, dir string) (last uint64) {
	t.Helper()
	names, _ := filepath.Glob(filepath.Join(dir, "*"+segmentExt))
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(f)
		for {
			line, err := r.ReadBytes('\n')
			if err != nil {
				break // the end, or a record that was being written
			}
			last = max(last, readRecord(line).Source.Sequence)
		}
		f.Close()
	}
	return last
}

// A server that heeds nothing ends with its tap all the same, where the kernel can do it.
func TestServerEndsWithAKilledTap(t *testing.T) {
	if attributes() == nil {
		t.Skip("not on this system")
	}
	theirs, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	cmd, stdin, stdout := tapProcess(t, tapConfig{Instance: "P1", Mode: "deaf", SpoolDir: t.TempDir()}, stderr)
	defer stdin.Close()
	stderr.Close()
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatalf("server said %q (%v)", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, theirs); err != nil { // the server holds it too: ends when both are gone
		t.Fatal(err)
	}
	_ = cmd.Wait()
}
