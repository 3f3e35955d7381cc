package ingest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/collector/ingest"
)

func lines(from, to int) string {
	var b strings.Builder
	for n := from; n < to; n++ {
		b.WriteString(call(n) + "\n")
	}
	return b.String()
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestAFileIsOnceWhateverItIsCalled sends a file, then the same in every disguise.
func TestAFileIsOnceWhateverItIsCalled(t *testing.T) {
	s := start(t)
	dir, state := t.TempDir(), t.TempDir()
	text := lines(0, 10) + call(3) + "\n" + lines(10, 5000) + call(3) + "\n"
	write(t, filepath.Join(dir, "a.log"), text)
	r := s.run(t, state, dir)
	if r.Files != 1 || r.Records != 5002 || r.Events != 5002 || r.Refused != 0 {
		t.Fatalf("%+v", r)
	}
	once := s.messages(t, 0)
	if n := times(once); len(once) != 5002 || n[call(3)] != 3 {
		t.Fatalf("%d events, %d of the line that stands thrice", len(once), n[call(3)])
	}
	sent := s.end(t)
	if r = s.run(t, state, dir); r.Records != 0 || r.Before != int64(len(text)) {
		t.Errorf("again: %+v", r)
	}
	if got := s.end(t); got != sent {
		t.Errorf("%d records were sent again although the position was remembered", got-sent)
	}
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "b.log"), text)
	write(t, filepath.Join(dir, "c.log.1.gz"), zipped(t, text))
	write(t, filepath.Join(dir, "d.zst"), string(encoder.EncodeAll([]byte(text), nil)))
	write(t, filepath.Join(dir, "e"), strings.ReplaceAll(text, "\n", "\r\n"))
	if r = s.run(t, t.TempDir(), dir); r.Files != 5 {
		t.Errorf("in disguise: %+v", r)
	}
	stdin := s.options(t.TempDir(), "-")
	stdin.In = strings.NewReader(text)
	if r, err := ingest.Run(t.Context(), stdin); err != nil || r.Records != 5002 {
		t.Errorf("standard input: %+v, %v", r, err)
	}
	if all := s.messages(t, 0); len(all) != len(once) {
		t.Errorf("%d events after all, want %d", len(all), len(once))
	}
}

// TestACrashBetweenPostAndPositionChangesNothing loses the collector's answer, and the run.
func TestACrashBetweenPostAndPositionChangesNothing(t *testing.T) {
	s := start(t)
	dir, state := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "a.log"), lines(0, 5000))
	ctx, cancel := context.WithCancel(t.Context())
	fault := func(_ http.ResponseWriter, n int64) bool {
		if n == 2 {
			cancel()
			panic(http.ErrAbortHandler)
		}
		return false
	}
	s.fault.Store(&fault)
	if _, err := ingest.Run(ctx, s.options(state, dir)); err == nil {
		t.Fatal("a run that was ended says that all is done")
	}
	s.fault.Store(nil)
	r := s.run(t, state, dir)
	if r.Before == 0 || r.Records == 0 || r.Records >= 5000 {
		t.Errorf("the second run did not go on where the first was: %+v", r)
	}
	if got := s.messages(t, 0); len(got) != 5000 || len(times(got)) != 5000 {
		t.Errorf("%d events, want 5000", len(got))
	}
}

// TestTheCollectorsAnswersAreHeeded waits where it says so, and halves what is too large.
func TestTheCollectorsAnswersAreHeeded(t *testing.T) {
	s := start(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.log"), lines(0, 100))
	codes := []int{429, 503, 500, 413, 413}
	fault := func(w http.ResponseWriter, n int64) bool {
		if n < 0 && -n <= int64(len(codes)) {
			w.WriteHeader(codes[-n-1])
			return true
		}
		return false
	}
	s.fault.Store(&fault)
	waited := 0
	o := s.options(t.TempDir(), dir)
	o.Waiting = func(error) { waited++ }
	if r, err := ingest.Run(t.Context(), o); err != nil || r.Records != 100 || waited != 3 {
		t.Errorf("%+v, %v, waited %d times", r, err, waited)
	}
	if got := s.messages(t, 0); len(got) != 100 {
		t.Errorf("%d events", len(got))
	}
	o.Target = func(context.Context) (string, string, error) { return s.url, "wrong", nil }
	s.fault.Store(nil)
	write(t, filepath.Join(dir, "b.log"), lines(200, 201))
	if _, err := ingest.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a wrong token: %v", err)
	}
}

