package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// traffic makes events as agents at work ship them, the same ones for the same seed but
// for the time in them: calls and their answers, listings, errors and progress, about 1 kB
// on average, from many actors. It belongs to one goroutine.
type traffic struct {
	rng      *rand.Rand
	name     string // part of each id, so that two traffics share none
	paired   bool
	sessions []session
	prose    []string
	code     []string

	next  int // number of the next event
	fires int // events made so far that fire a rule
	buf   []byte
}

// session is one agent's connection to one server.
type session struct {
	context string // of every event, as JSON without the direction
	calls   []call
	rpc     int
}

// call is a tool and how its arguments and its answer look. In both, %w is a word, %n a
// number, %h a hexadecimal digest, %p lines of prose and %c lines of code.
type call struct {
	tool, arguments, result string
}

// actors is how many agents a traffic has, each with a session to three servers.
const actors = 200

// firing marks the ids of events that fire a rule.
const firing = "-f"

func newTraffic(seed uint64, name string, paired bool) *traffic {
	source := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // the same traffic each time, and no secret
	t := &traffic{rng: source, name: name, paired: paired}
	for range 4000 {
		t.prose = append(t.prose, t.proseLine())
		t.code = append(t.code, t.codeLine())
	}
	all := servers()
	for actor := range actors {
		host := fmt.Sprintf("laptop-%s-%d", name, actor)
		agent := []string{"claude-code", "cursor", "vscode", "goose"}[actor%4]
		for i := range 3 {
			s := all[(actor+i)%len(all)]
			t.sessions = append(t.sessions, session{calls: s.calls, context: fmt.Sprintf(
				`"agent":{"id":"%[1]s/%[2]s","name":"%[2]s","version":"2.1.%[3]d","host":"%[1]s","user":"user%[3]d@example.com"},`+
					`"server":{"id":"%[4]s","name":"%[4]s","version":"1.4.0","command":"npx -y %[5]s"},`+
					`"session":"%[1]s-%[4]s","transport":"stdio",`+
					`"source":{"format":"bench","completeness":["arguments","results","definitions","session"]},`,
				host, agent, actor%50, s.name, s.command)})
		}
	}
	return t
}

