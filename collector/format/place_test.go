package format

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestRecordsOfSeveralLinesAreMarkedWhereTheyBegin: the last one may go on.
func TestRecordsOfSeveralLinesAreMarkedWhereTheyBegin(t *testing.T) {
	layout := Layout{begins: func(line []byte) bool { return bytes.HasPrefix(line, []byte("#")) }}
	for text, want := range map[string][]string{
		"#a\n b\n#c\n": {"0 Ended", "#a\n b", "6 Ended", "#c", "9 Quiet"},
		"#a\n b\n#c":   {"0 Ended", "#a\n b", "6 Ended", "#c", "8 Broken"},
		"#a\n b":       {"0 Ended", "#a\n b", "5 Broken"},
		"lost\n#a\n":   {"lost", "5 Ended", "#a", "8 Quiet"},
		"":             {"0 Quiet"},
	} {
		var got []string
		err := CutFrom(strings.NewReader(text), layout,
			func(record []byte) error { got = append(got, string(record)); return nil },
			func(reason string) error { return fmt.Errorf("refused: %s", reason) },
			func(at int64, e Ending) error {
				got = append(got, fmt.Sprintf("%d %s", at, []string{"Ended", "Quiet", "Broken"}[e]))
				return nil
			})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
}
