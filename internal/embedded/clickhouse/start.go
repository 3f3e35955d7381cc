//go:build darwin || linux

// Package clickhouse runs ClickHouse's engine in a child process, behind ClickHouse's HTTP interface.
//
// What it guarantees: after Start returns, clickhouse-go (over HTTP), Grafana and curl can use the address as a
// ClickHouse server, on loopback only and with a password that is new at each start. An INSERT that was answered is
// kept when either process is killed. The engine can't take the parent down: it has its own process, a memory limit,
// and, on Linux, a sandbox that leaves it its own directory and no network. The child lives exactly as long as the
// Server: it stops when Close is called or when the parent dies, however that happens.
//
// The engine is a library of 566 MB that is installed apart (engine/install.sh) and loaded without cgo.
package clickhouse

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Options says how the engine is run. The zero value of an optional field is its default.
type Options struct {
	// Library is the path of libchdb.so. Default: DefaultLibrary.
	Library string
	// Verify demands that Library is the pinned one. Leave it false only for a library of the user's own choice.
	Verify bool
	// Data is the absolute directory that holds the data. It is created, and readable by its owner only.
	Data string
	// Listen is a loopback host:port; port 0 picks a free one. Default: 127.0.0.1:0.
	Listen string
	// MaxMemory is how many bytes the engine may use for queries, merges and caches. Default: 1 GiB.
	MaxMemory int64
	// Stderr receives what the child says, which is nothing unless it crashes. Default: nobody.
	Stderr io.Writer
	// Command is the program that calls Child, with its arguments. Default: this executable with the argument
	// clickhouse-engine.
	Command []string
}

// Credentials are a user of the HTTP interface and the user's password. They print without the password.
type Credentials struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// String returns the user and hides the password.
func (c Credentials) String() string { return c.User + ":<secret>" }

// GoString is String: %#v must not print the password either.
func (c Credentials) GoString() string { return c.String() }

const (
	writerUser  = "writer"
	analystUser = "analyst"
)

// Server is a running engine.
type Server struct {
	addr            string
	writer, analyst Credentials
	status          status
	cmd             *exec.Cmd
	stdin           io.Closer
	said            *tail
	done            chan struct{}
	err             error // written before done is closed

	closing   chan struct{}
	closeOnce sync.Once
}

// Start runs the engine and returns when it answers queries. ctx bounds the start only.
func Start(ctx context.Context, o Options) (*Server, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("opening the ClickHouse address %s: %w", o.Listen, err)
	}
	// The child has a copy. Keeping this one would let clients connect to a queue nobody serves after a crash.
	defer ln.Close()
	if o.Verify {
		if err := VerifyLibrary(o.Library); err != nil {
			return nil, err
		}
	} else if _, err := os.Stat(o.Library); err != nil {
		return nil, fmt.Errorf("%w: %s can't be read: run `make engine`", ErrNoLibrary, o.Library)
	}
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return nil, fmt.Errorf("creating the ClickHouse data directory: %w", err)
	}
	//nolint:gosec // G302: a directory needs its x
	if err := os.Chmod(o.Data, 0o700); err != nil {
		return nil, fmt.Errorf("closing the ClickHouse data directory to others: %w", err)
	}
	return start(ctx, o, ln.(*net.TCPListener))
}

// complete fills in defaults and reports everything that is wrong.
func (o *Options) complete() error {
	var errs []error
	if o.Library == "" {
		lib, err := DefaultLibrary()
		errs = append(errs, err)
		o.Library = lib
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = 1 << 30
	}
	if len(o.Command) == 0 {
		exe, err := os.Executable()
		errs = append(errs, err)
		o.Command = []string{exe, "clickhouse-engine"}
	}
	if o.Stderr == nil {
		o.Stderr = io.Discard
	}

	host, _, err := net.SplitHostPort(o.Listen)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		errs = append(errs, fmt.Errorf("the ClickHouse address %q must be a loopback address and a port, as 127.0.0.1:8123", o.Listen))
	}
	if !filepath.IsAbs(o.Data) {
		errs = append(errs, fmt.Errorf("the ClickHouse data directory %q must be an absolute path", o.Data))
	}
	if o.MaxMemory < 256<<20 {
		errs = append(errs, fmt.Errorf("the ClickHouse memory limit of %d bytes is below 256 MiB", o.MaxMemory))
	}
	return errors.Join(errs...)
}

