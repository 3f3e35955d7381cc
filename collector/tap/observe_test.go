package tap

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mcpwatch/mcpwatch/event"
)

// observed is an observer without pumps: what is said goes straight into the queue.
type observed struct {
	t     testing.TB
	o     *observer
	pipes [directions]*pipe
	queue *queue
	now   time.Time
}

func newObserved(t testing.TB, queueBytes int) *observed {
	o := options(t, "echo")
	o.Command = []string{"npx", "@scope/server", "/data"}
	o.Agent = event.Agent{ID: "laptop-17/alice", Host: "laptop-17", User: "alice"}
	ob := &observed{t: t, queue: newQueue(queueBytes), now: time.Date(2026, 11, 22, 9, 42, 11, 123456789, time.UTC)}
	o.Now = func() time.Time { ob.now = ob.now.Add(time.Second); return ob.now }
	store := newStore(&o, "T1", o.Counters, ob.queue.signal)
	ob.o = newObserver(&o, "T1", store, o.Counters, func() {})
	ob.pipes = newPipes(ob.o, o.Command)
	t.Cleanup(func() {
		if err := store.closeOwn(); err != nil {
			t.Error(err)
		}
	})
	return ob
}

func (ob *observed) say(way int, text string) {
	for len(text) > blockBytes {
		ob.queue.put(&ob.pipes[way].stream, []byte(text[:blockBytes]), ob.o.now())
		text = text[blockBytes:]
	}
	ob.queue.put(&ob.pipes[way].stream, []byte(text), ob.o.now())
}

// end lets the observer take all that was said and returns the events in the spool.
func (ob *observed) end() []event.Event {
	for _, p := range ob.pipes {
		ob.queue.tell(&p.stream, noteEnd, ob.o.now())
	}
	ob.queue.close()
	ob.o.run(ob.queue)
	return spooled(ob.t, ob.o.store.own.dir)
}

// spooled reads all events in a spool's directory.
func spooled(t testing.TB, dir string) (events []event.Event) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+segmentExt))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			e, err := event.Decode(bytes.TrimSuffix(line, []byte("\n")), event.DefaultLimits())
			if err != nil {
				t.Fatalf("%.200q: %v", line, err)
			}
			events = append(events, e)
		}
	}
	return events
}

// brief is what the tables below compare: sequence, direction, what it answers, the names
// claimed so far, marks, and the message or raw text.
func brief(e event.Event) string {
	answers := ""
	if r := e.Request; r != nil {
		answers = fmt.Sprintf(" answers=%s:%s:%s:%s", r.Event, r.Method, r.Name, string(r.Arguments))
	}
	text := string(e.Message)
	if e.Raw != "" {
		text = fmt.Sprintf("raw %q", e.Raw)
	}
	return fmt.Sprintf("%d %s%s agent=%s/%s server=%s/%s marks=%v %s", e.Source.Sequence, e.Direction, answers,
		e.Agent.Name, e.Agent.Version, e.Server.Name, e.Server.Version, e.Marks, text)
}

type said struct {
	way  int
	text string
}

