package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatIsNotJudgedIsTold holds that scan and explain say what an event was too long or too costly for, what
// many rules together cost it too.
func TestWhatIsNotJudgedIsTold(t *testing.T) {
	dir, files := t.TempDir(), t.TempDir()
	write := func(in, name, text string) string {
		name = filepath.Join(in, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for i := range 40 {
		write(dir, fmt.Sprintf("r%d.yaml", i), fmt.Sprintf("id: r%d\ntitle: R\nseverity: low\nmatch: call.args_text.contains(\"needle\")\n", i))
	}
	call := `{"id":"%s","agent":{"id":"a"},"direction":"to_server","message":{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"x":"%s"}}}}` + "\n"
	file := write(files, "events.jsonl", fmt.Sprintf(call, "costly", "needle")+fmt.Sprintf(call, "long", strings.Repeat("hay ", 20_000)))
	rules := ruleFlags{Rules: []string{dir}}
	var out, err bytes.Buffer
	s := streams{in: nil, out: &out, err: &err}

	scan := scanCommand{ruleFlags: rules, File: file}
	if failed := scan.Run(s); failed != nil {
		t.Fatal(failed)
	}
	const notAll = "not all was judged: left out were "
	want(t, err.String(), notAll, "conditions of rules, for want of budget (rules_not_judged), 14466 bytes in the middle of long texts (event.uninspected)\n")
	err.Reset()
	out.Reset()

	explain := rulesExplainCommand{ruleFlags: rules, Events: file, Rule: "r7", Output: "table"}
	if failed := explain.Run(s); failed != nil {
		t.Fatal(failed)
	}
	want(t, out.String(), "  marks: time_missing, rules_not_judged\n", "  note: beside the other 39 rules it costs more than the budget of an event: ", "this rule's may be among them\n",
		"  marks: time_missing, uninspected\n", "  note: no text shows all of it: 14466 bytes, of the middle of a long text or of long names of members, are not inspected\n", "  finding ")
	want(t, err.String(), notAll+"14466 bytes in the middle of long texts (event.uninspected)\n")
	err.Reset()

	scan.File = write(files, "small.jsonl", fmt.Sprintf(call, "small", "hay"))
	if failed := scan.Run(s); failed != nil || err.Len() > 0 {
		t.Errorf("of a small event: %v, %s", failed, err.String())
	}
}

func want(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
}
