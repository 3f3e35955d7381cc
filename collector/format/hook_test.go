package format_test

import (
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/event"
)

// TestACallAndItsAnswerBearOneID holds for every agent's hooks, whether they have ids or not.
func TestACallAndItsAnswerBearOneID(t *testing.T) {
	for _, c := range []struct {
		form          format.Format
		before, after string
	}{
		{
			format.HookClaude, `{"session_id":"s","hook_event_name":"PreToolUse","tool_name":"Bash","tool_use_id":"t"}`,
			`{"session_id":"s","hook_event_name":"PostToolUseFailure","tool_name":"Bash","tool_use_id":"t","error":"x"}`,
		},
		{
			format.HookCursor, `{"conversation_id":"s","hook_event_name":"beforeMCPExecution","tool_name":"q","tool_input":"{\"a\":1}","command":"npx db"}`,
			`{"conversation_id":"s","hook_event_name":"afterMCPExecution","tool_name":"q","tool_input":{"a":1},"result_json":"[]"}`,
		},
		{
			format.HookGemini, `{"session_id":"s","timestamp":"","hook_event_name":"BeforeTool","tool_name":"q","tool_input":{"a":1}}`,
			`{"session_id":"s","timestamp":"","hook_event_name":"AfterTool","tool_name":"q","tool_input":{"a":1},"tool_response":{}}`,
		},
	} {
		var ids, names []string
		for _, record := range []string{c.before, c.after} {
			e, err := read("", []byte(record), event.DefaultLimits())
			if err != nil || e.Source.Format != string(c.form) {
				t.Fatalf("%s: %v, %q", record, err, e.Source.Format)
			}
			m, err := new(event.Parser).Parse(e.Message)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, m.ID)
			if e.Request != nil {
				names = append(names, e.Request.Name)
			}
		}
		if ids[0] != ids[1] || ids[0] == "" || len(names) != 1 || names[0] == "" {
			t.Errorf("%s: ids %q, request of %q", c.form, ids, names)
		}
	}
}

// TestJSONInAStringIsNoDeeperThanARecordMayBe: the record's own bound does not see it.
func TestJSONInAStringIsNoDeeperThanARecordMayBe(t *testing.T) {
	for depth, inside := range map[int]bool{20: true, 200: false} {
		input := strings.Repeat(`{\"a\":`, depth) + `1` + strings.Repeat(`}`, depth)
		e, err := read(format.HookCursor, []byte(`{"hook_event_name":"beforeMCPExecution","tool_name":"q","tool_input":"`+input+`"}`), event.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(e.Message), `"arguments":{"a":`); got != inside {
			t.Errorf("%d levels: %.100s", depth, e.Message)
		}
	}
}

func TestAUsersPromptIsNotKept(t *testing.T) {
	for _, record := range []string{
		`{"hook_event_name":"UserPromptSubmit","prompt":"hunter2"}`,
		`{"hook_event_name":"BeforeAgent","timestamp":"","prompt":"hunter2"}`,
		`{"hook_event_name":"beforeSubmitPrompt","conversation_id":"c","prompt":"hunter2"}`,
	} {
		e, err := read("", []byte(record), event.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		data, err := event.Encode(nil, &e)
		if err != nil || strings.Contains(string(data), "hunter2") || !strings.Contains(string(data), `"prompt_bytes":7`) {
			t.Errorf("%s, %v", data, err)
		}
	}
}
