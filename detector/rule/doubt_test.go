package rule_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/detector/rule"
)

// TestDoubts holds what is warned of: conditions that can never be true or always are.
func TestDoubts(t *testing.T) {
	for _, test := range []struct{ condition, want string }{
		{`call.tool == "a" && call.tool == "b"`, `a.yaml:4:39: never true: call.tool == "a" and call.tool == "b" exclude each other; join them by ||, or leave one out`},
		{`call.tool in ["a", "b"] && event.size > 3 && "c" == call.tool`, `never true: call.tool in ["a", "b"] and "c" == call.tool`},
		{`call.tool in ["a", "b"] && call.tool == "b"`, ""},
		{`call.tool == "a" || call.tool == "b"`, ""},
		{`call.tool != "a" || call.tool != "b"`, `always true of what has call.tool: it differs from "a" or from "b"; write && in place of ||`},
		{`call.tool != "a" && call.tool != "b"`, ""},
		{`call.tool != "a" || server.id != "b"`, ""},
		{`call.tool == "a" && (event.size > 1 || call.tool == "b" && server.id == "s")`, "never true"},
		{`call.tool == "a" && (server.id == "s" || actor == "b")`, ""},
		{`event.kind == "result" && call.tool == "a"`, `event.kind is never "result": it is request, notification, response, error, batch, unknown`},
		{`event.kind != "requests"`, `event.kind is never "requests"`},
		{`event.kind == "request" && result.text.contains("a")`, `never true: event.kind == "request" and result.*, which only a event.kind of "response" has`},
		{`result.is_error && error.code == 3`, "never true"},
		{`event.method == "tools/list" && call.tool == "a"`, "never true"},
		{`event.method == "tools/lists"`, `"tools/lists" is no method of MCP: did you mean tools/list?`},
		{`event.method == "vendor/other"`, ""},
		{`definition.kind in ["tool", "resources"]`, `definition.kind is never "resources"`},
		{`event.direction == "to-server"`, "event.direction is never"},
		{`event.transport == "STDIO"`, "event.transport is never"},
		{`event.size > 10 && event.size < 5`, "never true: event.size > 10 and event.size < 5"},
		{`event.size > 10 && 5 > event.size`, "never true"},
		{`event.size < 0`, "never true"},
		{`event.size >= 0`, "always true: event.size is never less than 0"},
		{`error.code >= 0`, ""},
		{`event.size > 5 && event.size < 7 && event.size == 6`, ""},
		{`event.normal.contains("Ignore")`, `event.normal is lower case and never holds "Ignore": write "ignore"`},
		{`event.normal.matches("(?i)Ignore")`, ""},
		{`event.normal.matches("ignore|All of")`, `the text is lower case and never holds "All of": write "all of" in the pattern`},
		{`event.normal.matches("\\Wignore [A-Z]")`, ""},
		{`event.text.contains("Ignore")`, ""},
		{`"A" in call.args_normal.split("\n")`, ""},
		{`call.tool.lowerAscii() == "Read"`, `call.tool.lowerAscii() is lower case`},
		{`call.tool.lowerAscii() in ["read", "Write"]`, `never holds "Write"`},
		{`http.headers["User-Agent"].contains("curl")`, `the names of http.headers are lower case: write "user-agent"`},
		{`http.headers["user-agent"].contains("Curl")`, ""},
		{`call.tool == "rm" || definition.name == "rm"`, `a.yaml:4:8: it reads definition.name and so is asked of definitions alone, which have no call.tool: write two rules, or two steps of one`},
		{`definition.name == "rm" && server.id == "s" && event.method == "tools/list"`, ""},
	} {
		s, err := rule.Load(folder(map[string]string{"a.yaml": heading + "match: " + quoted(test.condition) + "\n"}))
		if err != nil {
			t.Errorf("%s: %v", test.condition, err)
			continue
		}
		var got []string
		for _, w := range s.Programs[0].Warnings {
			if !strings.Contains(w.Reason, "holds no literal") {
				got = append(got, w.Error())
			}
		}
		if len(got) > 1 || (test.want == "") != (len(got) == 0) || !strings.Contains(strings.Join(got, "\n"), test.want) {
			t.Errorf("%s: %q, want %q", test.condition, got, test.want)
		}
	}
}

func quoted(text string) string { return fmt.Sprintf("'%s'", strings.ReplaceAll(text, "'", "''")) }
