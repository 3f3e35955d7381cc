//go:build linux

package clickhouse

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestReopenKeepsData(t *testing.T) {
	data := filepath.Join(t.TempDir(), "deep", "data")
	s := startAt(t, data)
	w, _ := s.Credentials()
	conn := open(t, s, w)
	mustExec(t, conn, "CREATE DATABASE mcpwatch", "CREATE TABLE mcpwatch.t (a UInt32) ENGINE = MergeTree ORDER BY a",
		"INSERT INTO mcpwatch.t VALUES (1)")
	if st, err := os.Stat(data); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the data directory is %v, %v", st.Mode(), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	<-s.Done()

	s = startAt(t, data)
	old := w
	w, _ = s.Credentials()
	if old.Password == w.Password {
		t.Error("the password is the same after a restart")
	}
	conn = open(t, s, w)
	mustExec(t, conn, "INSERT INTO mcpwatch.t VALUES (2)")
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if s.Err() == nil || !strings.Contains(s.Err().Error(), "killed") {
		t.Errorf("after a kill: %v", s.Err())
	}
	if err := s.Close(); err == nil {
		t.Error("Close hides that the engine died")
	}

	s = startAt(t, data)
	w, _ = s.Credentials()
	if n := scalar[uint64](t, open(t, s, w), "SELECT count() FROM mcpwatch.t"); n != 2 {
		t.Errorf("%d rows after close and kill, want 2", n)
	}
}

// Ctrl-C reaches the whole process group, and the parent may need its store for the last write.
func TestSignalsAreLeftToTheParent(t *testing.T) {
	s, conn := writerConn(t)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err := s.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(200 * time.Millisecond)
	if n := scalar[uint8](t, conn, "SELECT 1"); n != 1 {
		t.Error("the engine doesn't answer")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A parent that dies closes the child's standard input without another word.
func TestChildFollowsItsParent(t *testing.T) {
	s, _ := writerConn(t)
	close(s.closing)
	s.stdin.Close()
	select {
	case <-s.Done():
	case <-time.After(stopTime + time.Second):
		t.Error("the child outlives its parent")
	}
	s.closeOnce.Do(func() {}) // the cleanup has nothing left to do
}

func TestCloseIsBounded(t *testing.T) {
	s, conn := writerConn(t)
	result := make(chan error, 1)
	go func() {
		result <- conn.Exec(t.Context(), "SELECT sum(sleepEachRow(0.05)) FROM numbers(2000) SETTINGS max_block_size = 1")
	}()
	time.Sleep(200 * time.Millisecond)
	begin := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if d := time.Since(begin); d > stopTime+time.Second {
		t.Errorf("closing took %v", d)
	}
	if <-result == nil {
		t.Error("the query says it succeeded")
	}
}

func TestStartRefuses(t *testing.T) {
	lib := testLibrary(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	damaged := damagedLibraries(t, lib)
	text := filepath.Join(t.TempDir(), "text.so")
	if err := os.WriteFile(text, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}

	for name, c := range map[string]struct {
		change func(*Options)
		want   string
		is     error
	}{
		"taken port":      {func(o *Options) { o.Listen = taken.Addr().String() }, "address " + taken.Addr().String() + ": listen", nil},
		"open address":    {func(o *Options) { o.Listen = "0.0.0.0:0" }, `"0.0.0.0:0" must be a loopback address`, nil},
		"every address":   {func(o *Options) { o.Listen = ":8123" }, "must be a loopback address", nil},
		"relative data":   {func(o *Options) { o.Data = "data" }, "must be an absolute path", nil},
		"little memory":   {func(o *Options) { o.MaxMemory = 1000 }, "below 256 MiB", nil},
		"no library":      {func(o *Options) { o.Library = "/nowhere/libchdb.so" }, "/nowhere/libchdb.so does not exist: run `make engine`", ErrNoLibrary},
		"cut library":     {func(o *Options) { o.Library = damaged.cut }, "bytes instead of", ErrDamagedLibrary},
		"changed library": {func(o *Options) { o.Library = damaged.changed }, "has the checksum", ErrDamagedLibrary},
		"not a library":   {func(o *Options) { o.Library, o.Verify = text, false }, "loading the ClickHouse engine", nil},
		"no child":        {func(o *Options) { o.Command = []string{"/bin/true"}; o.Verify = false }, "ended before it was ready", nil},
		"no command":      {func(o *Options) { o.Command = []string{"/nowhere/mcpwatch"}; o.Verify = false }, "starting the ClickHouse engine", nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Library: lib, Verify: true, Data: t.TempDir(), Stderr: os.Stderr}
			c.change(&o)
			s, err := Start(t.Context(), o)
			if err == nil {
				s.Close()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("the error is %q, want %q", err, c.want)
			}
		})
	}
}

func TestLockedDirectory(t *testing.T) {
	data := t.TempDir()
	first := startAt(t, data)
	begin := time.Now()
	s, err := Start(t.Context(), Options{Library: testLibrary(t), Data: data})
	if err == nil {
		s.Close()
		t.Fatal("two engines on one directory")
	}
	if !strings.HasSuffix(err.Error(), data+" is in use by another process") {
		t.Error(err)
	}
	if d := time.Since(begin); d < lockTime || d > lockTime+5*time.Second {
		t.Errorf("it gave up after %v", d)
	}

	// A former child on its way out is waited for.
	time.AfterFunc(500*time.Millisecond, func() { first.Close() })
	startAt(t, data)
}

func TestStartIsCancelled(t *testing.T) {
	data := t.TempDir()
	startAt(t, data)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, err := Start(ctx, Options{Library: testLibrary(t), Data: data}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if d := time.Since(begin); d > 3*time.Second {
		t.Errorf("it took %v", d)
	}
}

func TestVerifyLibrary(t *testing.T) {
	if err := VerifyLibrary(testLibrary(t)); err != nil {
		t.Error(err)
	}
}

type damage struct{ cut, changed string }

// damagedLibraries makes a library that lost its end and one with another byte in the middle.
func damagedLibraries(t *testing.T, lib string) damage {
	t.Helper()
	d := damage{cut: filepath.Join(t.TempDir(), "cut.so"), changed: filepath.Join(t.TempDir(), "changed.so")}
	for path, size := range map[string]int64{d.cut: 1 << 20, d.changed: librarySize} {
		in, err := os.Open(lib)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		out, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		if _, err := io.CopyN(out, in, size); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(d.changed, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, librarySize/2); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{b[0] ^ 1}, librarySize/2); err != nil {
		t.Fatal(err)
	}
	return d
}
