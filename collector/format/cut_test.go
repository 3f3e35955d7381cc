package format_test

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/collector/format"
)

func TestALongRecordIsRefusedAndTheNextIsRead(t *testing.T) {
	long := func() io.Reader { return io.LimitReader(endless{}, 17<<20) }
	ok := `{"a":1}`
	text := strings.NewReader
	for name, in := range map[string]io.Reader{
		"a line":     io.MultiReader(text(ok+"\n"), long(), text("\n"+ok+"\n"+ok)),
		"an element": io.MultiReader(text("[\n"+ok+`,{"b":"`), long(), text("\"},\n"+ok+"]\n"+ok)),
		"a document": io.MultiReader(text("{\"a\":\n1}\n{\"b\":\""), long(), text("\"}\n"+ok+"\n"+ok)),
		"one line":   io.MultiReader(text("["+ok+`,{"b":"`), long(), text("\"},"+ok+","+ok+"]")),
		"garbage":    io.MultiReader(text("[\n"+ok+"]\n"), long(), text("\n"+ok+ok)),
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			err := format.Cut(in, "", func(record []byte) error {
				got = append(got, fmt.Sprint(len(record) < 10))
				return nil
			}, func(reason string) error {
				got = append(got, reason)
				return nil
			})
			if err != nil || strings.Join(got, ",") != fmt.Sprintf("true,is longer than %d bytes,true,true", format.MaxRecord) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// TestAByteOrderMarkIsNoRecord holds that a file which begins with one is read as one without.
func TestAByteOrderMarkIsNoRecord(t *testing.T) {
	for _, in := range []string{`{"a":1}`, "{\"a\":1}\n", `[{"a":1}]`, "{\n\"a\":1}\n"} {
		var with, without []string
		for mark, got := range map[string]*[]string{"\ufeff": &with, "": &without} {
			err := format.Cut(strings.NewReader(mark+in), "", func(record []byte) error { *got = append(*got, string(record)); return nil },
				func(reason string) error { *got = append(*got, reason); return nil })
			if err != nil {
				t.Error(err)
			}
		}
		if strings.Join(with, ",") != strings.Join(without, ",") || len(with) != 1 {
			t.Errorf("%q: %q, without the mark %q", in, with, without)
		}
	}
}

func TestMemoryIsBoundedHoweverLongALineIs(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	refused := 0
	err := format.Cut(io.LimitReader(endless{}, 256<<20), "", func([]byte) error { return nil }, func(string) error { refused++; return nil })
	runtime.ReadMemStats(&after)
	// A buffer that grows allocates a few times what it comes to hold.
	if grown := after.TotalAlloc - before.TotalAlloc; err != nil || refused != 1 || grown > 10*format.MaxRecord {
		t.Errorf("%d bytes were allocated, %d refused, %v", grown, refused, err)
	}
}

// endless is a text with no end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func FuzzNothingIsLost(f *testing.F) {
	for _, s := range []string{"{}\n{}", "[\n{},\n{}]x\n{}", `["a`, "{\n\"a\":\"\\\"\"}\n[", "[1,2,\"x\n"} {
		f.Add(s)
	}
	// Every letter of a file comes out in a record, unless reading it ends in an error.
	letters := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' {
				return r
			}
			return -1
		}, s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		for line := range strings.Lines(in) {
			form, _ := format.Detect([]byte(strings.TrimSpace(line)))
			if slices.Contains([]format.Format{format.ClaudeDesktop, format.Docker, format.JSONRPCText, format.VSCode}, form) {
				return // what is none of their lines is somebody else's
			}
		}
		var got strings.Builder
		refused := false
		err := format.Cut(strings.NewReader(in), "", func(record []byte) error { got.Write(record); return nil }, func(string) error { refused = true; return nil })
		if err == nil && !refused && letters(got.String()) != letters(in) {
			t.Errorf("%q became %q", in, got.String())
		}
	})
}
