package tap

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/event"
)

// makeRecord is an event as a spool holds it.
func makeRecord(t testing.TB, instance string, n uint64, padding int) []byte {
	t.Helper()
	e := event.Event{
		ID:     fmt.Sprintf("%s.%d", instance, n),
		Time:   time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC),
		Source: event.Source{Format: "tap", Instance: instance, Sequence: n},
		Raw:    strings.Repeat("r", padding),
	}
	b, err := event.Encode(nil, &e)
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

func testStore(dir, instance string, segmentBytes, spoolBytes int64) *store {
	o := Options{SpoolDir: dir, SegmentBytes: segmentBytes, SpoolBytes: spoolBytes}
	return newStore(&o, instance, new(Counters), func() {})
}

// fill appends records first to last, one by one.
func fill(t testing.TB, s *store, first, last uint64, padding int) {
	t.Helper()
	for n := first; n <= last; n++ {
		if err := s.append(makeRecord(t, s.own.instance, n, padding)); err != nil {
			t.Fatal(err)
		}
	}
}

// abandon leaves a store as a killed tap does.
func abandon(s *store) { s.own.forget() }

// take reads and commits all of a spool and returns the sequence numbers.
func take(t testing.TB, s *store, sp *spool, most int) (numbers []uint64) {
	t.Helper()
	buf := make([]byte, batchBytes+1)
	for {
		b, err := s.next(sp, buf, most)
		if err != nil {
			t.Fatal(err)
		}
		if b.events == 0 {
			return numbers
		}
		for line := range bytes.Lines(b.data) {
			numbers = append(numbers, readRecord(line).Source.Sequence)
		}
		s.commit(b)
	}
}

func wantNumbers(t testing.TB, got []uint64, first, last uint64) {
	t.Helper()
	if len(got) != int(last-first+1) {
		t.Fatalf("%d events, want %d to %d: %v", len(got), first, last, got)
	}
	for i, n := range got {
		if n != first+uint64(i) {
			t.Fatalf("event %d is number %d, want %d", i, n, first+uint64(i))
		}
	}
}

func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestSpoolKeepsOrderAcrossSegments(t *testing.T) {
	dir := t.TempDir()
	s := testStore(dir, "A", 2000, 1<<20)
	fill(t, s, 1, 30, 100)
	if n := len(files(t, dir)); n < 5 {
		t.Errorf("%d files, want several segments", n)
	}
	wantNumbers(t, take(t, s, s.own, 700), 1, 30)
	fill(t, s, 31, 33, 100)
	wantNumbers(t, take(t, s, s.own, batchBytes), 31, 33)
	if got := files(t, dir); len(got) != 3 {
		t.Errorf("shipped segments stay: %v", got)
	}
	if err := s.closeOwn(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "A")); !os.IsNotExist(err) {
		t.Errorf("the spool of a tap that shipped all is still there")
	}
}

func TestSpoolModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := testStore(dir, "A", 2000, 1<<20)
	fill(t, s, 1, 20, 100)
	b, _ := s.next(s.own, make([]byte, batchBytes+1), 300)
	s.commit(b)
	defer abandon(s)
	for _, name := range files(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v (%v)", name, info.Mode(), err)
		}
	}
	for _, name := range []string{dir, filepath.Join(dir, "A")} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v (%v)", name, info.Mode(), err)
		}
	}
}

func TestSpoolOverItsBoundDropsTheOldest(t *testing.T) {
	s := testStore(t.TempDir(), "A", 2000, 6000)
	defer abandon(s)
	fill(t, s, 1, 100, 100)
	if n := s.own.bytes(); n > 6000 {
		t.Errorf("the spool has %d bytes", n)
	}
	lost := s.takeGaps()
	if len(lost) != 1 || lost[0].reason != GapSpoolFull || lost[0].instance != "A" || lost[0].first != 1 {
		t.Fatalf("gaps %+v", lost)
	}
	if g := lost[0]; g.events != g.last || s.counters.Snapshot().SpoolLost != g.events {
		t.Errorf("gap %+v, stats %+v", g, s.counters.Snapshot())
	}
	wantNumbers(t, take(t, s, s.own, batchBytes), lost[0].last+1, 100)
}

func TestBoundCoversAdoptedSpools(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"A", "B"} {
		s := testStore(dir, name, 2000, 1<<20)
		fill(t, s, 1, 15, 100)
		abandon(s)
	}
	s := testStore(dir, "C", 2000, 6000)
	defer abandon(s)
	fill(t, s, 1, 5, 100)
	spools, err := s.adopt()
	if err != nil || len(spools) != 2 {
		t.Fatalf("%d spools adopted: %v", len(spools), err)
	}
	total := s.own.bytes() + spools[0].bytes() + spools[1].bytes()
	if total > 6000 || s.own.bytes() == 0 || spools[1].bytes() == 0 {
		t.Errorf("%d bytes in all, %d and %d adopted", total, spools[0].bytes(), spools[1].bytes())
	}
	for _, g := range s.takeGaps() {
		if g.instance == "C" || g.first != 1 {
			t.Errorf("gap %+v", g)
		}
	}
	fill(t, s, 6, 100, 100)
	if n := spools[0].bytes() + spools[1].bytes(); n != 0 {
		t.Errorf("%d bytes of dead taps are kept while our own grow", n)
	}
}

