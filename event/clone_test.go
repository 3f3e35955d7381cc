package event_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/event"
)

const (
	full = `{"id":"a\n1","principal":{"scopes":["s1","s2"],"chain":["c"]},"http":{"headers":{"h":"1"}},"source":{"completeness":["arguments","results"]},` +
		`"request":{"method":"tools/call","arguments":{"x":1}},"measured":{"duration_ms":5,"size":7},"activity":"x","outcome":{"status":"denied","reason":"y"},"marks":["m"],"message":{"id":1,"result":{}}}`
	other = `{"id":"b\n2","principal":{"scopes":["t1","t2"],"chain":["d"]},"http":{"headers":{"i":"2"}},"source":{"completeness":["session"]},` +
		`"request":{"method":"prompts/get"},"marks":["n"],"message":[]}`
)

func TestACloneOutlivesItsDecodersNextEvent(t *testing.T) {
	d := event.NewDecoder(event.DefaultLimits())
	e, _, err := d.Decode([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	kept := e.Clone()
	if _, _, err := d.Decode([]byte(other)); err != nil {
		t.Fatal(err)
	}
	if want := decode(t, full); !reflect.DeepEqual(kept, want) {
		t.Errorf("got  %+v\nwant %+v", kept, want)
	}
}

// TestACloneOwnsEachList gives lists that a decoder remembers and those that are too long for it.
func TestACloneOwnsEachList(t *testing.T) {
	long := strings.Repeat("x", 600)
	list := []string{long, "b"}
	for _, of := range []string{`{"marks":%s}`, `{"source":{"completeness":%s}}`, `{"principal":{"scopes":%s}}`, `{"principal":{"chain":%s}}`} {
		d := event.NewDecoder(event.DefaultLimits())
		e, _, err := d.Decode(fmt.Appendf(nil, of, `["`+long+`","b"]`))
		if err != nil {
			t.Fatal(err)
		}
		kept := e.Clone()
		if _, _, err := d.Decode(fmt.Appendf(nil, of, `["other","lists"]`)); err != nil {
			t.Fatal(err)
		}
		got := slices.Concat(kept.Marks, kept.Source.Completeness, kept.Principal.Scopes, kept.Principal.Chain)
		if !slices.Equal(got, list) {
			t.Errorf("%s became %q", of, got)
		}
	}
}

// TestALongListThatADecoderRemembersIsNotChanged: what is cut off must not be written over.
func TestALongListThatADecoderRemembersIsNotChanged(t *testing.T) {
	d := event.NewDecoder(event.DefaultLimits())
	data := []byte(`{"source":{"completeness":[` + strings.Repeat(`"",`, 70) + `""]}}`)
	for range 2 {
		e, _, err := d.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		all := e.Source.Completeness[:cap(e.Source.Completeness)]
		if len(all) != 64 || slices.Contains(all, "appended") {
			t.Fatalf("%q", all)
		}
		_ = append(e.Source.Completeness, "appended")
	}
}

// TestWhatADecoderRemembersIsNotChanged appends to each list that it gave.
func TestWhatADecoderRemembersIsNotChanged(t *testing.T) {
	d := event.NewDecoder(event.DefaultLimits())
	for range 3 {
		e, _, err := d.Decode([]byte(full))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := e.Clone(), decode(t, full); !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
		_ = append(e.Source.Completeness, "appended")
		_ = append(e.Principal.Scopes, "appended")
		_ = append(e.Message, "appended"...)
		_ = append(e.Request.Arguments, "appended"...)
		e.Mark("appended")
		e.HTTP.Headers["appended"] = "yes"
		e.Request.Method = "appended"
	}
}

func TestAUsualEventIsReadAndWrittenWithoutAllocating(t *testing.T) {
	d := event.NewDecoder(event.StoredLimits())
	out := make([]byte, 0, 4096)
	for _, data := range [][]byte{stored(), shipped(), []byte(full[:len(`{"id":"a`)] + full[len(`{"id":"a\n`):])} {
		allocations := testing.AllocsPerRun(100, func() {
			e, _, err := d.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if out, err = event.Encode(out[:0], e); err != nil {
				t.Fatal(err)
			}
		})
		if allocations > 0 {
			t.Errorf("%g allocations for %.60s", allocations, data)
		}
	}
}
