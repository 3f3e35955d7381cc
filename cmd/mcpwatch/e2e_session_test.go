package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpwatch/mcpwatch/event"
)

// session is an MCP client's session with a server under the tap. What passes is recorded
// at the client's end of the pipes, byte for byte: what the tap ships is held against it.
type session struct {
	*mcp.ClientSession
	server             string
	cmd                *exec.Cmd
	toServer, toClient buffer
	pumped             chan struct{}
}

// startSession runs a server under the tap and connects to it.
func startSession(t *testing.T, data, server string, command ...string) *session {
	t.Helper()
	s := &session{server: server, pumped: make(chan struct{})}
	s.cmd = productCommand(t, nil, append([]string{"tap", "--data", data, "--server", server, "--"}, command...)...)
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr buffer
	s.cmd.Stderr = &stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reader, writer := io.Pipe()
	go func() { // goes on to the server's last byte, whether or not the client still reads
		defer close(s.pumped)
		chunk := make([]byte, 64<<10)
		for {
			n, err := stdout.Read(chunk)
			_, _ = s.toClient.Write(chunk[:n])
			_, _ = writer.Write(chunk[:n])
			if err != nil {
				_ = writer.Close()
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		_ = reader.Close()
		<-s.pumped
		if t.Failed() {
			t.Logf("%s wrote to standard error:\n%s", server, stderr.String())
		}
	})
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1.0.0"}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s.ClientSession, err = client.Connect(ctx, &mcp.IOTransport{
		Reader: reader, Writer: recordingWriter{stdin, &s.toServer},
	}, nil)
	if err != nil {
		t.Fatalf("connecting to %s: %v", server, err)
	}
	return s
}

type recordingWriter struct {
	io.WriteCloser
	record *buffer
}

// Write records what the pipe took.
func (w recordingWriter) Write(p []byte) (int, error) {
	n, err := w.WriteCloser.Write(p)
	_, _ = w.record.Write(p[:n])
	return n, err
}

// end closes the session as the specification says: the server sees the end of its input.
func (s *session) end(t *testing.T) {
	t.Helper()
	_ = s.Close()
	select {
	case <-s.pumped:
	case <-time.After(patience):
		t.Fatalf("%s does not end", s.server)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("%s under the tap: %v", s.server, err)
	}
	nothingLeft(t, s.cmd.Process.Pid)
}

// call calls a tool and returns the text of its answer.
func (s *session) call(t *testing.T, tool string, arguments map[string]any) (text string, failed bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	result, err := s.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		t.Errorf("calling %s at %s: %v", tool, s.server, err)
		return "", true
	}
	for _, c := range result.Content {
		if part, ok := c.(*mcp.TextContent); ok {
			text += part.Text
		}
	}
	return text, result.IsError
}

// message is what a test reads of a JSON-RPC message.
type message struct {
	ID     jsontext.Value `json:"id"`
	Method string         `json:"method"`
	Params struct {
		Name string `json:"name"`
	} `json:"params"`
}

// recorded are the messages of one direction in canonical form, in their order.
func recorded(t *testing.T, b *buffer) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(b.String()) {
		out = append(out, canonical(t, line))
	}
	return out
}

// canonical is a form that two JSON texts share where they mean the same.
func canonical(t *testing.T, text string) string {
	t.Helper()
	v := jsontext.Value(bytes.Clone([]byte(text)))
	if err := v.Canonicalize(); err != nil {
		t.Fatalf("%.200q: %v", text, err)
	}
	return string(v)
}

// landed waits until `events` holds as many messages of the session as passed.
func (s *session) landed(t *testing.T, store driver.Conn) {
	t.Helper()
	eventually(t, "the arrival of the messages of "+s.server, func() (bool, string) {
		want := strings.Count(s.toServer.String(), "\n") + strings.Count(s.toClient.String(), "\n")
		got, err := value[uint64](t, store, "SELECT count() FROM events WHERE server_id = ?", s.server)
		return err == nil && got >= uint64(want), fmt.Sprintf("%d of %d have (%v)", got, want, err)
	})
}

type eventRow struct {
	ID           string `ch:"event_id"`
	Session      string `ch:"session"`
	Direction    string `ch:"direction"`
	Kind         string `ch:"kind"`
	Method       string `ch:"method"`
	Tool         string `ch:"tool"`
	RPCID        string `ch:"rpc_id"`
	RequestEvent string `ch:"request_event"`
	Sequence     uint64 `ch:"tap_sequence"`
	Message      string `ch:"message"`
}