func TestBatchInFlightWhileItsSegmentIsDropped(t *testing.T) {
	s := testStore(t.TempDir(), "A", 1000, 2000)
	defer abandon(s)
	fill(t, s, 1, 2, 100)
	b, err := s.next(s.own, make([]byte, batchBytes+1), batchBytes)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, 3, 50, 100)
	before := s.own.pos
	s.commit(b)
	if s.own.pos != before {
		t.Errorf("a late commit moved the position from %v to %v", before, s.own.pos)
	}
	lost := s.takeGaps()[0]
	wantNumbers(t, take(t, s, s.own, batchBytes), lost.last+1, 50)
}

func TestAdoptionGoesOnWhereTheDeadTapWas(t *testing.T) {
	dir := t.TempDir()
	a := testStore(dir, "A", 1000, 1<<20)
	fill(t, a, 1, 20, 100)
	b, err := a.next(a.own, make([]byte, batchBytes+1), 600)
	if err != nil {
		t.Fatal(err)
	}
	a.commit(b)
	// Killed while it wrote: a record without its end.
	torn := makeRecord(t, "A", 21, 100)
	last := a.own.segments[len(a.own.segments)-1]
	f, err := os.OpenFile(a.own.path(last.number), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(torn[:len(torn)/2]); err != nil {
		t.Fatal(err)
	}
	f.Close()
	abandon(a)

	s := testStore(dir, "B", 1000, 1<<20)
	spools, err := s.adopt()
	if err != nil || len(spools) != 1 {
		t.Fatalf("%d spools adopted: %v", len(spools), err)
	}
	wantNumbers(t, take(t, s, spools[0], batchBytes), uint64(b.events)+1, 20)
	if err := s.bury(spools[0]); err != nil {
		t.Error(err)
	}
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestDamagedSpools(t *testing.T) {
	for _, test := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		first  uint64
		gaps   int
	}{
		{"position is no JSON", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "position"), []byte("\x00\x00"))
		}, 1, 0},
		{"position beyond the end", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "position"), []byte(`{"segment":1,"offset":99999999}`))
		}, 4, 0},
		{"a segment without newlines", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "00000001.ndjson"), bytes.Repeat([]byte{0}, 3<<20))
		}, 4, 1},
		{"a segment is gone", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "00000001.ndjson")); err != nil {
				t.Fatal(err)
			}
		}, 4, 0},
		{"foreign files", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "0.ndjson"), []byte("x\n"))
			write(t, filepath.Join(dir, "notes.ndjson"), []byte("x\n"))
		}, 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			a := testStore(dir, "A", 900, 1<<20)
			fill(t, a, 1, 9, 150) // three a segment
			abandon(a)
			test.damage(t, filepath.Join(dir, "A"))
			s := testStore(dir, "B", 900, 1<<30)
			spools, err := s.adopt()
			if err != nil || len(spools) != 1 {
				t.Fatalf("%d spools adopted: %v", len(spools), err)
			}
			wantNumbers(t, take(t, s, spools[0], batchBytes), test.first, 9)
			if got := s.takeGaps(); len(got) != test.gaps {
				t.Errorf("gaps %+v", got)
			}
		})
	}
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSpoolRemovedUnderALivingTap(t *testing.T) {
	dir := t.TempDir()
	s := testStore(dir, "A", 1000, 1<<20)
	defer abandon(s)
	fill(t, s, 1, 3, 100)
	if err := os.RemoveAll(filepath.Join(dir, "A")); err != nil {
		t.Fatal(err)
	}
	if got := take(t, s, s.own, batchBytes); len(got) != 0 {
		t.Errorf("events %v of files that are gone", got)
	}
	if g := s.takeGaps(); len(g) != 1 || g[0].reason != GapDamaged {
		t.Errorf("gaps %+v", g)
	}
	fill(t, s, 4, 6, 100)
	wantNumbers(t, take(t, s, s.own, batchBytes), 4, 6)
}

// A living tap's spool is not adopted, not even while it is being made: adopters that look
// at every moment of it never take or lose an event of a tap that lives.
func TestNobodyAdoptsTheLiving(t *testing.T) {
	dir := t.TempDir()
	looker := testStore(dir, "ZZ", 1000, 1<<20)
	stop := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for !closed(stop) {
			spools, err := looker.adopt()
			if err != nil || len(spools) > 0 {
				t.Errorf("adopted %d spools of living taps: %v", len(spools), err)
				return
			}
		}
	})
	var living sync.WaitGroup
	for i := range 4 {
		living.Go(func() {
			for j := range 50 {
				s := testStore(dir, fmt.Sprintf("L%dx%d", i, j), 1000, 1<<20)
				if err := s.append(makeRecord(t, s.own.instance, 1, 10)); err != nil {
					t.Error(err)
					return
				}
				if got := take(t, s, s.own, batchBytes); len(got) != 1 {
					t.Errorf("tap %d.%d has %d events", i, j, len(got))
				}
				if err := s.closeOwn(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	living.Wait()
	close(stop)
	looking.Wait()
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
