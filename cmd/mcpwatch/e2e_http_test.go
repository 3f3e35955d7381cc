package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// background runs a command until the test ends, and returns when an address answers.
func background(t *testing.T, cmd *exec.Cmd, address string) {
	t.Helper()
	var stderr buffer
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%v wrote to standard error:\n%s", cmd.Args, stderr.String())
		}
	})
	eventually(t, "an answer at "+address, func() (bool, string) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return false, err.Error()
		}
		_ = conn.Close()
		return true, ""
	})
}

// TestAProxyBeforeRealServers has real clients talk to a real server, over each of its transports,
// through the tap.
func TestAProxyBeforeRealServers(t *testing.T) {
	_, everything := realServers(t)
	data := t.TempDir()
	u := startUp(t, data, smallRules(t)...)
	for _, test := range []struct {
		mode, path string
		transport  func(endpoint string) mcp.Transport
	}{
		{"streamableHttp", "/mcp", func(endpoint string) mcp.Transport { return &mcp.StreamableClientTransport{Endpoint: endpoint} }},
		{"sse", "/sse", func(endpoint string) mcp.Transport { return &mcp.SSEClientTransport{Endpoint: endpoint} }},
	} {
		t.Run(test.mode, func(t *testing.T) {
			upstream, front := freeAddress(t), freeAddress(t)
			_, port, err := net.SplitHostPort(upstream)
			if err != nil {
				t.Fatal(err)
			}
			server := exec.Command("node", everything, test.mode)
			server.Env = append(os.Environ(), "PORT="+port)
			background(t, server, upstream)
			tap := productCommand(t, nil, "tap", "--data", data, "--server", test.mode, "--listen", front, "--upstream", "http://"+upstream+test.path)
			background(t, tap, front)

			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1.0.0"}, nil)
			session, err := client.Connect(ctx, test.transport("http://"+front+test.path), nil)
			if err != nil {
				t.Fatal(err)
			}
			const calls = 20
			for i := range calls {
				text := fmt.Sprintf("echo %d", i)
				result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"message": text}})
				if err != nil {
					t.Fatal(err)
				}
				if got := result.Content[0].(*mcp.TextContent).Text; got != "Echo: "+text {
					t.Errorf("got %q", got)
				}
			}
			_ = session.Close()
			eventually(t, "all calls and their answers", func() (bool, string) {
				n, err := value[uint64](t, u.store, `SELECT count() FROM events AS answer INNER JOIN events AS call ON answer.request_event = call.event_id
					WHERE answer.server_id = ? AND call.tool = 'echo' AND answer.tool = 'echo' AND answer.session = call.session AND answer.session != ''
					AND answer.agent_name = 'e2e' AND call.kind = 'request' AND answer.kind = 'response'`, test.mode)
				return err == nil && n == calls, fmt.Sprintf("%d of %d (%v)", n, calls, err)
			})
			if err := tap.Process.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
		})
	}
	unique(t, u.store, "events", "event_id")
	u.stop(t)
}
