package tap

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/mcpwatch/mcpwatch/event"
)

// TestLegacySSE has answers come on the stream, and posts at the URL that the stream names.
func TestLegacySSE(t *testing.T) {
	c := newCollector(t)
	answers := make(chan string)
	f := startProxy(t, httpOptions(t, c), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, "Accepted")
			return
		}
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = io.WriteString(w, "event: endpoint\r\ndata: messages/?session_id=7f\r\n\r\n")
		_ = http.NewResponseController(w).Flush()
		for a := range answers {
			_, _ = io.WriteString(w, "event: message\r\ndata: "+a+"\r\n\r\n")
			_ = http.NewResponseController(w).Flush()
		}
	}), nil)
	stream, err := f.client.Get(f.url + "/sse/")
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, len("event: endpoint"))
	_, _ = io.ReadFull(stream.Body, first)
	f.say("POST", "/sse/messages/?session_id=7f", initialize)
	answers <- initialized
	f.say("POST", "/sse/messages/?session_id=7f", callRead)
	answers <- callDone
	close(answers)
	_, _ = io.ReadAll(stream.Body)
	_ = stream.Body.Close()
	f.end()
	compare(t, c.events(), []string{
		`1 to_server sse POST 0 session="T1-1" agent=agent server= marks=[] ` + initialize,
		`2 to_client sse GET 200 session="T1-1" agent=agent server=toy answers=T1.1:initialize:: marks=[] ` + initialized,
		`3 to_server sse POST 0 session="T1-1" agent=agent server=toy marks=[] ` + callRead,
		`4 to_client sse GET 200 session="T1-1" agent=agent server=toy answers=T1.3:tools/call:read:{"path":"/etc/hosts"} marks=[] ` + callDone,
	})
}

// TestEncodedBodies are observed as their reader sees them, while they come.
func TestEncodedBodies(t *testing.T) {
	stream := "data: " + callDone + "\n\n"
	encoded := map[string][]byte{"made-up": []byte("?"), "": []byte(stream)}
	var z, b, s bytes.Buffer
	gz, br := gzip.NewWriter(&z), brotli.NewWriter(&b)
	zs, err := zstd.NewWriter(&s)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []interface {
		io.Writer
		Flush() error
	}{gz, br, zs} { // not closed: what is flushed must be seen
		_, _ = io.WriteString(w, stream)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	encoded["gzip"], encoded["br"], encoded["zstd"] = z.Bytes(), b.Bytes(), s.Bytes()
	_ = zs.Close()
	for name, bytes := range encoded {
		t.Run("encoding "+name, func(t *testing.T) {
			c := newCollector(t)
			release := make(chan struct{})
			f := startProxy(t, httpOptions(t, c), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				w.Header().Set("Content-Encoding", name)
				_, _ = w.Write(bytes)
				_ = http.NewResponseController(w).Flush()
				<-release
			}), nil)
			response, err := f.client.Get(f.url + "/mcp")
			if err != nil {
				t.Fatal(err)
			}
			c.until("the frame, while the stream is open", func() bool { return len(c.taken) == 1 })
			close(release)
			_, _ = io.ReadAll(response.Body)
			_ = response.Body.Close()
			f.end()
			want := "1 to_client http GET 200 session=\"\" agent= server= marks=[unpaired:no_request] " + callDone
			if name == "made-up" {
				want = `1 to_client http GET 200 session="" agent= server= marks=[body_unread:encoding] `
			}
			compare(t, c.events(), []string{want})
		})
	}
}

func TestBombsAreNotDecoded(t *testing.T) {
	var b bytes.Buffer
	w := brotli.NewWriter(&b)
	for range 100 {
		_, _ = w.Write(make([]byte, 1<<20))
	}
	_ = w.Close()
	d, err := newDecoder("br")
	if err != nil {
		t.Fatal(err)
	}
	defer d.stop()
	n := 0
	if err := d.feed(b.Bytes(), func(p []byte) { n += len(p) }); err == nil || reasonOf(err) != "bomb" || n > freeOutput+maxRatio*b.Len() {
		t.Errorf("%d bytes became %d: %v", b.Len(), n, err)
	}
}