func TestObserve(t *testing.T) {
	for _, test := range []struct {
		name string
		say  []said
		want []string
	}{
		{"2025-11-25: handshake, call, sampling", []said{
			{toServer, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"agent","version":"2"}}}` + "\n"},
			{toClient, `{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"toy","version":"1"}}}` + "\n"},
			{toServer, `{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\r\n"},
			{toServer, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"path":"/etc/hosts"}}}` + "\n"},
			{toClient, `{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"messages":[]}}` + "\n"},
			{toServer, `{"jsonrpc":"2.0","id":1,"result":{"role":"assistant"}}` + "\n"},
			{toClient, `{"jsonrpc":"2.0","id":1,"result":{"content":[]}}` + "\n"},
			{toClient, `{"jsonrpc":"2.0","id":"1","result":{}}` + "\n"},
		}, []string{
			`1 to_server agent=agent/2 server=/ marks=[] {"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"agent","version":"2"}}}`,
			`2 to_client answers=T1.1:initialize:: agent=agent/2 server=toy/1 marks=[] {"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"toy","version":"1"}}}`,
			`3 to_server agent=agent/2 server=toy/1 marks=[] {"jsonrpc":"2.0","method":"notifications/initialized"}`,
			`4 to_server agent=agent/2 server=toy/1 marks=[] {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"path":"/etc/hosts"}}}`,
			`5 to_client agent=agent/2 server=toy/1 marks=[] {"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"messages":[]}}`,
			`6 to_server answers=T1.5:sampling/createMessage:: agent=agent/2 server=toy/1 marks=[] {"jsonrpc":"2.0","id":1,"result":{"role":"assistant"}}`,
			`7 to_client answers=T1.4:tools/call:read:{"path":"/etc/hosts"} agent=agent/2 server=toy/1 marks=[] {"jsonrpc":"2.0","id":1,"result":{"content":[]}}`,
			`8 to_client agent=agent/2 server=toy/1 marks=[unpaired:no_request] {"jsonrpc":"2.0","id":"1","result":{}}`,
		}},
		{"2026-07-28: names in _meta, input required, retry", []said{
			{toServer, `{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"deploy","arguments":{"env":"test"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"agent","version":"3"}}}}` + "\n"},
			{toClient, `{"jsonrpc":"2.0","id":"a","result":{"resultType":"input_required","inputRequests":{"ok":{"method":"elicitation/create","params":{}}},"requestState":"s","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"toy","version":"9"}}}}` + "\n"},
			{toServer, `{"jsonrpc":"2.0","id":"b","method":"tools/call","params":{"name":"deploy","arguments":{"env":"test"},"inputResponses":{"ok":{"action":"accept"}},"requestState":"s"}}` + "\n"},
			{toClient, `{"jsonrpc":"2.0","id":"b","error":{"code":-32602,"message":"no"}}` + "\n"},
		}, []string{
			`1 to_server agent=agent/3 server=/ marks=[] {"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"deploy","arguments":{"env":"test"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"agent","version":"3"}}}}`,
			`2 to_client answers=T1.1:tools/call:deploy:{"env":"test"} agent=agent/3 server=toy/9 marks=[] {"jsonrpc":"2.0","id":"a","result":{"resultType":"input_required","inputRequests":{"ok":{"method":"elicitation/create","params":{}}},"requestState":"s","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"toy","version":"9"}}}}`,
			`3 to_server agent=agent/3 server=toy/9 marks=[] {"jsonrpc":"2.0","id":"b","method":"tools/call","params":{"name":"deploy","arguments":{"env":"test"},"inputResponses":{"ok":{"action":"accept"}},"requestState":"s"}}`,
			`4 to_client answers=T1.3:tools/call:deploy:{"env":"test"} agent=agent/3 server=toy/9 marks=[] {"jsonrpc":"2.0","id":"b","error":{"code":-32602,"message":"no"}}`,
		}},
		{"2025-03-26: a request in a batch, its response alone", []said{
			{toServer, `[{"jsonrpc":"2.0","id":7,"method":"tools/list"},{"jsonrpc":"2.0","method":"notifications/x"}]` + "\n"},
			{toClient, `{"jsonrpc":"2.0","id":7,"result":{"tools":[]}}` + "\n"},
		}, []string{
			`1 to_server agent=/ server=/ marks=[] [{"jsonrpc":"2.0","id":7,"method":"tools/list"},{"jsonrpc":"2.0","method":"notifications/x"}]`,
			`2 to_client answers=T1.1/0:tools/list:: agent=/ server=/ marks=[] {"jsonrpc":"2.0","id":7,"result":{"tools":[]}}`,
		}},
		{"what is no JSON, and what is nearly", []said{
			{toClient, "Server started on stdio\n\n   \r\n"},
			{toClient, "{\"jsonrpc\":\"2.0\",\"method\":\"a\xffb\"}\n"},
			{toClient, `{"jsonrpc":"2.0","method":"\ud800x"}` + "\n"},
			{toClient, `{"jsonrpc":"2.0","method":"a","method":"b"}` + "\n"},
			{toClient, "{\"jsonrpc\":\"2.0\"\xff\n"},
			{toClient, `{"v":NaN}` + "\n"},
			{toClient, `17` + "\n"},
			{toClient, `{"jsonrpc":"2.0","method":"unfinish`},
		}, []string{
			`1 to_client agent=/ server=/ marks=[not_json] raw "Server started on stdio"`,
			`2 to_client agent=/ server=/ marks=[invalid_utf8] {"jsonrpc":"2.0","method":"a` + "\uFFFD" + `b"}`,
			`3 to_client agent=/ server=/ marks=[invalid_utf8] {"jsonrpc":"2.0","method":"` + "\uFFFD" + `x"}`,
			`4 to_client agent=/ server=/ marks=[] {"jsonrpc":"2.0","method":"a","method":"b"}`,
			`5 to_client agent=/ server=/ marks=[not_json invalid_utf8] raw "{\"jsonrpc\":\"2.0\"` + "\uFFFD" + `"`,
			`6 to_client agent=/ server=/ marks=[not_json] raw "{\"v\":NaN}"`,
			`7 to_client agent=/ server=/ marks=[] 17`,
			`8 to_client agent=/ server=/ marks=[not_json] raw "{\"jsonrpc\":\"2.0\",\"method\":\"unfinish"`,
		}},
		{"a response that would be too long for its request's arguments keeps its message", []said{
			{toServer, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":"` + strings.Repeat("a", 60_000) + `"}}}` + "\n"},
			{toClient, `{"jsonrpc":"2.0","id":1,"result":{"b":"` + strings.Repeat("b", 1_000_000) + `"}}` + "\n"},
		}, []string{
			`1 to_server agent=/ server=/ marks=[] {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":"` + strings.Repeat("a", 60_000) + `"}}}`,
			`2 to_client answers=T1.1:tools/call:t: agent=/ server=/ marks=[request_arguments_dropped] {"jsonrpc":"2.0","id":1,"result":{"b":"` + strings.Repeat("b", 1_000_000) + `"}}`,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			ob := newObserved(t, 32<<20)
			for _, s := range test.say {
				ob.say(s.way, s.text)
			}
			events := ob.end()
			if len(events) != len(test.want) {
				t.Errorf("%d events, want %d", len(events), len(test.want))
			}
			for i := range min(len(events), len(test.want)) {
				if got := brief(events[i]); got != test.want[i] {
					t.Errorf("event %d\n got %.600s\nwant %.600s", i, got, test.want[i])
				}
			}
		})
	}
}

