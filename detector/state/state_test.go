package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/detector/state"
)

// TestWhatIsWrittenIsRead holds that a segment gives back its entries, each of its table.
func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w state.Writer
		var want, got []string
		for range rapid.IntRange(0, 40).Draw(t, "n") {
			table := state.Table{Rule: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "rule"), Version: "1", Number: rapid.IntRange(0, 1).Draw(t, "number")}
			entry := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, rapid.SampledFrom([]int{0, 3, 100_000}).Draw(t, "length"))
			w.Add(table, entry)
			want = append(want, fmt.Sprint(table, len(entry), string(entry[:min(len(entry), 1)])))
		}
		for _, chunk := range w.Chunks() {
			if len(chunk) > state.ChunkBytes+1000 {
				t.Fatalf("a chunk of %d bytes", len(chunk))
			}
			if err := state.Read(chunk, func(table state.Table, entry []byte) error {
				got = append(got, fmt.Sprint(table, len(entry), string(entry[:min(len(entry), 1)])))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("read %v, want %v", got, want)
		}
	})
}

// TestManifests holds that a manifest fits into a commit, and is read as it was written.
func TestManifests(t *testing.T) {
	const committed = 4096 // bytes of metadata that brokers take
	m := state.Manifest{Clock: 1764072000000000, Control: "0123456789abcdef0123456789abcdef"}
	for n := range int64(state.MaxChunks) {
		m.Chunks = append(m.Chunks, 1_000_000_000+n*90)
	}
	text := m.Encode()
	if len(text) > committed {
		t.Errorf("%d bytes", len(text))
	}
	got, err := state.DecodeManifest(text)
	if err != nil || got.Clock != m.Clock || got.Control != m.Control || !slices.Equal(got.Chunks, m.Chunks) {
		t.Errorf("read %v, %v", got, err)
	}
	if empty, err := state.DecodeManifest(""); err != nil || len(empty.Chunks) != 0 {
		t.Errorf("nothing committed is read as %v, %v", empty, err)
	}
	negative := state.Manifest{Chunks: []int64{-1}}
	for _, text := range []string{negative.Encode(), "x", text[:len(text)-4], text + "AAAA", "mcpwatch.state.1:!"} {
		if _, err := state.DecodeManifest(text); err == nil {
			t.Errorf("%.30q… is read", text)
		}
	}
}

// TestReadRefuses holds that a chunk that nobody wrote is not read.
func TestReadRefuses(t *testing.T) {
	var w state.Writer
	w.Add(state.Table{Rule: "a", Version: "1"}, []byte("entry"))
	chunk := w.Chunks()[0]
	for name, data := range map[string][]byte{
		"nothing":         {},
		"another version": append([]byte{state.Version + 1}, chunk[1:]...),
		"its end missing": chunk[:len(chunk)-1],
		"a kind unknown":  append(slices.Clone(chunk), 3, 0),
		"a high number":   {state.Version, 1, 0, 0, 17},
		"a long text":     {state.Version, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
	} {
		if err := state.Read(data, func(state.Table, []byte) error { return nil }); err == nil {
			t.Errorf("%s: it is read", name)
		}
	}
	refused := errors.New("refused")
	if err := state.Read(chunk, func(state.Table, []byte) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("an error of the reader becomes %v", err)
	}
}

// FuzzRead holds that what is read of a chunk is read again when it is written.
func FuzzRead(f *testing.F) {
	var w state.Writer
	w.Add(state.Table{Rule: "a", Version: "1"}, []byte("entry"))
	w.Add(state.Table{Rule: "b", Version: "1", Number: 1}, nil)
	f.Add(w.Chunks()[0])
	f.Fuzz(func(t *testing.T, data []byte) {
		var want, got []string
		var w state.Writer
		err := state.Read(data, func(table state.Table, entry []byte) error {
			w.Add(table, entry)
			want = append(want, fmt.Sprintf("%v %x", table, entry))
			return nil
		})
		if err != nil {
			return
		}
		for _, chunk := range w.Chunks() {
			if err := state.Read(chunk, func(table state.Table, entry []byte) error {
				got = append(got, fmt.Sprintf("%v %x", table, entry))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q was read as %q", want, got)
		}
	})
}

// FuzzDecodeManifest holds that a manifest that is read is written as it was, and names nothing
// that no topic has.
func FuzzDecodeManifest(f *testing.F) {
	m := state.Manifest{Clock: 1764072000000000, Control: "0123", Chunks: []int64{5, 6, 700}}
	f.Add(m.Encode())
	f.Add("")
	f.Add("mcpwatch.state.1:AAAB")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := state.DecodeManifest(text)
		if err != nil {
			return
		}
		if len(m.Chunks) > state.MaxChunks || slices.ContainsFunc(m.Chunks, func(offset int64) bool { return offset < 0 }) {
			t.Errorf("chunks %v", m.Chunks)
		}
		again, err := state.DecodeManifest(m.Encode())
		if err != nil || again.Clock != m.Clock || again.Control != m.Control || !slices.Equal(again.Chunks, m.Chunks) {
			t.Errorf("%v was read as %v, %v", m, again, err)
		}
	})
}
