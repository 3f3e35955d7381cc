package format_test

import (
	"bytes"
	"testing"

	"github.com/mcpwatch/mcpwatch/collector/format"
)

func FuzzReadKeyed(f *testing.F) {
	for _, seed := range []string{`{"key":"a","record":"b"}`, `{"key":"a","bytes":"/w=="}`, `{"key":1}`, `[]`, `{"key":"a","key":"b","record":"\ud800"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		key, record, err := format.ReadKeyed(line)
		if err == nil && (key == "" || len(key) > 64 || len(record) > len(line)) {
			t.Errorf("%q gives %q and %q", line, key, record)
		}
		if err != nil && (key != "" || record != nil) {
			t.Errorf("%q gives %q although %v", line, key, err)
		}
	})
}

// FuzzCutFrom holds what is cut from a place, from each place that was marked, against the whole.
func FuzzCutFrom(f *testing.F) {
	for _, seed := range []string{"{}\n{}\n", "[\n{},\n{}]\n{}", "[{},{}]\n\n{}", "{\n}\n{\n}", "a\nb", "[1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		layout := format.LayoutOf(file, true, "")
		type place struct {
			at   int64
			from int // of the records
		}
		var records [][]byte
		var places []place
		last := int64(-1)
		keep := func(r []byte) error { records = append(records, bytes.Clone(r)); return nil }
		refuse := func(string) error { return nil }
		whole := format.CutFrom(bytes.NewReader(file), layout, keep, refuse, func(at int64, e format.Ending) error {
			if at < last || at > int64(len(file)) {
				t.Fatalf("%q: marked %d after %d", file, at, last)
			}
			if last = at; e == format.Ended {
				places = append(places, place{at, len(records)})
			}
			return nil
		})
		all := records
		for _, p := range places {
			records = nil
			err := format.CutFrom(bytes.NewReader(file[p.at:]), layout, keep, refuse, func(int64, format.Ending) error { return nil })
			if (err == nil) != (whole == nil) || !equal(records, all[p.from:]) {
				t.Fatalf("%q from %d: %q, %v; want %q, %v", file, p.at, records, err, all[p.from:], whole)
			}
		}
	})
}

func equal(a, b [][]byte) bool {
	return bytes.Equal(bytes.Join(a, []byte{0}), bytes.Join(b, []byte{0})) && len(a) == len(b)
}
