package format_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/collector/format"
)

const (
	sourcesPage  = "../../docs/sources.md"
	sourcesBegin = "<!-- formats: written by `go test ./collector/format -run TestSources -update` -->\n"
	sourcesEnd   = "<!-- end of formats -->\n"
)

// TestSources holds docs/sources.md to the formats that there are.
func TestSources(t *testing.T) {
	data, err := os.ReadFile(sourcesPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(data), sourcesBegin)
	got, after, closed := strings.Cut(rest, sourcesEnd)
	if !found || !closed {
		t.Fatalf("%s lacks the marks of the table", sourcesPage)
	}
	want := sourcesTable()
	if *update {
		if err := os.WriteFile(sourcesPage, []byte(before+sourcesBegin+want+sourcesEnd+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s is out of date: go test ./collector/format -run TestSources -update", sourcesPage)
	}
}

func sourcesTable() string {
	var b strings.Builder
	b.WriteString("\n| format | whose | form | carries | verified |\n|---|---|---|---|---|\n")
	for _, d := range format.Formats() {
		form, carries, verified := "", strings.Join(d.Carries, ", "), "no"
		switch {
		case d.JSON && d.Text:
			form = "JSON, text"
		case d.JSON:
			form = "JSON"
		case d.Text:
			form = "text"
		}
		if carries == "" {
			carries = "nothing"
		}
		if d.Format == format.Events {
			carries = "what its source says"
		}
		if d.Verified {
			verified = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", d.Format, d.Of, form, carries, verified)
	}
	b.WriteByte('\n')
	return b.String()
}
