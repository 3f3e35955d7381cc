package control

import (
	"bytes"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/mcpwatch/mcpwatch/detector/rule"
)

func folders() []rule.Folder {
	return []rule.Folder{
		{Name: "builtin", Files: fstest.MapFS{"a/r.yaml": {Data: []byte("id: r")}, "README.md": {Data: []byte("no rule")}}},
		{Name: "/etc/ours", Files: fstest.MapFS{"lists/bad.txt": {Data: []byte("evil.example\n")}, ".git/x.yaml": {Data: []byte("no rule")}}},
	}
}

func TestBundleHoldsWhatRulesAreLoadedFrom(t *testing.T) {
	packed, err := pack(folders())
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := pack(folders()); !bytes.Equal(again, packed) {
		t.Error("the same files give other bytes")
	}
	unpacked, err := unpack(packed, []string{"builtin", "/etc/ours"})
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []map[string]string{{"a/r.yaml": "id: r"}, {"lists/bad.txt": "evil.example\n"}} {
		got := map[string]string{}
		if err := unpacked[n].Walk(func(name string) error {
			text, err := fs.ReadFile(unpacked[n].Files, name)
			got[name] = string(text)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			if got[name] != text || len(got) != len(want) {
				t.Errorf("%s holds %q, want %q", unpacked[n].Name, got, want)
			}
		}
	}
}

func TestBundleIsBounded(t *testing.T) {
	noise := make([]byte, maxRecord+1)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	if _, err := pack([]rule.Folder{{Files: fstest.MapFS{"lists/l.txt": {Data: noise}}}}); err == nil {
		t.Error("a bundle that no record can hold is packed")
	}
}

func FuzzUnpack(f *testing.F) {
	packed, err := pack(folders())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Fuzz(func(_ *testing.T, data []byte) {
		unpacked, err := unpack(data, []string{"builtin", "ours"})
		if err == nil {
			_, _ = Load(unpacked...)
		}
	})
}
