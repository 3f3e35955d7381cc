package ingest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/collector/ingest"
)

// following is a run that follows, in a goroutine of its own.
type following struct {
	cancel context.CancelFunc
	ended  chan error
}

func follow(ctx context.Context, o ingest.Options) *following {
	ctx, cancel := context.WithCancel(ctx)
	f := &following{cancel: cancel, ended: make(chan error, 1)}
	o.Follow = true
	go func() {
		_, err := ingest.Run(ctx, o)
		f.ended <- err
	}()
	return f
}

// stop ends the run wherever it is.
func (f *following) stop(t testing.TB) {
	t.Helper()
	f.cancel()
	if err := <-f.ended; err != nil {
		t.Error(err)
	}
}

const patience = 30 * time.Second

// await waits until messages are there, and only those that are wanted, each once.
func (s *site) await(t testing.TB, from int64, want map[string]int) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		got := times(s.messages(t, from))
		missing := ""
		for m := range want {
			if got[m] == 0 {
				missing = m
			}
		}
		if missing == "" {
			for m, n := range got {
				if n != want[m] {
					t.Errorf("%s is there %d times, want %d", m, n, want[m])
				}
			}
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%d of %d messages are there, not %s", len(got), len(want), missing)
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func rename(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// compress replaces a file by its compressed form, as rotation does.
func compress(t testing.TB, path string, pack func(string) string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path+".gz", pack(string(data)))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestFollowingLosesAndDoublesNothing appends, rotates and truncates at random, while the run that
// follows the folder is ended and started at random.
func TestFollowingLosesAndDoublesNothing(t *testing.T) {
	s := start(t)
	round, n := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		dir, state := filepath.Join(t.TempDir(), fmt.Sprint(round)), filepath.Join(t.TempDir(), fmt.Sprint(round))
		log := filepath.Join(dir, "mcp.log")
		begin, rotated, want, partial := s.end(t), 0, map[string]int{}, ""
		write(t, log, "")
		var f *following
		next := func() string { rotated++; return fmt.Sprintf("%s.%d", log, rotated) }
		whole := func() { // rotation happens between lines
			if partial != "" {
				add(t, log, partial)
				partial = ""
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				whole()
				for range rapid.IntRange(1, 50).Draw(rt, "lines") {
					want[call(n)]++
					add(t, log, call(n)+"\n")
					n++
				}
			},
			"half a line": func(rt *rapid.T) {
				whole()
				want[call(n)]++
				text := call(n) + "\n"
				cut := rapid.IntRange(1, len(text)-1).Draw(rt, "cut")
				add(t, log, text[:cut])
				partial = text[cut:]
				n++
			},
			"rename": func(*rapid.T) {
				whole()
				rename(t, log, next())
				write(t, log, "")
			},
			"copy and truncate": func(*rapid.T) {
				whole()
				data, err := os.ReadFile(log)
				if err != nil {
					t.Fatal(err)
				}
				write(t, next(), string(data))
				write(t, log, "")
			},
			"compress": func(*rapid.T) {
				whole()
				to := next()
				rename(t, log, to)
				write(t, log, "")
				compress(t, to, func(text string) string { return zipped(t, text) })
			},
			"start": func(*rapid.T) {
				if f == nil {
					f = follow(t.Context(), s.options(state, dir))
				}
			},
			"kill": func(*rapid.T) {
				if f != nil {
					f.stop(t)
					f = nil
				}
			},
			"rest": func(*rapid.T) { time.Sleep(3 * time.Millisecond) },
		})
		whole()
		if f == nil {
			f = follow(t.Context(), s.options(state, dir))
		}
		s.await(t, begin, want)
		f.stop(t)
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// TestAFileThatIsNamedIsFollowedThroughRotation looks for the rest of what was rotated away while
// nothing ran.
func TestAFileThatIsNamedIsFollowedThroughRotation(t *testing.T) {
	for name, rotate := range map[string]func(t *testing.T, log string){
		"renamed": func(t *testing.T, log string) { rename(t, log, log+".1") },
		"copied and truncated": func(t *testing.T, log string) {
			data, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			write(t, log+".1", string(data))
		},
		"compressed": func(t *testing.T, log string) {
			rename(t, log, log+".1")
			compress(t, log+".1", func(text string) string { return zipped(t, text) })
		},
	} {
		for _, running := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, running %v", name, running), func(t *testing.T) {
				s := start(t)
				dir, state, want := t.TempDir(), t.TempDir(), map[string]int{}
				log := filepath.Join(dir, "mcp.log")
				put := func(n int) { want[call(n)]++; add(t, log, call(n)+"\n") }
				put(1)
				put(2)
				write(t, filepath.Join(dir, "other.log"), call(100)+"\n")
				f := follow(t.Context(), s.options(state, log))
				s.await(t, 0, want)
				if !running {
					f.stop(t)
				}
				put(3)
				rotate(t, log)
				write(t, log, "")
				put(4)
				if !running {
					f = follow(t.Context(), s.options(state, log))
				}
				s.await(t, 0, want)
				put(5)
				s.await(t, 0, want)
				f.stop(t)
			})
		}
	}
}

// TestTheLastLineWaitsForItsEnd: half a line is nobody's record.
func TestTheLastLineWaitsForItsEnd(t *testing.T) {
	s := start(t)
	dir := t.TempDir()
	log := filepath.Join(dir, "a.log")
	write(t, log, call(1)+"\n"+call(2)[:10])
	o := s.options(t.TempDir(), log)
	o.Format = format.JSONRPC
	f := follow(t.Context(), o)
	s.await(t, 0, map[string]int{call(1): 1})
	add(t, log, call(2)[10:])
	time.Sleep(2 * o.Quiet) // whatever passes, a line that has not ended is not sent
	if got := s.messages(t, 0); len(got) != 1 {
		t.Errorf("%d events", len(got))
	}
	add(t, log, "\n")
	s.await(t, 0, map[string]int{call(1): 1, call(2): 1})
	f.stop(t)
}

// TestAFileThatIsWrittenAnewIsANewFile although it never was seen to be shorter.
func TestAFileThatIsWrittenAnewIsANewFile(t *testing.T) {
	s := start(t)
	log, want := filepath.Join(t.TempDir(), "a.log"), map[string]int{}
	write(t, log, call(0)+"\n")
	want[call(0)]++
	o := s.options(t.TempDir(), log)
	o.Poll = 20 * time.Millisecond
	f := follow(t.Context(), o)
	for n := 1; n < 200; n *= 2 {
		s.await(t, 0, want)
		for i := 1000 * n; i < 1001*n; i++ {
			want[call(i)]++
		}
		write(t, log, lines(1000*n, 1001*n))
	}
	s.await(t, 0, want)
	f.stop(t)
}