func TestContextOfAnEvent(t *testing.T) {
	ob := newObserved(t, 1<<20)
	ob.say(toServer, "{}\n")
	e := ob.end()[0]
	got := fmt.Sprintf("%s %s %+v %+v %s %s %+v", e.ID, e.Time.Format(time.RFC3339Nano), e.Agent, e.Server, e.Session, e.Transport, e.Source)
	want := "T1.1 2026-11-22T09:42:12.123456Z {ID:laptop-17/alice Name: Version: Host:laptop-17 User:alice Extra:null} " +
		"{ID:files Name: Version: URL: Command:npx @scope/server /data Extra:null} T1 stdio " +
		"{Format:tap Name: Collector: Instance:T1 Sequence:1 Completeness:[calls arguments results definitions messages session transport agent server.id server.name server.version server.command] Extra:null}"
	if got != want {
		t.Errorf(" got %s\nwant %s", got, want)
	}
}

func TestLongLinesAreCut(t *testing.T) {
	for _, test := range []struct {
		name, text string
		mark       string
		size       int
	}{
		{"longer than an event", `{"x":"` + strings.Repeat("\x00", 2<<20) + `"}`, "truncated:message", 2<<20 + 8},
		{"an event is longer than its message", `{"x":"` + strings.Repeat("y", maxEvent-100) + `"}`, "truncated:message", maxEvent - 92},
		{"no JSON", strings.Repeat("z\xff", 100_000), "truncated:raw", 200_000},
	} {
		t.Run(test.name, func(t *testing.T) {
			ob := newObserved(t, 32<<20)
			ob.say(toClient, test.text+"\n{}\n")
			events := ob.end()
			if len(events) != 2 {
				t.Fatalf("%d events", len(events))
			}
			e := events[0]
			if want := fmt.Sprintf(`{"line_bytes":%d}`, test.size); !e.HasMark(test.mark) || string(e.Extra) != want || e.Message != nil {
				t.Errorf("marks %v, extra %s, want %s and %s", e.Marks, e.Extra, test.mark, want)
			}
			head := strings.ToValidUTF8(test.text[:rawEnd], "\uFFFD")
			tail := strings.ToValidUTF8(test.text[len(test.text)-rawEnd:], "\uFFFD")
			cut := fmt.Sprintf("[… %d bytes left out by the tap …]", test.size-2*rawEnd)
			if !utf8.ValidString(e.Raw) || e.Raw != head+cut+tail {
				t.Errorf("raw has %d bytes, not the two ends and the cut", len(e.Raw))
			}
			if s := ob.o.counters.Snapshot(); s.Truncated != 1 {
				t.Errorf("%d truncations counted", s.Truncated)
			}
		})
	}
}

