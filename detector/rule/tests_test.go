package rule_test

import (
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/detector/rule"
)

// TestWhatATestCannotSayIsRefused holds that a test whose event or finding is written wrongly fails the load, and
// where it says that it is.
func TestWhatATestCannotSayIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		tests []string // lines below tests:
		want  []string // errors, "" for none
	}{
		"all that there is": {[]string{
			`- name: whole`,
			`  events:`,
			`    - {id: e, parent: p, time: 2026-01-01T00:00:00Z, agent: {id: a}, server: {id: s}, http: {status: 200}, request: {method: tools/call}, message: {any: thing}}`,
			`    - {tick: 10m}`,
			`  want: [{severity: high, risk: 0, title: t, summary: s, name: n, key: [a, b], event: 1, events: 2, suppressed: 3}]`,
		}, nil},
		"a field that no event has": {
			[]string{`- name: a`, `  events:`, `    - {direction: to_server, agnt: {id: a}}`},
			[]string{`r.yaml:8:38: tests[0].events[0]: unknown field "agnt": an event has id, parent, time, received, claimed_time, tenant, actor, agent, `},
		},
		"a field that no part of one has": {
			[]string{`- name: a`, `  events:`, `    - direction: to_server`, `    - server:`, `        identity: x`, `      agent: {user: u, "the name": y}`},
			[]string{
				`r.yaml:10:21: tests[0].events[1]: unknown field "server.identity": server has id, name, version, url, command`,
				`tests[0].events[1]: unknown field "agent.the name": agent has id, name, version, host, user`,
			},
		},
		"what is no event": {
			[]string{`- name: a`, `  events: [{direction: sideways}, text, {server: 5}]`},
			[]string{`r.yaml:7:14: tests[0].events[0]: it cannot be read as an event: `, `tests[0].events[1]: it cannot be read`, `tests[0].events[2]: it cannot be read`},
		},
		"a tick": {
			[]string{`- name: a`, `  events: [{tick: soon}, {tick: 1m, server: {id: s}}]`},
			[]string{`r.yaml:7:21: tests[0].events[0]: tick: "soon" must be`, `tests[0].events[1]: a tick has nothing beside it, and this has server, tick`},
		},
		"a finding": {
			[]string{`- name: a`, `  events: [{server: {id: s}}]`, `  want:`, `    - {severity: hihg}`, `    - {risk: 101, event: 1}`},
			[]string{
				`r.yaml:9:20: tests[0].want[0].severity: "hihg" must be one of info, low, medium, high, critical`,
				`r.yaml:10:16: tests[0].want[1].risk: 101 must be from 0 to 100`,
				`r.yaml:10:28: tests[0].want[1].event: 1 is no place in events: there are 1, counted from 0`,
			},
		},
	} {
		_, err := rule.Parse("r.yaml", []byte("id: r\ntitle: R\nseverity: high\nmatch: 'call.tool == \"x\"'\ntests:\n  "+strings.Join(test.tests, "\n  ")+"\n"))
		if len(test.want) == 0 {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s: it was loaded", name)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error lacks %q:\n%v", name, want, err)
			}
		}
	}
}
