package tap

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

// modeVar makes the test binary play another program: a server, or a tap of its own.
const modeVar = "MCPWATCH_TAP_TEST_MODE"

func TestMain(m *testing.M) {
	if mode := os.Getenv(modeVar); mode != "" {
		os.Exit(play(mode))
	}
	goleak.VerifyTestMain(m)
}

// server is the command and environment that make the test binary play a server.
func server(t testing.TB, mode string, args ...string) (command, env []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{self}, args...), append(os.Environ(), modeVar+"="+mode, "GORACE=atexit_sleep_ms=0")
}

func play(mode string) int {
	switch mode {
	case "echo":
		buf := make([]byte, 64<<10)
		for {
			n, err := os.Stdin.Read(buf)
			if _, err := os.Stdout.Write(buf[:n]); err != nil {
				return 1
			}
			if err != nil {
				return 0
			}
		}
	case "exit":
		code, _ := strconv.Atoi(os.Args[1])
		fmt.Print("last words, no newline")
		return code
	case "die":
		n, _ := strconv.Atoi(os.Args[1])
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Signal(syscall.Signal(n))
		select {}
	case "eof":
		n, _ := io.Copy(io.Discard, os.Stdin)
		fmt.Printf("eof after %d", n)
		return 7
	case "stderr":
		_, _ = os.Stderr.WriteString("to stderr \x00\xff no newline")
		return 0
	case "yes":
		for {
			if _, err := os.Stdout.WriteString("yes\n"); err != nil {
				return 1
			}
		}
	case "closed-input":
		os.Stdin.Close()
		wait := make(chan os.Signal, 1)
		signal.Notify(wait, syscall.SIGTERM)
		fmt.Println("closed")
		<-wait
		return 9
	case "signals":
		return playSignals()
	case "deaf":
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
		fmt.Println("ready")
		select {}
	case "daemon":
		self, _ := os.Executable()
		holder := exec.Command(self)
		holder.Env = append(os.Environ(), modeVar+"=eof")
		holder.Stdin, holder.Stdout = os.Stdin, os.Stdout
		if err := holder.Start(); err != nil {
			return 1
		}
		fmt.Print(strings.Repeat("x", 60_000))
		return 3
	case "mcp":
		return playMCP()
	case "tap":
		return playTap()
	case "proxy":
		return playProxy()
	}
	return 99
}

func playSignals() int {
	got := make(chan os.Signal, 16)
	signal.Notify(got, passed()...)
	fmt.Println("ready")
	ended := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); close(ended) }()
	for {
		select {
		case sig := <-got:
			fmt.Println(sig)
		case <-ended:
			return 5
		}
	}
}

// playMCP answers each request with a result that says how it got here.
func playMCP() int {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var m struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
		}
		if json.Unmarshal(lines.Bytes(), &m) != nil || m.ID == nil {
			continue
		}
		result := `{"content":[{"type":"text","text":"done"}]}`
		if m.Method == "initialize" {
			result = `{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"toy","version":"0.1"}}`
		}
		fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":%s}`+"\n", m.ID, result)
	}
	return 0
}

// tapConfig is what a test tells a tap that runs as a process of its own.
type tapConfig struct {
	Instance, SpoolDir, Endpoint string
	Mode                         string // of its server
	Args                         []string
	SegmentBytes                 int64
	FileLimit                    uint64 // RLIMIT_FSIZE, 0 for none
	Upstream                     string // of a proxy
}

const tapVar = "MCPWATCH_TAP_TEST_CONFIG"