func TestFullQueueIsDeclared(t *testing.T) {
	ob := newObserved(t, 2*blockBytes)
	ob.say(toServer, `{"id":1,"method":"first"}`+"\n"+`{"cut":`) // 7 bytes of a line that is lost
	ob.say(toServer, strings.Repeat("x", blockBytes-10))         // fills the second block
	ob.say(toServer, strings.Repeat("y", 5000)+"\n")             // lost
	ob.say(toServer, strings.Repeat("z", 3000))                  // lost
	ob.say(toClient, strings.Repeat("w", 2000)+"\n")             // lost, the other direction
	for range 2 {
		b, _ := ob.queue.take()
		ob.o.block(b)
		ob.queue.recycle(b)
	}
	ob.say(toServer, "rest\n"+`{"id":2,"method":"second"}`+"\n")
	var got []string
	for _, e := range ob.end() {
		g := gapIn(t, e)
		got = append(got, fmt.Sprintf("%s %s %s %d", e.ID, e.Direction, g.Reason, g.Bytes))
	}
	want := []string{
		"T1.1 to_server  0",
		fmt.Sprintf("T1.2 to_server queue_full %d", 7+blockBytes-10+5001+3000+4),
		"T1.3 to_server  0",
		"T1.4 to_client queue_full 2001",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf(" got %q\nwant %q", got, want)
	}
	if s := ob.o.counters.Snapshot(); s.QueueLost != 7+blockBytes-10+5001+3000+4+2001 || s.Gaps != 2 {
		t.Errorf("stats %+v", s)
	}
}

func TestQueueIsBoundedByChunksToo(t *testing.T) {
	q := newQueue(2 * blockBytes)
	var s stream
	for range 3 * blockChunks {
		q.put(&s, []byte{'x'}, time.Time{})
	}
	if s.lost != blockChunks {
		t.Errorf("%d bytes lost, want %d: a block holds %d chunks", s.lost, blockChunks, blockChunks)
	}
}

func TestFaultCostsOneLine(t *testing.T) {
	ob := newObserved(t, 1<<20)
	ob.o.pairer = nil // makes any request a fault
	ob.say(toServer, `{"id":1,"method":"x"}`+"\n")
	ob.say(toServer, "no JSON\n")
	events := ob.end()
	if len(events) != 2 || events[0].ID != "T1.2" {
		t.Fatalf("%d events", len(events))
	}
	if g := gapIn(t, events[1]); g.Reason != GapFault || g.First != 1 || g.Last != 1 {
		t.Errorf("gap %+v", g)
	}
	checkWhole(t, events, "T1")
}