func start(ctx context.Context, o Options, ln *net.TCPListener) (*Server, error) {
	s := &Server{
		addr:    ln.Addr().String(),
		writer:  Credentials{User: writerUser, Password: rand.Text()},
		analyst: Credentials{User: analystUser, Password: rand.Text()},
		said:    &tail{},
		done:    make(chan struct{}),
		closing: make(chan struct{}),
	}
	config, err := configLines(o, s)
	if err != nil {
		return nil, err
	}
	lnFile, err := ln.File()
	if err != nil {
		return nil, fmt.Errorf("handing over the listener: %w", err)
	}
	defer lnFile.Close()
	statusR, statusW, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting the ClickHouse engine: %w", err)
	}
	defer statusR.Close()
	defer statusW.Close()

	//nolint:noctx // ctx ends with the start, the child doesn't
	s.cmd = exec.Command(o.Command[0], o.Command[1:]...)
	s.cmd.ExtraFiles = []*os.File{lnFile, statusW}
	s.cmd.Env = childEnv()
	said := io.MultiWriter(s.said, o.Stderr)
	s.cmd.Stdout, s.cmd.Stderr = said, said
	s.cmd.WaitDelay = time.Second
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the ClickHouse engine: %w", err)
	}
	s.stdin = stdin
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the ClickHouse engine: %w", err)
	}
	_ = statusW.Close() // so that the child's death ends the reading
	go s.wait()

	// The pipe holds the few hundred bytes, so this can't block. A child that is gone already is reported below.
	_, _ = stdin.Write(config)
	if err := s.ready(ctx, statusR); err != nil {
		_ = s.Close() // the error at hand says more
		return nil, err
	}
	return s, nil
}

func configLines(o Options, s *Server) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	if err := errors.Join(
		enc.Encode(place{Library: o.Library, Data: o.Data}),
		enc.Encode(secrets{MaxMemory: o.MaxMemory, Writer: s.writer, Analyst: s.analyst}),
	); err != nil {
		return nil, fmt.Errorf("configuring the ClickHouse engine: %w", err)
	}
	return b.Bytes(), nil
}

// childEnv is what the child inherits: nothing of the parent's. That environment may hold tokens, and the engine has
// functions that look there for the credentials of cloud stores. The engine's allocator is told to keep few arenas
// and to give pages back soon: this process is at rest most of its life.
func childEnv() []string {
	return []string{
		"TZ=UTC",
		"GOMEMLIMIT=128MiB",
		"JE_MALLOC_CONF=narenas:2,background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0",
	}
}

// ready waits for the child's word and then asks it a question the way a client does.
func (s *Server) ready(ctx context.Context, statusR *os.File) error {
	stop := context.AfterFunc(ctx, func() { _ = statusR.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	st, err := readStatus(statusR)
	if ctx.Err() != nil {
		return fmt.Errorf("starting the ClickHouse engine: %w", ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("starting the ClickHouse engine: %w%s", err, s.said.quote())
	}
	s.status = st

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, q := range []struct {
		path, want string
		who        Credentials
	}{{"/ping", "Ok.\n", Credentials{}}, {"/?query=SELECT+1", "1\n", s.writer}, {"/?query=SELECT+1", "1\n", s.analyst}} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+q.path, nil)
		if err != nil {
			return fmt.Errorf("asking the ClickHouse engine: %w", err)
		}
		if q.who.User != "" {
			req.SetBasicAuth(q.who.User, q.who.Password)
		}
		resp, err := client.Do(req)
		if err != nil {
			return fmt.Errorf("asking the ClickHouse engine: %w", err)
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
		_ = resp.Body.Close()
		if err != nil || string(body) != q.want {
			return fmt.Errorf("the ClickHouse engine doesn't answer: %s", strings.TrimSpace(string(body)))
		}
	}
	return nil
}

func (s *Server) wait() {
	err := s.cmd.Wait()
	select {
	case <-s.closing: // however it ended, it was asked to
	default:
		if err == nil {
			err = errors.New("it ended by itself")
		}
		s.err = fmt.Errorf("the ClickHouse engine died: %w%s", err, s.said.quote())
	}
	close(s.done)
}

// Addr returns the host:port of the HTTP interface.
func (s *Server) Addr() string { return s.addr }

// Credentials returns the two users. The writer may do everything except reach outside the engine; the analyst reads
// the database mcpwatch, within limits. The passwords are random and new at each start.
func (s *Server) Credentials() (writer, analyst Credentials) { return s.writer, s.analyst }

// Sandboxed reports whether the kernel confines the engine to its own directory.
func (s *Server) Sandboxed() bool { return s.status.Sandbox }

// Done is closed when the child has ended.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err returns why the child ended, or nil while it runs and after it was closed.
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Close stops the engine: it finishes the running requests for a second, then stops them, and is killed if it hasn't
// ended after three. Close may be called more than once and from several goroutines; all return when the child is gone.
func (s *Server) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		_ = s.stdin.Close()
		killer := time.AfterFunc(stopTime, func() { _ = s.cmd.Process.Kill() })
		<-s.done
		killer.Stop()
	})
	<-s.done
	return s.err
}

// tail keeps the last words of the child, for the error that reports its death.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if extra := len(t.buf) - 2048; extra > 0 {
		t.buf = append(t.buf[:0], t.buf[extra:]...)
	}
	return len(p), nil
}

func (t *tail) quote() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.FieldsFunc(string(t.buf), func(r rune) bool { return r == '\n' || r == '\r' })
	if len(lines) == 0 {
		return ""
	}
	return fmt.Sprintf(" (it said: %q)", lines[len(lines)-1])
}

// PID is the child's process id.
func (s *Server) PID() int { return s.cmd.Process.Pid }