func TestHeadersAgainstTheBody(t *testing.T) {
	const tools = `{"jsonrpc":"2.0","id":9,"result":{"tools":[{"name":"read","inputSchema":{"type":"object","properties":{` +
		`"path":{"type":"string","x-mcp-header":"Path"},"at":{"type":"object","properties":{"line":{"type":"integer","x-mcp-header":"Line"}}}}}}]}}`
	c := newCollector(t)
	f := startProxy(t, httpOptions(t, c), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, tools)
	}), nil)
	f.say("POST", "/mcp", `{"jsonrpc":"2.0","id":9,"method":"tools/list"}`)
	call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"path":"/é","at":{"line":3}},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`
	encoded := "=?base64?" + base64.StdEncoding.EncodeToString([]byte("/é")) + "?="
	good := []string{"Mcp-Method", "tools/call", "Mcp-Name", "read", "Mcp-Protocol-Version", "2026-07-28", "Mcp-Param-Path", encoded, "Mcp-Param-Line", "3"}
	cases := []struct {
		headers []string
		want    string
	}{
		{good, "[]"},
		{nil, "[]"},
		{[]string{"Mcp-Method", "tools/list"}, "[header_mismatch:mcp-method]"},
		{[]string{"Mcp-Name", "write"}, "[header_mismatch:mcp-name]"},
		{[]string{"Mcp-Name", ""}, "[header_mismatch:mcp-name]"},
		{[]string{"Mcp-Protocol-Version", "2025-11-25"}, "[header_mismatch:mcp-protocol-version]"},
		{[]string{"Mcp-Param-Path", "=?base64?L2V0Yw==?="}, "[header_mismatch:mcp-param-path]"},
		{[]string{"Mcp-Param-Path", "=?base64?!?="}, "[header_mismatch:mcp-param-path]"},
		{[]string{"Mcp-Param-Line", "4"}, "[header_mismatch:mcp-param-line]"},
		{[]string{"Mcp-Param-Line", "3.0"}, "[]"},
	}
	for i, test := range cases {
		headers := test.headers
		if i > 1 {
			headers = append(append([]string{}, good...), test.headers...)
		}
		f.say("POST", "/mcp", call, headers...)
	}
	f.end()
	i := 0
	for _, e := range c.events() {
		if e.Direction != event.ToServer || !strings.Contains(string(e.Message), "tools/call") {
			continue
		}
		if got := fmt.Sprint(e.Marks); got != cases[i].want {
			t.Errorf("headers %v: marks %s, want %s", cases[i].headers, got, cases[i].want)
		}
		i++
	}
	if i != len(cases) {
		t.Errorf("%d calls, want %d", i, len(cases))
	}
}

func TestWhoSends(t *testing.T) {
	claims := `{"sub":"alice","iss":"https://id.example","aud":["mcp","x"],"azp":"cli","scope":"read write","iat":1700000000,"exp":1700003600,"act":{"sub":"agent","act":{"sub":"scheduler"}}}`
	jwt := "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	c := newCollector(t)
	f := startProxy(t, httpOptions(t, c), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Www-Authenticate", `Bearer error="invalid_token"`)
		w.WriteHeader(http.StatusUnauthorized)
	}), nil)
	f.say("POST", "/mcp", callRead, "Authorization", "Bearer "+jwt, "Cookie", "planted-cookie", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.say("POST", "/mcp", callRead, "Authorization", "Bearer planted-token")
	f.say("POST", "/token", `{"client_secret":"planted-secret"}`, "Accept", "application/json")
	f.end()
	events := c.events()
	if len(events) != 5 {
		t.Fatalf("%d events", len(events))
	}
	e := events[0]
	e.Accept(event.Origin{Tenant: "t", Source: "s", Address: "192.0.2.7", Principals: true}, time.Now(), nil, 0)
	p := fmt.Sprint(e.Principal.Subject, e.Principal.Issuer, e.Principal.ClientID, e.Principal.Audience, e.Principal.Scopes, e.Principal.Chain, e.Principal.Issued.Unix(), e.Principal.Expires.Unix())
	if want := "alicehttps://id.examplecli" + "mcp x[read write] [agent scheduler] 1700000000 1700003600"; p != want {
		t.Errorf(" got %s\nwant %s", p, want)
	}
	if !strings.HasPrefix(e.Actor, "user:") || !e.HasMark(event.MarkPrincipalClaimed) || e.Trace != "0af7651916cd43dd8448eb211c80319c" || e.HTTP.ClientIP != "127.0.0.1" {
		t.Errorf("actor %q, marks %v, trace %q, client %q", e.Actor, e.Marks, e.Trace, e.HTTP.ClientIP)
	}
	if last := events[1]; last.HTTP.Status != 401 || last.HTTP.Headers["www-authenticate"] == "" || last.Request == nil || last.Message != nil {
		t.Errorf("the refusal is %s", glance(last))
	}
	if len(events[2].Principal.Token) != len("sha256:")+64 || events[2].Principal.Subject != "" {
		t.Errorf("principal %+v", events[2].Principal)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, lines := range c.lines {
		if strings.Contains(lines[0], "planted") {
			t.Errorf("event %s has a secret: %s", id, lines[0])
		}
	}
}

// TestHostsOfOthersStay is what a server sees of a page whose name was made to resolve to the proxy.
func TestHostsOfOthersStay(t *testing.T) {
	c := newCollector(t)
	hosts := make(chan string, 1)
	upstream := ""
	f := startProxy(t, httpOptions(t, c), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { hosts <- r.Host }), func(p *Proxy) {
		upstream = p.Upstream.Host
		p.Hosts = []string{"tap.example"}
	})
	for host, want := range map[string]string{
		"": upstream, "localhost:1": upstream, "[::1]": upstream, "[::1]:7": upstream, "tap.example": upstream, "evil.example:80": "evil.example:80",
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+"/mcp", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		response, err := f.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if got := <-hosts; got != want {
			t.Errorf("host %q is %q to the server, want %q", host, got, want)
		}
	}
	f.end()
}