func TestWhatIsRefusedIsToldAndTheRestIsSent(t *testing.T) {
	s := start(t)
	dir, state := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "a.log"), call(1)+"\nno JSON\n\xff\xfe\n"+call(2)+"\n"+strings.Repeat("x", format.MaxRecord+1)+"\n"+call(3)+"\n")
	write(t, filepath.Join(dir, "cut.json"), "[\n"+call(4)+",\n"+call(5)+",\n{\"a\":")
	write(t, filepath.Join(dir, "cut.gz"), zipped(t, lines(6, 9))[:40])
	write(t, filepath.Join(dir, "image.png"), "\x89PNG\r\n\x1a\n\x00\x00\x00")
	write(t, filepath.Join(dir, ".hidden"), lines(10, 20))
	write(t, filepath.Join(dir, "below", "partial"), call(6)+"\n"+call(7)[:20])
	r := s.run(t, state, dir)
	if r.Skipped != 1 || r.Refused != 6 || r.Records != 6 {
		t.Errorf("%+v", r)
	}
	write(t, filepath.Join(dir, "below", "partial"), call(6)+"\n"+call(7)+"\n")
	s.run(t, state, dir)
	for n := 1; n <= 7; n++ {
		if got := times(s.messages(t, 0))[call(n)]; got != 1 {
			t.Errorf("message %d is there %d times", n, got)
		}
	}
}

// TestFilesThatBeginAlikeAreToldApart by what follows.
func TestFilesThatBeginAlikeAreToldApart(t *testing.T) {
	s := start(t)
	dir, state := t.TempDir(), t.TempDir()
	for i := range 20 {
		write(t, filepath.Join(dir, fmt.Sprint(i)), call(0)+"\n"+lines(100*i+1, 100*i+50)+call(9999)+"\n")
	}
	s.run(t, state, dir)
	sent := s.end(t)
	r := s.run(t, state, dir)
	if got := s.messages(t, 0); len(got) != 1+20*50 || times(got)[call(9999)] != 20 {
		t.Errorf("%d events, the last of each %d times; %+v", len(got), times(got)[call(9999)], r)
	}
	if again := s.end(t) - sent; again > 0 {
		t.Errorf("%d records were sent again", again)
	}
}

func TestPositionsThatCannotBeReadAreForgotten(t *testing.T) {
	s := start(t)
	dir, state := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "a"), lines(0, 5))
	s.run(t, state, dir)
	kept, err := filepath.Glob(filepath.Join(state, "*.json"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("%v %v", kept, err)
	}
	for _, broken := range []string{"", "{", `[{"offset":-1}]`, `[{"offset":99999999,"tail":"x"}]`} {
		write(t, kept[0], broken)
		if r := s.run(t, state, dir); r.Records != 5 {
			t.Errorf("after %q: %+v", broken, r)
		}
	}
	if err := os.Remove(kept[0]); err != nil {
		t.Fatal(err)
	}
	if got := s.messages(t, 0); len(got) != 5 {
		t.Errorf("%d events", len(got))
	}
}

// TestAFileThatNobodyMayReadHoldsNothingUp where it only lies in a folder.
func TestAFileThatNobodyMayReadHoldsNothingUp(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	s := start(t)
	dir := t.TempDir()
	secret := filepath.Join(dir, "a.log")
	write(t, secret, lines(0, 5))
	write(t, filepath.Join(dir, "b.log"), lines(5, 10))
	if err := os.Chmod(secret, 0); err != nil {
		t.Fatal(err)
	}
	if r := s.run(t, t.TempDir(), dir); r.Records != 5 || r.Refused != 1 {
		t.Errorf("%+v", r)
	}
	if _, err := ingest.Run(t.Context(), s.options(t.TempDir(), secret)); err == nil {
		t.Error("a file that is named and cannot be read is passed over")
	}
}
