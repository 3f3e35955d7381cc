package tap

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/event"
)

// front is a proxy in this process.
type front struct {
	t      testing.TB
	url    string
	stop   context.CancelFunc
	ended  chan error
	client *http.Client
}

// startProxy runs a proxy before a server that a handler plays.
func startProxy(t testing.TB, o Options, server http.Handler, change func(*Proxy)) *front {
	t.Helper()
	upstream := httptest.NewServer(server)
	t.Cleanup(upstream.Close)
	return startProxyTo(t, o, upstream.URL+"/mcp", change)
}

func startProxyTo(t testing.TB, o Options, upstream string, change func(*Proxy)) *front {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	p := Proxy{Listener: listener, Upstream: u}
	if change != nil {
		change(&p)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f := &front{t: t, url: "http://" + listener.Addr().String(), stop: cancel, ended: make(chan error, 1), client: &http.Client{Transport: &http.Transport{DisableCompression: true}}}
	go func() { f.ended <- Serve(ctx, o, p) }()
	t.Cleanup(func() { cancel(); f.client.CloseIdleConnections() })
	return f
}

// end stops the proxy, which ships all it has.
func (f *front) end() {
	f.t.Helper()
	f.client.CloseIdleConnections()
	f.stop()
	if err := <-f.ended; err != nil {
		f.t.Error(err)
	}
}

// say sends a request and reads the answer to its end.
func (f *front) say(method, path, body string, headers ...string) (status int, protocol, text string) {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := f.client.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return response.StatusCode, response.Proto, string(answer)
}

// httpOptions are those of a test's proxy; the agents are nobody's.
func httpOptions(t testing.TB, c *collector) Options {
	o := options(t, "echo")
	o.Command, o.Env, o.Stdin, o.Stdout = nil, nil, nil, nil
	o.Agent = event.Agent{}
	o.Target = c.target
	return o
}

// glance is what the tests below compare.
func glance(e event.Event) string {
	answers := ""
	if r := e.Request; r != nil {
		answers = fmt.Sprintf(" answers=%s:%s:%s:%s", r.Event, r.Method, r.Name, string(r.Arguments))
	}
	text := string(e.Message)
	if e.Raw != "" {
		text = fmt.Sprintf("raw %q", e.Raw)
	}
	return fmt.Sprintf("%d %s %s %s %d session=%q agent=%s server=%s%s marks=%v %s", e.Source.Sequence, e.Direction, e.Transport, e.HTTP.Method,
		e.HTTP.Status, e.Session, e.Agent.Name, e.Server.Name, answers, e.Marks, text)
}

func compare(t *testing.T, events []event.Event, want []string) {
	t.Helper()
	slices.SortFunc(events, func(a, b event.Event) int { return int(int64(a.Source.Sequence) - int64(b.Source.Sequence)) })
	for i := range max(len(events), len(want)) {
		got, wanted := "nothing", "nothing"
		if i < len(events) {
			got = glance(events[i])
		}
		if i < len(want) {
			wanted = want[i]
		}
		if got != wanted {
			t.Errorf("event %d\n got %.600s\nwant %.600s", i, got, wanted)
		}
	}
	checkWhole(t, events, "T1")
}

const (
	initialize  = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","clientInfo":{"name":"agent","version":"2"}}}`
	initialized = `{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","serverInfo":{"name":"toy","version":"1"}}}`
	callRead    = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"path":"/etc/hosts"}}}`
	callDone    = `{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`
)

func TestStreamableHTTP(t *testing.T) {
	c := newCollector(t)
	streams := map[string]string{
		"": "id: 1\ndata:\n\n: a comment\nevent: message\nid: 2\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"s\",\ndata: \"method\":\"sampling/createMessage\"}\n\n",
		"2": "id: 2\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"s\",\ndata: \"method\":\"sampling/createMessage\"}\n\n" +
			"id: 3\r\ndata: " + callDone + "\r\n\r\n",
	}
	f := startProxy(t, httpOptions(t, c), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		case r.Header.Get("Mcp-Session-Id") == "gone":
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "no such session")
		case string(body) == initialize:
			w.Header().Set("Mcp-Session-Id", "s1")
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, initialized)
		case r.Method == http.MethodGet || string(body) == callRead:
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, streams[r.Header.Get("Last-Event-Id")])
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	}), nil)
	session := []string{"Mcp-Session-Id", "s1"}
	f.say("POST", "/mcp", initialize)
	f.say("POST", "/mcp", callRead, session...)
	f.say("POST", "/mcp", `{"jsonrpc":"2.0","id":"s","result":{"role":"assistant"}}`, session...)
	f.say("GET", "/mcp", "", append(session, "Last-Event-Id", "2")...)
	f.say("POST", "/mcp", `{"jsonrpc":"2.0","method":"notifications/x"}`, session...)
	f.say("DELETE", "/mcp", "", session...)
	f.say("POST", "/mcp", callRead, "Mcp-Session-Id", "gone")
	f.end()
	const sampling = "{\"jsonrpc\":\"2.0\",\"id\":\"s\",\n\"method\":\"sampling/createMessage\"}"
	compact := strings.ReplaceAll(sampling, "\n", "")
	compare(t, c.events(), []string{
		`1 to_server http POST 0 session="" agent=agent server= marks=[] ` + initialize,
		`2 to_client http POST 200 session="s1" agent=agent server=toy answers=T1.1:initialize:: marks=[] ` + initialized,
		`3 to_server http POST 0 session="s1" agent=agent server=toy marks=[] ` + callRead,
		`4 to_client http POST 200 session="s1" agent=agent server=toy marks=[] ` + compact,
		`5 to_server http POST 0 session="s1" agent=agent server=toy answers=T1.4:sampling/createMessage:: marks=[] {"jsonrpc":"2.0","id":"s","result":{"role":"assistant"}}`,
		`6 to_client http GET 200 session="s1" agent=agent server=toy marks=[replayed] ` + compact,
		`7 to_client http GET 200 session="s1" agent=agent server=toy answers=T1.3:tools/call:read:{"path":"/etc/hosts"} marks=[] ` + callDone,
		`8 to_server http POST 0 session="s1" agent=agent server=toy marks=[] {"jsonrpc":"2.0","method":"notifications/x"}`,
		`9 to_client http DELETE 204 session="s1" agent=agent server=toy marks=[] `,
		`10 to_server http POST 0 session="gone" agent= server=toy marks=[] ` + callRead,
		`11 to_client http POST 404 session="gone" agent= server=toy answers=T1.10:tools/call:read: marks=[not_json] raw "no such session"`,
	})
}
