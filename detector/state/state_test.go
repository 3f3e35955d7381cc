package state_test

import (
	"bytes"
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
	for _, text := range []string{"x", text[:len(text)-4], text + "AAAA", "mcpwatch.state.1:!"} {
		if _, err := state.DecodeManifest(text); err == nil {
			t.Errorf("%.30q… is read", text)
		}
	}
}

func FuzzRead(f *testing.F) {
	var w state.Writer
	w.Add(state.Table{Rule: "a", Version: "1"}, []byte("entry"))
	f.Add(w.Chunks()[0])
	f.Fuzz(func(_ *testing.T, data []byte) {
		_ = state.Read(data, func(state.Table, []byte) error { return nil })
		_, _ = state.DecodeManifest(string(data))
	})
}
