package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcpwatch/mcpwatch/finding"
)

func TestWhatWasLeftOutIsToldWhenTheSecondIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := newFindingLines(&out)
		for range findingLinesASecond + 3 {
			l.add(finding.Finding{Title: "x"})
		}
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if got := out.String(); strings.Count(got, ": x\n") != findingLinesASecond || !strings.HasSuffix(got, "… and 3 more: see `mcpwatch findings`\n") {
			t.Errorf("%d lines:\n%s", strings.Count(got, "\n"), got)
		}
		out.Reset()
		l.add(finding.Finding{Title: "y"})
		l.close()
		if got := out.String(); strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, ": y\n") {
			t.Errorf("a second later, and at the end: %q", got)
		}
	})
}

func TestAPausedTerminalHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe() // nobody reads yet
		l := newFindingLines(w)
		const many = 10 * findingLinesWaiting
		for range many {
			l.add(finding.Finding{Title: "x"})
		}
		l.close() // gives up
		l.add(finding.Finding{Title: "x"})
		go func() {
			<-l.ended
			_ = w.Close()
		}()
		got, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		shown := bytes.Count(got, []byte(": x\n"))
		var more, counted int
		for line := range strings.Lines(string(got)) {
			if n, _ := fmt.Sscanf(line, "… and %d more", &more); n == 1 {
				counted += more
			}
		}
		if shown == 0 || shown+counted != many+1 {
			t.Errorf("%d shown, %d counted of %d", shown, counted, many+1)
		}
	})
}

func TestARowIsWrittenWholeOrNotAtAll(t *testing.T) {
	var out bytes.Buffer
	r := newRecords("jsonl", &out)
	if err := r.columns([]string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	nan, small := math.NaN(), float32(0.1)
	for _, row := range [][]any{
		{math.Inf(1), math.Inf(-1)},
		{&nan, []float64{1.5, math.Inf(1)}},
		{float32(math.Inf(-1)), map[string]any{"x": math.NaN(), "y": &small}},
	} {
		if err := r.row(row); err != nil {
			t.Error(err)
		}
	}
	if err := r.row([]any{1, func() {}}); err == nil {
		t.Error("a value that is no JSON gives no error")
	}
	const want = `{"a":"inf","b":"-inf"}
{"a":"nan","b":[1.5,"inf"]}
{"a":"-inf","b":{"x":"nan","y":0.1}}
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if got := texts([]any{math.Inf(1), &nan, 1.5, float32(math.Inf(-1))}, strings.ToLower); strings.Join(got, " ") != "inf nan 1.5 -inf" {
		t.Errorf("as text: %q", got)
	}
}

func TestATableIsBounded(t *testing.T) {
	r := newRecords("table", io.Discard)
	for range maxTableRows {
		if err := r.row(nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.row(nil); !errors.Is(err, errTableTooLong) {
		t.Errorf("row %d gives %v", maxTableRows+1, err)
	}
}

func TestAnErrorReachesNoTerminalAsItIs(t *testing.T) {
	var out, stderr bytes.Buffer
	long := strings.Repeat("x", 500)
	code := run([]string{"scan", "\x1b[2J\a\u009b\u202e" + long}, streams{strings.NewReader(""), &out, &stderr})
	if want := "mcpwatch: reading: open ?[2J???" + long + ": no such file or directory\n"; code != exitFailed && code != exitUsage || !strings.HasPrefix(stderr.String(), want[:40]) || strings.ContainsAny(stderr.String(), "\x1b\a\u009b\u202e") {
		t.Errorf("code %d, %q", code, stderr.String())
	}
	if got := printableLines("a\n\tb\r\x1b" + long); got != "a\n b??"+long {
		t.Errorf("%q", got)
	}
}