// verify demands that `events` holds every message of the session exactly once, in order,
// and that each answer bears its request's method and tool.
func (s *session) verify(t *testing.T, store driver.Conn) {
	t.Helper()
	rows := query[eventRow](t, store, `SELECT event_id, session, direction, kind, method, tool, rpc_id, request_event, tap_sequence, message
		FROM events WHERE server_id = ? ORDER BY tap_sequence`, s.server)
	got := map[string][]string{}
	requests := map[string]eventRow{} // by direction and id
	ids, sessions := map[string]bool{}, map[string]bool{}
	for i, r := range rows {
		if ids[r.ID] {
			t.Errorf("%s: event %s is there twice", s.server, r.ID)
		}
		if r.Sequence != uint64(i+1) {
			t.Errorf("%s: row %d has the tap's number %d", s.server, i, r.Sequence)
		}
		ids[r.ID], sessions[r.Session] = true, true
		got[r.Direction] = append(got[r.Direction], canonical(t, r.Message))
		if r.Kind == string(event.KindRequest) {
			requests[r.Direction+r.RPCID] = r
		}
	}
	if len(sessions) != 1 {
		t.Errorf("%s: %d sessions, want 1", s.server, len(sessions))
	}
	for direction, record := range map[event.Direction]*buffer{event.ToServer: &s.toServer, event.ToClient: &s.toClient} {
		same(t, s.server+" "+string(direction), got[string(direction)], recorded(t, record))
	}
	for _, r := range rows {
		if r.Kind != string(event.KindResponse) && r.Kind != string(event.KindError) {
			continue
		}
		request, known := requests[string(event.Direction(r.Direction).Opposite())+r.RPCID]
		if !known || r.RequestEvent != request.ID || r.Method != request.Method || r.Tool != request.Tool {
			t.Errorf("%s: the answer %s bears method %q, tool %q and request %q, want those of %+v", s.server, r.ID, r.Method, r.Tool, r.RequestEvent, request)
		}
		var m message
		if err := json.Unmarshal([]byte(request.Message), &m); err != nil || m.Method != r.Method || (m.Method == "tools/call") != (r.Tool != "") || r.Tool != "" && m.Params.Name != r.Tool {
			t.Errorf("%s: the answer %s bears method %q and tool %q; its request is %s (%v)", s.server, r.ID, r.Method, r.Tool, request.Message, err)
		}
	}
}

// same compares two lists and names what is missing or too much.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	times := map[string]int{}
	for _, m := range want {
		times[m]++
	}
	for _, m := range got {
		times[m]--
	}
	ordered := true
	for m, n := range times {
		switch {
		case n > 0:
			t.Errorf("%s: missing %d times: %.300s", what, n, m)
		case n < 0:
			t.Errorf("%s: too much, %d times: %.300s", what, -n, m)
		}
		ordered = ordered && n == 0
	}
	if ordered {
		t.Errorf("%s: all is there, in another order", what)
	}
}

// unique demands that no id is in a table's view twice, and returns how many there are.
func unique(t *testing.T, store driver.Conn, view, id string) uint64 {
	t.Helper()
	type counts struct {
		Rows uint64 `ch:"n"`
		IDs  uint64 `ch:"ids"`
	}
	c := query[counts](t, store, fmt.Sprintf("SELECT count() AS n, uniqExact(%s) AS ids FROM %s", id, view))[0]
	if c.Rows != c.IDs {
		t.Errorf("%s holds %d rows with %d ids", view, c.Rows, c.IDs)
	}
	return c.Rows
}

// shipped waits until no tap has left anything in its spool. A tap that ended before all
// was shipped leaves the rest to the next one.
func shipped(t *testing.T, data string) {
	t.Helper()
	left := func() []string {
		dirs, err := filepath.Glob(filepath.Join(data, spoolDir, "*", "*", lockFile))
		if err != nil {
			t.Fatal(err)
		}
		return dirs
	}
	if len(left()) == 0 {
		return
	}
	next := productCommand(t, nil, "tap", "--data", data, "--server", "none", "--", "cat")
	stdin, err := next.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the shipping of what taps left", func() (bool, string) { return len(left()) == 0, fmt.Sprint(left()) })
	_ = stdin.Close()
	if err := next.Wait(); err != nil {
		t.Error(err)
	}
}

// realServers is where the MCP servers from their registries lie.
func realServers(t *testing.T) (filesystem, everything string) {
	t.Helper()
	out, err := exec.Command("testdata/servers/install.sh").Output()
	if err != nil {
		t.Fatalf("the real MCP servers are not there: run `make servers`, which needs Node.js 20 or newer with npm: %v\n%s", err, stderrOf(err))
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatalf("node is missing: install Node.js 20 or newer with npm: %v", err)
	}
	at := func(name string) string {
		return filepath.Join(strings.TrimSpace(string(out)), "node_modules/@modelcontextprotocol", name, "dist/index.js")
	}
	return at("server-filesystem"), at("server-everything")
}

func stderrOf(err error) []byte {
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Output returns it as it is
		return exit.Stderr
	}
	return nil
}
