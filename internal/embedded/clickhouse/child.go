//go:build darwin || linux

package clickhouse

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// The child's files, besides standard input with its two lines of configuration: a parent that dies closes it.
const (
	listenerFD = 3
	statusFD   = 4
)

// stopTime bounds the child's clean stop. Then it kills itself: what was acknowledged is on disk.
const stopTime = 3 * time.Second

// lockTime bounds the wait for a former child that is still closing the data directory.
const lockTime = 5 * time.Second

// place is the first line of the configuration: what the sandbox has to know.
type place struct {
	Library string `json:"library"`
	Data    string `json:"data"`
}

// secrets is the second line. It never touches the command line, the environment or the disk.
type secrets struct {
	MaxMemory int64       `json:"max_memory"`
	Writer    Credentials `json:"writer"`
	Analyst   Credentials `json:"analyst"`
}

// status is what the child tells its parent, once.
type status struct {
	Error   string `json:"error,omitempty"`
	Version string `json:"version,omitempty"`
	Sandbox bool   `json:"sandbox,omitempty"`
}

// Child is the whole life of the engine's process: it is what the hidden subcommand runs. It returns the exit code
// after its standard input ends, which is how the parent stops it and how it notices that the parent died.
func Child() int {
	// Ctrl-C and a supervisor's SIGTERM reach every process of the group. The parent decides when its store stops,
	// after it has written what it holds.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)

	report := os.NewFile(statusFD, "status")
	if report == nil {
		fmt.Fprintln(os.Stderr, "this command is started by mcpwatch itself")
		return 2
	}
	if err := child(report); err != nil {
		_ = json.NewEncoder(report).Encode(status{Error: err.Error()})
		return 1
	}
	return 0
}

func child(report *os.File) error {
	p, sandboxed, err := enterSandbox()
	if err != nil {
		return err
	}
	var sec secrets
	if err := readLine(os.Stdin, &sec); err != nil {
		return err
	}
	stopped, stop := context.WithCancel(context.Background())
	go func() {
		defer stop()
		_, _ = os.Stdin.Read(make([]byte, 1)) // returns at the end of input
		time.AfterFunc(stopTime, func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) })
	}()

	ln, err := net.FileListener(os.NewFile(listenerFD, "listener"))
	if err != nil {
		return fmt.Errorf("taking over the listener: %w", err)
	}
	defer ln.Close()

	lay := layout{data: p.Data}
	lock, err := lockData(stopped, lay)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := writeConfig(lay, sec.MaxMemory); err != nil {
		return err
	}
	// The path must be absolute: the engine joins a relative one twice when it syncs directories.
	e, err := openEngine(p.Library, "--path="+lay.engine(), "--config-file="+lay.config())
	if err != nil {
		return err
	}
	version, err := e.version()
	if err != nil {
		return err
	}

	h := newHandler(e, version, sec.Writer, sec.Analyst)
	if err := json.NewEncoder(report).Encode(status{Version: version, Sandbox: sandboxed}); err != nil {
		return fmt.Errorf("reporting to the parent: %w", err)
	}
	return errors.Join(serve(stopped, h, ln), e.shutdown())
}

// serve answers requests until ctx ends, then gives the running ones a second before it kills them.
func serve(ctx context.Context, h *handler, ln net.Listener) error {
	running, kill := context.WithCancel(context.WithoutCancel(ctx)) // the requests outlive the stop, for a moment
	defer kill()
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    2 << 20, // an INSERT's statement is in the URL
		BaseContext:       func(net.Listener) context.Context { return running },
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving ClickHouse: %w", err)
	case <-ctx.Done():
	}

	grace := time.AfterFunc(stopTime/3, kill)
	defer grace.Stop()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if err := srv.Shutdown(last); err != nil {
		return fmt.Errorf("stopping ClickHouse: %w", err)
	}
	h.kills.Wait()
	return nil
}

// lockData takes the data directory for this process. The engine has a lock of its own, but fails at once on it, and
// a child whose parent was killed may need a moment to go.
func lockData(ctx context.Context, lay layout) (*os.File, error) {
	f, err := os.OpenFile(lay.lock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the ClickHouse data directory: %w", err)
	}
	for deadline := time.Now().Add(lockTime); ; time.Sleep(50 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return nil, errors.Join(fmt.Errorf("locking the ClickHouse data directory %s: %w", lay.data, err), f.Close())
		case ctx.Err() != nil || time.Now().After(deadline):
			return nil, errors.Join(fmt.Errorf("the ClickHouse data directory %s is in use by another process", lay.data), f.Close())
		}
	}
}

// readLine decodes one line of JSON and reads not a byte further: what follows may be for the program this one is
// about to become.
func readLine(f *os.File, v any) error {
	const limit = 64 << 10
	line, one := make([]byte, 0, 512), make([]byte, 1)
	for len(line) < limit {
		n, err := f.Read(one)
		if n == 1 && one[0] == '\n' {
			break
		}
		line = append(line, one[:n]...)
		if err != nil {
			return fmt.Errorf("reading the configuration from standard input: %w", err)
		}
	}
	if err := json.Unmarshal(line, v); err != nil {
		return errors.New("the configuration on standard input is not valid")
	}
	return nil
}

// readStatus waits for the child's one line.
func readStatus(f *os.File) (status, error) {
	var st status
	line, err := bufio.NewReader(f).ReadBytes('\n')
	if err != nil {
		return st, errors.New("the ClickHouse engine ended before it was ready")
	}
	if err := json.Unmarshal(line, &st); err != nil {
		return st, fmt.Errorf("reading the ClickHouse engine's status: %w", err)
	}
	if st.Error != "" {
		return st, errors.New(st.Error)
	}
	return st, nil
}
