package syslog_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/collector/syslog"
)

func TestParse(t *testing.T) {
	at := time.Date(2026, 11, 25, 9, 42, 11, 3000, time.UTC)
	for frame, want := range map[string]syslog.Message{
		`<165>1 2026-11-25T09:42:11.000003Z gw-1 toolhive 77 ID47 - {"a":1}`:                                 {Severity: 5, Time: at, Host: "gw-1", App: "toolhive", Process: "77", Text: []byte(`{"a":1}`)},
		`<165>1 2026-11-25T10:42:11.000003+01:00 gw-1 - - - [a@1 b="\"]" c="]["][d@1] ` + "\xef\xbb\xbfhi\n": {Severity: 5, Time: at, Host: "gw-1", Text: []byte("hi")},
		`<13>1 - - - - - -`:                                   {Severity: 5, Text: []byte{}},
		`<13>1 - - - - - [a b="c"]`:                           {Severity: 5, Text: []byte{}},
		`<13>1 - h a - - [a b="c" broken`:                     {Severity: 5, Text: []byte(`1 - h a - - [a b="c" broken`)},
		`<34>Nov 25 09:42:11 gw-1 mcp[77]: {"a":1}`:           {Severity: 2, Host: "gw-1", App: "mcp", Process: "77", Text: []byte(`{"a":1}`)},
		`<34>Nov  5 09:42:11 gw-1 CEF:0|IBM|ContextForge|1|x`: {Severity: 2, Host: "gw-1", Text: []byte(`CEF:0|IBM|ContextForge|1|x`)},
		`<34>Nov 25 09:42:11 gw-1 {"a": "b: c"}`:              {Severity: 2, Host: "gw-1", Text: []byte(`{"a": "b: c"}`)},
		`<34>{"a":1}`:                                         {Severity: 2, Text: []byte(`{"a":1}`)},
		`<34>@cee: {"a":1}`:                                   {Severity: 2, Text: []byte(`{"a":1}`)},
		`{"a":1}`:                                             {Severity: -1, Text: []byte(`{"a":1}`)},
		`<192>x`:                                              {Severity: -1, Text: []byte(`<192>x`)},
		``:                                                    {Severity: -1, Text: []byte{}},
	} {
		got := syslog.Parse([]byte(frame))
		got.Time = got.Time.UTC()
		if want.Time.IsZero() {
			want.Time = time.Time{}.UTC()
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("%q\n got %+v\nwant %+v", frame, got, want)
		}
	}
}

// TestFramesComeOutAsTheyWentIn whichever way each is framed, and however the stream is cut.
func TestFramesComeOutAsTheyWentIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream bytes.Buffer
		frames := rapid.SliceOf(rapid.StringMatching(`<[0-9]{1,3}>[ -~]{0,40}`)).Draw(t, "frames")
		for _, frame := range frames {
			if rapid.Bool().Draw(t, "counted") {
				_, _ = fmt.Fprintf(&stream, "%d %s", len(frame), frame)
			} else {
				stream.WriteString(frame + "\n")
			}
		}
		f := syslog.NewFramer(iotest.HalfReader(&stream), 100)
		for _, want := range frames {
			got, long, err := f.Next()
			if err != nil || long || string(got) != want {
				t.Fatalf("%q %v %v, want %q", got, long, err, want)
			}
		}
		if _, _, err := f.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("at the end: %v", err)
		}
	})
}

func TestFramesAreBounded(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	f := syslog.NewFramer(strings.NewReader("<1>"+long+"\n<2>b\n200003 <3>"+long+"<4>d\n5 <5>e\n99 <6>"), 100)
	for _, want := range []string{"<1>x", "<2>b", "<3>x", "<4>d", "<5>e"} {
		frame, over, err := f.Next()
		if err != nil || !strings.HasPrefix(string(frame), want[:3]) || len(frame) > 100 || over != strings.HasSuffix(want, "x") {
			t.Errorf("%.10q… of %d bytes, %v, %v; want %s", frame, len(frame), over, err, want)
		}
	}
	if _, _, err := f.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a frame that breaks off: %v", err)
	}
	for _, broken := range []string{"12345678901 x", "1x"} {
		if _, _, err := syslog.NewFramer(strings.NewReader(broken), 100).Next(); err == nil {
			t.Errorf("%q is taken", broken)
		}
	}
}

func FuzzSyslog(f *testing.F) {
	for _, seed := range []string{"<1>1 - - - - - - a\n", "9 <1>1 - - -", "<34>Nov 25 09:42:11 h t: x", "0\n", "\x00", "7 <1>[[]]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		framer := syslog.NewFramer(bytes.NewReader(stream), 64)
		for range len(stream) + 1 {
			frame, _, err := framer.Next()
			if err != nil {
				return
			}
			if m := syslog.Parse(frame); len(frame) > 64 || len(m.Text) > len(frame) {
				t.Fatalf("%q gives %+v", frame, m)
			}
			_ = framer.Ready()
		}
		t.Fatalf("%q does not end", stream)
	})
}
