package rule_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/detector/rule"
)

var update = flag.Bool("update", false, "write the reference in docs/rules.md anew")

const (
	referencePage  = "../../docs/rules.md"
	referenceBegin = "<!-- reference: written by `go test ./detector/rule -update` -->\n"
	referenceEnd   = "<!-- end of reference -->\n"
)

// TestReference holds docs/rules.md to what expressions can read and call.
func TestReference(t *testing.T) {
	data, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(data), referenceBegin)
	got, after, closed := strings.Cut(rest, referenceEnd)
	if !found || !closed {
		t.Fatalf("%s lacks the marks of the reference", referencePage)
	}
	want := reference()
	if *update {
		if err := os.WriteFile(referencePage, []byte(before+referenceBegin+want+referenceEnd+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s is out of date: go test ./detector/rule -update", referencePage)
	}
}

func reference() string {
	var b strings.Builder
	b.WriteString("\n| name | type | what |\n|---|---|---|\n")
	for _, f := range rule.Fields() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, f.Type, f.Doc)
	}
	b.WriteString("\n| function of a string | gives | what |\n|---|---|---|\n")
	for _, f := range rule.Functions() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, f.Result, f.Doc)
	}
	b.WriteByte('\n')
	return b.String()
}