// benign appends what one turn of ordinary work makes to dst, an event a line: mostly a
// call and its answer.
func (t *traffic) benign(dst []byte, now time.Time) []byte {
	s := &t.sessions[t.rng.IntN(len(t.sessions))]
	s.rpc++
	switch n := t.rng.IntN(100); {
	case n < 2:
		dst = t.event(dst, now, s, "to_server", "", `{"jsonrpc":"2.0","id":`+strconv.Itoa(s.rpc)+`,"method":"tools/list","params":{}}`, nil)
		return t.event(dst, now, s, "to_client", "", t.listing(s), nil)
	case n < 6:
		return t.event(dst, now, s, "to_client", "", t.fill(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"%h","progress":%n,"total":1000,"message":"%w %w"}}`), nil)
	}
	c := &s.calls[t.rng.IntN(len(s.calls))]
	arguments := t.fill(c.arguments)
	result := `"result":{"content":[{"type":"text","text":"` + t.fill(c.result) + `"}],"isError":false}`
	if t.rng.IntN(50) == 0 {
		result = t.fill(`"error":{"code":-32603,"message":"%w %w timed out after %n ms"}`)
	}
	return t.exchange(dst, now, s, c.tool, arguments, result, "")
}

// fire appends a call that the built-in rules find, and its answer, which they don't.
func (t *traffic) fire(dst []byte, now time.Time) []byte {
	s := &t.sessions[t.rng.IntN(len(t.sessions))]
	s.rpc++
	t.fires++
	return t.exchange(dst, now, s, "read_file", `{"path":"/home/user/.ssh/id_rsa"}`,
		`"result":{"content":[{"type":"text","text":"EACCES: permission denied"}],"isError":true}`, firing)
}

// exchange appends a call and its answer. mark ends the id of the call.
func (t *traffic) exchange(dst []byte, now time.Time, s *session, tool, arguments, result, mark string) []byte {
	rpc := strconv.Itoa(s.rpc)
	request := t.id(mark)
	dst = t.event(dst, now, s, "to_server", mark,
		`{"jsonrpc":"2.0","id":`+rpc+`,"method":"tools/call","params":{"name":"`+tool+`","arguments":`+arguments+`,"_meta":{"progressToken":`+rpc+`}}}`, nil)
	var answers []byte
	if t.paired {
		answers = fmt.Appendf(nil, `"request":{"event":%q,"method":"tools/call","name":%q,"arguments":%s},`, request, tool, arguments)
	}
	return t.event(dst, now, s, "to_client", "", `{"jsonrpc":"2.0","id":`+rpc+`,`+result+`}`, answers)
}

// id is that of the next event.
func (t *traffic) id(mark string) string { return t.name + "-" + strconv.Itoa(t.next) + mark }

func (t *traffic) event(dst []byte, now time.Time, s *session, direction, mark, message string, answers []byte) []byte {
	dst = append(append(append(dst, `{"id":"`...), t.id(mark)...), `","time":"`...)
	t.next++
	dst = append(now.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000Z"), `",`...)
	dst = append(dst, s.context...)
	dst = append(append(append(dst, `"direction":"`...), direction...), `",`...)
	dst = append(dst, answers...)
	dst = append(append(dst, `"message":`...), message...)
	return append(dst, "}\n"...)
}

// listing is the answer to tools/list.
func (t *traffic) listing(s *session) string {
	var tools []string
	for _, c := range s.calls {
		tools = append(tools, t.fill(`{"name":"`+c.tool+`","title":"%w %w","description":"%p","inputSchema":{"type":"object","properties":{"%w":{"type":"string","description":"%w %w %w"}}}}`))
	}
	return `{"jsonrpc":"2.0","id":` + strconv.Itoa(s.rpc) + `,"result":{"tools":[` + strings.Join(tools, ",") + `]}}`
}

// fill replaces the marks of a template.
func (t *traffic) fill(template string) string {
	t.buf = t.buf[:0]
	for {
		text, rest, found := strings.Cut(template, "%")
		t.buf = append(t.buf, text...)
		if !found {
			return string(t.buf)
		}
		switch template = rest[1:]; rest[0] {
		case 'w':
			t.buf = append(t.buf, t.word()...)
		case 'n':
			t.buf = strconv.AppendInt(t.buf, int64(t.rng.IntN(1000)), 10)
		case 'h':
			t.buf = fmt.Appendf(t.buf, "%016x%016x", t.rng.Uint64(), t.rng.Uint64())
		case 'p':
			t.lines(t.prose, 2+t.rng.IntN(4))
		case 'c':
			t.lines(t.code, 4+t.rng.IntN(30))
		}
	}
}

func (t *traffic) lines(of []string, n int) {
	at := t.rng.IntN(len(of) - n)
	for _, line := range of[at : at+n] {
		t.buf = append(append(t.buf, line...), `\n`...)
	}
}

func (t *traffic) word() string { return vocabulary[t.rng.IntN(len(vocabulary))] }

func (t *traffic) proseLine() string {
	var line bytes.Buffer
	for range 6 + t.rng.IntN(9) {
		line.WriteString(t.word() + " ")
	}
	fmt.Fprintf(&line, "%d.", t.rng.IntN(10_000))
	return line.String()
}

func (t *traffic) codeLine() string {
	return []string{
		`\t` + t.word() + ` := ` + t.word() + `.` + t.word() + `(ctx, ` + strconv.Itoa(t.rng.IntN(100)) + `)`,
		`\tif err := ` + t.word() + `(` + t.word() + `); err != nil {`,
		`\t\treturn fmt.Errorf(\"` + t.word() + ` ` + t.word() + `: %w\", err)`,
		`func ` + t.word() + `(` + t.word() + ` string) error {`,
		`\t// ` + t.word() + ` ` + t.word() + ` ` + t.word() + ` ` + t.word(),
		`}`,
	}[t.rng.IntN(6)]
}

type server struct {
	name, command string
	calls         []call
}

// servers are those that the agents of this traffic talk to.
func servers() []server {
	return []server{
		{"files", "@modelcontextprotocol/server-filesystem /srv/work", []call{
			{"read_file", `{"path":"/srv/code/%w/%w_%n.go"}`, `%c`},
			{"list_directory", `{"path":"/srv/code/%w"}`, `[DIR] %w\n[FILE] %w.go\n[FILE] %w.go\n[FILE] %w_test.go\n[FILE] %w.md\n[DIR] %w`},
			{"edit_file", `{"path":"/srv/code/%w/%w.go","edits":[{"oldText":"%w %w %n","newText":"%c"}]}`, `--- %w\n+++ %w\n@@ -%n,4 +%n,6 @@\n%p`},
		}},
		{"github", "@modelcontextprotocol/server-github", []call{
			{"search_code", `{"q":"%w %w repo:example/%w","per_page":10}`, `{\"total_count\":%n,\"items\":[{\"name\":\"%w.go\",\"sha\":\"%h\",\"score\":1},{\"name\":\"%w.go\",\"sha\":\"%h\",\"score\":1}]}`},
			{"get_issue", `{"owner":"example","repo":"%w","issue_number":%n}`, `{\"number\":%n,\"state\":\"open\",\"title\":\"%w %w %w\",\"body\":\"%p\",\"comments\":%n}`},
			{"list_commits", `{"owner":"example","repo":"%w","page":1}`, `[{\"sha\":\"%h\",\"commit\":{\"message\":\"%w %w %w\"}},{\"sha\":\"%h\",\"commit\":{\"message\":\"%w %w\"}},{\"sha\":\"%h\",\"commit\":{\"message\":\"%w %w\"}}]`},
		}},
		{"postgres", "@modelcontextprotocol/server-postgres postgresql://db.example.com/app", []call{
			{"query", `{"sql":"SELECT id, %w, %w FROM %w WHERE %w = $1 ORDER BY id LIMIT %n"}`, `[{\"id\":%n,\"%w\":\"%w\",\"total\":%n},{\"id\":%n,\"%w\":\"%w\",\"total\":%n},{\"id\":%n,\"%w\":\"%w\",\"total\":%n}]`},
		}},
		{"chat", "@modelcontextprotocol/server-slack", []call{
			{"get_channel_history", `{"channel_id":"C%n%n","limit":20}`, `%p%p`},
			{"list_channels", `{"limit":100}`, `[{\"id\":\"C%n\",\"name\":\"%w\"},{\"id\":\"C%n\",\"name\":\"%w\"},{\"id\":\"C%n\",\"name\":\"%w\"}]`},
		}},
		{"docs", "some-documentation-server", []call{
			{"lookup", `{"library":"%w","topic":"%w %w","tokens":%n}`, `%p%c%p`},
		}},
	}
}
