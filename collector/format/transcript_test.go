package format_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/event"
)

// messages gives the messages of a file whose format is not named, and fails where a record of it
// is refused.
func messages(t *testing.T, in string) (all []string) {
	t.Helper()
	r := format.NewReader("", event.DefaultLimits())
	err := format.Cut(strings.NewReader(in), "", func(record []byte) error {
		events, err := r.Read(bytes.Clone(record))
		for i := range events {
			all = append(all, fmt.Sprintf("%s %s%s", events[i].Direction, events[i].Message, events[i].Raw))
		}
		return err
	}, func(reason string) error { return errors.New(reason) })
	if err != nil {
		t.Errorf("%q: %v", in, err)
	}
	return all
}

// TestATextInAMessageBeginsNoRecord puts hostile texts into a message, as JSON writes them.
func TestATextInAMessageBeginsNoRecord(t *testing.T) {
	text := hostile(t)
	for _, words := range []string{
		"2026-11-25T09:00:00Z [info] [s] Message from client: ", "2026-11-25 09:00:00.000 [info] [editor -> server] ", "→ ", "client: ", "data: ",
	} {
		rapid.Check(t, func(rt *rapid.T) {
			message, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": text.Draw(rt, "method"), "params": map[string]string{"a": text.Draw(rt, "text")}})
			if err != nil {
				rt.Fatal(err)
			}
			got := messages(t, words+string(message)+"\n"+words+string(message)+"\n")
			if len(got) != 2 || !strings.HasSuffix(got[0], " "+string(message)) || got[1] != got[0] {
				rt.Fatalf("%s became %q", message, got)
			}
		})
	}
}

func TestFramedMessagesAreReadWithoutTheirFrames(t *testing.T) {
	var in strings.Builder
	const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"}Content-Length: 5"}}`
	for range 3 {
		fmt.Fprintf(&in, "Content-Length: %d\r\n\r\n%s", len(body), body)
	}
	got := messages(t, in.String())
	if len(got) != 3 || got[0] != "to_server "+body || got[2] != got[0] {
		t.Errorf("%q", got)
	}
}

// TestWhatAServerWritesOfItsOwnIsNoRecord: it stands in the host's log between the host's lines.
func TestWhatAServerWritesOfItsOwnIsNoRecord(t *testing.T) {
	for _, line := range []string{
		`2026-11-25T09:00:00Z [info] [s] Message from client: `,
		`2026-11-25T09:00:00Z [s] [info] Message from client: `,
		`2026-11-25 09:00:00.000 [info] [editor -> server] `,
		`2026-11-25 09:00:00.000 [trace] [Client Says] `,
	} {
		const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
		got := messages(t, "starting\n"+line+ping+"\n"+ping+"\n[1,2]\n{\"a\":\n → x\n"+strings.Repeat("x", 2<<20)+"\n"+line+ping)
		if strings.Join(got, "; ") != "to_server "+ping+"; to_server "+ping {
			t.Errorf("%s: %.500q", line, got)
		}
	}
}

func TestAStreamOfEventsMayBeOneRecord(t *testing.T) {
	const stream = "event: ping\ndata: ping\n\nevent: message\nid: 1\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\"result\":{}}\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"m\"}"
	events, err := format.NewReader(format.JSONRPCText, event.DefaultLimits()).Read([]byte(stream))
	if err != nil || len(events) != 2 || events[0].Direction != event.ToClient || events[1].Direction != event.ToServer {
		t.Errorf("%+v, %v", events, err)
	}
}

func TestProseAndCodeAreNoTranscript(t *testing.T) {
	for _, in := range []string{
		`client {`, `the server {see above}`, `x := client{"a": 1}`, `"client: {\"a\":1}"`, `request = {"a":1}`, `resent {"a":1}`,
		`if a > b { "c" }`, `data`, `data: text`, `Content-Length: `, `Content-Length: 5x`, `() => {`, `[{"a":1}] → x`,
	} {
		if f, err := format.Detect([]byte(in)); err == nil && f == format.JSONRPCText {
			t.Errorf("%s is taken for a transcript", in)
		}
	}
}

func TestATextThatWasCutShortIsMarked(t *testing.T) {
	for text, want := range map[string]bool{
		"a...[1 chars truncated]...b": true, "...[1 chars truncated]": false, "...[ chars truncated]...": false,
		"[1 chars truncated]...": false, "x chars truncated]... ...[22 chars truncated]...": true, "": false,
	} {
		line := fmt.Sprintf(`2026-11-25T09:00:00Z [info] Message from client: {"jsonrpc":"2.0","method":%q}`, "m"+text)
		e, err := read(format.ClaudeDesktop, []byte(line), event.DefaultLimits())
		if got := e.HasMark("truncated:message"); err != nil || got != want {
			t.Errorf("%q: marked %t, %v", text, got, err)
		}
	}
}
