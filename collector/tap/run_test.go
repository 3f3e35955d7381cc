package tap

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

func TestBytesAreExact(t *testing.T) {
	c := newCollector(t)
	o := options(t, "echo")
	o.Target = c.target
	r := startRun(t, o)
	rapid.Check(t, func(t *rapid.T) {
		chunks := rapid.SliceOfN(rapid.OneOf(
			rapid.SliceOfN(rapid.Byte(), 0, 300),
			rapid.Map(rapid.IntRange(0, 100_000), func(n int) []byte { return bytes.Repeat([]byte{'x'}, n) }),
			rapid.SampledFrom([][]byte{{'\n'}, {0}, []byte("\r\n"), []byte(`{"jsonrpc":"2.0","id":1,"method":"ping"}` + "\n"), {0xff, 0xfe}}),
		), 1, 12).Draw(t, "chunks")
		var wrote sync2
		wrote.start(func() error {
			for _, chunk := range chunks {
				if _, err := r.in.Write(chunk); err != nil {
					return err
				}
			}
			return nil
		})
		want := bytes.Join(chunks, nil)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(r.out, got); err != nil {
			t.Fatal(err)
		}
		if err := wrote.wait(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatal("other bytes came out than went in")
		}
	})
	r.in.Close()
	if rest := r.rest(); rest != "" {
		t.Errorf("%d bytes too many", len(rest))
	}
	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	checkWhole(t, c.events(), "T1")
}

// sync2 runs one function beside the test.
type sync2 struct{ done chan error }

func (s *sync2) start(f func() error) {
	s.done = make(chan error, 1)
	go func() { s.done <- f() }()
}

func (s *sync2) wait() error { return <-s.done }

func TestFiftyMegabyteLine(t *testing.T) {
	c := newCollector(t)
	o := options(t, "echo")
	o.Target = c.target
	o.QueueBytes = 256 << 20 // all of it is to be observed
	r := startRun(t, o)
	big := bytes.Repeat([]byte("0123456789abcde\x00"), 50<<20/16)
	big[len(big)-1] = '\n'
	var wrote sync2
	wrote.start(func() error {
		_, err := r.in.Write(big)
		r.in.Close()
		return err
	})
	if got := r.rest(); got != string(big) {
		t.Errorf("got %d bytes, want %d and the same", len(got), len(big))
	}
	if err := wrote.wait(); err != nil {
		t.Error(err)
	}
	r.wait()
	events := c.events()
	if len(events) != 2 {
		t.Fatalf("%d events, want one a direction", len(events))
	}
	for _, e := range events {
		if want := `{"line_bytes":52428799}`; !e.HasMark("truncated:message") || string(e.Extra) != want {
			t.Errorf("marks %v, extra %s, want %s", e.Marks, e.Extra, want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	script := filepath.Join(t.TempDir(), "not-executable")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		mode    string
		arg     string
		command string
		code    int
		out     string
		err     error
	}{
		{name: "zero", mode: "exit", arg: "0", out: "last words, no newline"},
		{name: "one", mode: "exit", arg: "1", code: 1, out: "last words, no newline"},
		{name: "255", mode: "exit", arg: "255", code: 255, out: "last words, no newline"},
		{name: "killed", mode: "die", arg: "9", code: 137},
		{name: "terminated", mode: "die", arg: "15", code: 143},
		{name: "no such command", command: "mcpwatch-no-such-command", code: 127, err: os.ErrNotExist},
		{name: "no such file", command: "/nonexistent/server", code: 127, err: os.ErrNotExist},
		{name: "not executable", command: script, code: 126, err: os.ErrPermission},
		{name: "a directory", command: os.TempDir(), code: 126, err: os.ErrPermission},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := options(t, test.mode, test.arg)
			if test.command != "" {
				o.Command = []string{test.command}
			}
			r := startRun(t, o)
			if out := r.rest(); out != test.out {
				t.Errorf("output %q, want %q", out, test.out)
			}
			got := <-r.result
			if got.code != test.code {
				t.Errorf("exit code %d, want %d (%v)", got.code, test.code, got.err)
			}
			if (got.err != nil) != (test.err != nil) {
				t.Errorf("error %v, want %v", got.err, test.err)
			}
			if got.err != nil && !strings.HasPrefix(got.err.Error(), "starting the server: ") {
				t.Errorf("error %q does not say what was done", got.err)
			}
		})
	}
}

func TestEndOfInputReachesTheServer(t *testing.T) {
	r := startRun(t, options(t, "eof"))
	r.write("no newline")
	r.in.Close()
	if out := r.rest(); out != "eof after 10" {
		t.Errorf("server said %q", out)
	}
	if code := r.wait(); code != 7 {
		t.Errorf("exit code %d", code)
	}
}

func TestServerThatClosesItsInput(t *testing.T) {
	r := startRun(t, options(t, "closed-input"))
	r.expect("closed\n")
	var err error
	for err == nil {
		_, err = r.in.Write(make([]byte, 1<<10))
	}
	if !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the agent's write gives %v, want a broken pipe", err)
	}
	r.cancel() // SIGTERM
	if code := r.wait(); code != 9 {
		t.Errorf("exit code %d", code)
	}
}

func TestAgentThatStopsReading(t *testing.T) {
	r := startRun(t, options(t, "yes"))
	r.expect("yes\nyes\n")
	r.out.Close()
	if code := r.wait(); code != 128+int(syscall.SIGPIPE) {
		t.Errorf("exit code %d, want death by SIGPIPE", code)
	}
}

func TestGrandchildHoldsTheOutput(t *testing.T) {
	r := startRun(t, options(t, "daemon"))
	if out := r.rest(); out != strings.Repeat("x", 60_000) {
		t.Errorf("%d bytes came out", len(out))
	}
	if code := r.wait(); code != 3 {
		t.Errorf("exit code %d", code)
	}
}

func TestStandardErrorIsHandedOver(t *testing.T) {
	theirs, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	o := options(t, "stderr")
	o.Stderr = stderr
	r := startRun(t, o)
	r.wait()
	stderr.Close()
	if got, _ := io.ReadAll(theirs); string(got) != "to stderr \x00\xff no newline" {
		t.Errorf("stderr is %q", got)
	}
}

func TestContextEndsTheServer(t *testing.T) {
	r := startRun(t, options(t, "echo"))
	r.write("x")
	r.expect("x")
	r.cancel()
	if code := r.wait(); code != 143 {
		t.Errorf("exit code %d", code)
	}
}

func TestSpoolThatCannotBeMade(t *testing.T) {
	o := options(t, "echo")
	o.SpoolDir = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(o.SpoolDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := startRun(t, o)
	r.write("{}\n")
	r.expect("{}\n")
	r.in.Close()
	r.wait()
	if s := r.counters.Snapshot(); s.DiskLost < 2 || s.SpoolError == 0 || s.Bytes != 6 {
		t.Errorf("stats %+v", s)
	}
}

func TestOptionsReportEveryProblem(t *testing.T) {
	code, err := Run(t.Context(), Options{})
	if code != usage || err == nil {
		t.Fatalf("code %d, error %v", code, err)
	}
	for _, field := range []string{
		"Server", "Command", "Stdin", "SpoolDir", "SegmentBytes", "QueueBytes", "Target",
		"RetryMin", "RetrySlow", "AdoptEvery", "NewInstance", "Now",
	} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%s is not reported in %q", field, err)
		}
	}
	o := options(t, "exit", "0")
	o.NewInstance = func() string { return "../escape" }
	if code, err := Run(t.Context(), o); code != usage || err == nil {
		t.Errorf("a path as instance: code %d, error %v", code, err)
	}
}