func playTap() int {
	var c tapConfig
	if err := json.Unmarshal([]byte(os.Getenv(tapVar)), &c); err != nil {
		return 98
	}
	if c.FileLimit > 0 && limitFiles(c.FileLimit) != nil {
		return 97
	}
	self, _ := os.Executable()
	o := c.options()
	o.Command, o.Env = append([]string{self}, c.Args...), append(os.Environ(), modeVar+"="+c.Mode)
	code, err := Run(context.Background(), o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

// playProxy prints its address and serves until its input ends.
func playProxy() int {
	var c tapConfig
	if err := json.Unmarshal([]byte(os.Getenv(tapVar)), &c); err != nil {
		return 98
	}
	if c.FileLimit > 0 && limitFiles(c.FileLimit) != nil {
		return 97
	}
	listener, err1 := net.Listen("tcp", "127.0.0.1:0")
	upstream, err2 := url.Parse(c.Upstream)
	if err1 != nil || err2 != nil {
		return 96
	}
	fmt.Println("http://" + listener.Addr().String())
	ctx, cancel := context.WithCancel(context.Background())
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); cancel() }()
	if err := Serve(ctx, c.options(), Proxy{Listener: listener, Upstream: upstream}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (c *tapConfig) options() Options {
	o := DefaultOptions()
	o.Server, o.SpoolDir = "files", c.SpoolDir
	o.NewInstance = func() string { return c.Instance }
	o.Target = func(context.Context) (string, string, error) { return c.Endpoint, "secret", nil }
	o.RetryMin, o.RetryMax = time.Millisecond, 5*time.Millisecond
	o.Linger = time.Minute
	o.Logger = zerolog.New(os.Stderr)
	if c.SegmentBytes > 0 {
		o.SegmentBytes = c.SegmentBytes
	}
	return o
}

// tapProcess starts a tap as a process of its own, with pipes to it. Its log goes to
// stderr, which may be nil.
func tapProcess(t testing.TB, c tapConfig, stderr *os.File) (cmd *exec.Cmd, stdin io.WriteCloser, stdout io.ReadCloser) {
	t.Helper()
	return process(t, "tap", c, stderr)
}

func process(t testing.TB, mode string, c tapConfig, stderr *os.File) (cmd *exec.Cmd, stdin io.WriteCloser, stdout io.ReadCloser) {
	t.Helper()
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	command, env := server(t, mode)
	cmd = exec.Command(command[0])
	cmd.Env = append(env, tapVar+"="+string(config))
	if stderr != nil {
		cmd.Stderr = stderr
	}
	if stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if stdout, err = cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, stdin, stdout
}

// logged returns a logger and a channel that tells when a message with that text is logged.
func logged(text string) (zerolog.Logger, <-chan struct{}) {
	seen := make(chan struct{})
	var once sync.Once
	return zerolog.New(writerFunc(func(p []byte) {
		if bytes.Contains(p, []byte(text)) {
			once.Do(func() { close(seen) })
		}
	})), seen
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

// run is a tap in this process, with the agent's ends of its pipes.
type run struct {
	t        testing.TB
	in, out  *os.File // the agent writes to in and reads from out
	counters *Counters
	result   chan result
	cancel   context.CancelFunc
}

type result struct {
	code int
	err  error
}

// options are those of a test: a spool of its own, instance "T1", fast retries, and a
// collector that takes everything unless the test sets another Target.
func options(t testing.TB, mode string, args ...string) Options {
	o := DefaultOptions()
	o.Server = "files"
	o.Command, o.Env = server(t, mode, args...)
	o.SpoolDir = filepath.Join(t.TempDir(), "spool")
	o.NewInstance = func() string { return "T1" }
	o.RetryMin, o.RetryMax, o.RetrySlow = time.Millisecond, 5*time.Millisecond, 2*time.Millisecond
	o.Linger = time.Minute // a test ends when all is shipped
	o.Counters = new(Counters)
	o.Target = func(context.Context) (string, string, error) { return "", "", errors.New("no collector") }
	return o
}

func startRun(t testing.TB, o Options) *run {
	t.Helper()
	stdin, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	o.Stdin, o.Stdout = stdin, stdout
	ctx, cancel := context.WithCancel(t.Context())
	r := &run{t: t, in: in, out: out, counters: o.Counters, result: make(chan result, 1), cancel: cancel}
	go func() {
		code, err := Run(ctx, o)
		stdin.Close()
		stdout.Close()
		r.result <- result{code, err}
	}()
	t.Cleanup(func() { cancel(); in.Close(); out.Close() })
	return r
}

// wait returns the exit code of a run that must end by itself.
func (r *run) wait() int {
	r.t.Helper()
	got := <-r.result
	if got.err != nil {
		r.t.Fatal(got.err)
	}
	return got.code
}

func (r *run) write(s string) {
	r.t.Helper()
	if _, err := io.WriteString(r.in, s); err != nil {
		r.t.Fatal(err)
	}
}

// expect reads exactly want from the server.
func (r *run) expect(want string) {
	r.t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r.out, got); err != nil {
		r.t.Fatalf("reading %d bytes: %v", len(want), err)
	}
	if !bytes.Equal(got, []byte(want)) {
		r.t.Fatalf("got %.200q, want %.200q", got, want)
	}
}

// rest reads to the end.
func (r *run) rest() string {
	r.t.Helper()
	got, err := io.ReadAll(r.out)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(got)
}
