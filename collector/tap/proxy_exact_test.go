package tap

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// recordedRequest is what a server saw of a request.
type recordedRequest struct {
	Method, URI, Host string
	Header, Trailer   http.Header
	Body              []byte
}

// script is what a server answers.
type script struct {
	status  int
	header  http.Header
	chunks  [][]byte
	trailer http.Header
	early   bool // 103 before it
}

// player is a server that answers by a script and keeps what it was asked.
type player struct {
	mu     sync.Mutex
	script script
	got    recordedRequest
}

func (p *player) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = recordedRequest{r.Method, r.RequestURI, r.Host, r.Header.Clone(), r.Trailer.Clone(), body}
	if p.script.early {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
	}
	maps.Copy(w.Header(), p.script.header)
	for name := range p.script.trailer {
		w.Header().Add("Trailer", name)
	}
	if _, ok := p.script.header["Content-Type"]; !ok {
		w.Header()["Content-Type"] = nil
	}
	w.Header()["Date"] = nil
	w.WriteHeader(p.script.status)
	for _, chunk := range p.script.chunks {
		_, _ = w.Write(chunk)
		_ = http.NewResponseController(w).Flush()
	}
	maps.Copy(w.Header(), p.script.trailer)
}

// TestBodiesAndHeadersAreExact sends random exchanges with and without the proxy: both ends must see
// the same.
func TestBodiesAndHeadersAreExact(t *testing.T) {
	p := new(player)
	server := httptest.NewServer(p)
	defer server.Close()
	c := newCollector(t)
	f := startProxyTo(t, httpOptions(t, c), server.URL, nil)
	name := rapid.StringMatching(`X-[A-Z][a-z0-9]{0,8}`)
	value := rapid.StringMatching(`[!-~]([ -~]{0,40}[!-~])?`)
	headers := func(t *rapid.T, label string) http.Header {
		h := http.Header{}
		for range rapid.IntRange(0, 4).Draw(t, label) {
			h.Add(name.Draw(t, label+" name"), value.Draw(t, label+" value"))
		}
		return h
	}
	chunks := rapid.SliceOfN(rapid.OneOf(
		rapid.SliceOfN(rapid.Byte(), 1, 300),
		rapid.Map(rapid.IntRange(1, 100_000), func(n int) []byte { return bytes.Repeat([]byte{'x'}, n) }),
		rapid.SampledFrom([][]byte{[]byte("data: "), {'\n'}, {'\r'}, []byte(callRead), []byte("id: 7\n"), {0xff}}),
	), 0, 8)
	rapid.Check(t, func(t *rapid.T) {
		p.script = script{
			status: rapid.SampledFrom([]int{200, 202, 204, 400, 401, 404, 500}).Draw(t, "status"),
			header: headers(t, "answer"), early: rapid.Bool().Draw(t, "early"),
		}
		if kind := rapid.SampledFrom([]string{"", "application/json", "text/event-stream", "text/html"}).Draw(t, "kind"); kind != "" {
			p.script.header.Set("Content-Type", kind)
		}
		if encoding := rapid.SampledFrom([]string{"", "", "gzip", "br", "zstd", "made-up"}).Draw(t, "encoding"); encoding != "" {
			p.script.header.Set("Content-Encoding", encoding) // a lie
		}
		if p.script.status != http.StatusNoContent {
			p.script.chunks = chunks.Draw(t, "answer body")
			if rapid.Bool().Draw(t, "trailer") {
				p.script.trailer = http.Header{"X-Sum": {value.Draw(t, "sum")}}
			}
		}
		method := rapid.SampledFrom([]string{"POST", "GET", "DELETE", "PUT"}).Draw(t, "method")
		uri := rapid.SampledFrom([]string{"/mcp", "/", "/a%2Fb?x=%zz;y&z", "/messages/?session_id=1", "/%E2%82%AC//double/../x"}).Draw(t, "uri")
		sent := headers(t, "request")
		body := chunks.Draw(t, "request body")
		sized := rapid.Bool().Draw(t, "sized")
		one := func(url string) (recordedRequest, string) {
			request, err := http.NewRequest(method, url+uri, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header = sent.Clone()
			request.Host = "127.0.0.1:1" // both alike
			if all := bytes.Join(body, nil); len(all) > 0 {
				request.Body = io.NopCloser(&pieces{chunks: slices.Clone(body)})
				request.ContentLength = -1
				if sized {
					request.ContentLength = int64(len(all))
				}
			}
			response, err := f.client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			answer, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			seen := p.got
			seen.Host = "" // the proxy's own becomes the server's
			return seen, fmt.Sprintf("%s %v %d %v %v %q", response.Proto, response.Status, response.ContentLength, response.Header, response.Trailer, answer)
		}
		plainAsked, plain := one(server.URL)
		tappedAsked, tapped := one(f.url)
		if a, b := fmt.Sprintf("%q", plainAsked), fmt.Sprintf("%q", tappedAsked); a != b {
			t.Fatalf("the server saw other requests:\n without %.2000s\n with    %.2000s", a, b)
		}
		if plain != tapped {
			t.Fatalf("the agent saw other answers:\n without %.2000s\n with    %.2000s", plain, tapped)
		}
	})
	f.end()
	checkWhole(t, c.events(), "T1")
}

// pieces is a reader that gives one chunk at a time.
type pieces struct{ chunks [][]byte }

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.chunks) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.chunks[0])
	if p.chunks[0] = p.chunks[0][n:]; len(p.chunks[0]) == 0 {
		p.chunks = p.chunks[1:]
	}
	return n, nil
}

// TestStreamsAreNotHeldBack reads each frame before the next is made, and the head before any.
func TestStreamsAreNotHeldBack(t *testing.T) {
	next := make(chan string)
	gone := make(chan struct{})
	c := newCollector(t)
	f := startProxy(t, httpOptions(t, c), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case text := <-next:
				_, _ = io.WriteString(w, text)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}), nil)
	response, err := f.client.Get(f.url + "/mcp")
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(response.Body)
	for i := range 20 {
		want := fmt.Sprintf("data: {\"jsonrpc\":\"2.0\",\"method\":\"m%d\"}\n", i)
		next <- want + "\n"
		if got, err := lines.ReadString('\n'); got != want {
			t.Fatalf("got %q (%v), want %q", got, err, want)
		}
		_, _ = lines.ReadString('\n')
	}
	c.until("all frames, while the stream is open", func() bool { return len(c.taken) == 20 })
	_ = response.Body.Close()
	<-gone // the agent's end is the server's
	f.end()
}

// TestAServersEndIsTheAgents cuts an answer in the middle.
func TestAServersEndIsTheAgents(t *testing.T) {
	c := newCollector(t)
	f := startProxy(t, httpOptions(t, c), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, callDone[:20])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}), nil)
	response, err := f.client.Post(f.url+"/mcp", "application/json", strings.NewReader(callRead))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(response.Body); err == nil || string(got) != callDone[:20] {
		t.Errorf("got %q, %v; want the 20 bytes and an error", got, err)
	}
	_ = response.Body.Close()
	f.end()
	compare(t, c.events(), []string{
		`1 to_server http POST 0 session="" agent= server= marks=[] ` + callRead,
		`2 to_client http POST 200 session="" agent= server= answers=T1.1:tools/call:read: marks=[incomplete not_json] raw ` + fmt.Sprintf("%q", callDone[:20]),
	})
}

// TestNoServer is a server that is away, and a queue that never has room: the agent is told, or does
// not notice.
func TestNoServer(t *testing.T) {
	away, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := away.Addr().String()
	_ = away.Close()
	c := newCollector(t)
	f := startProxyTo(t, httpOptions(t, c), "http://"+address+"/mcp", nil)
	if status, _, _ := f.say("POST", "/mcp", callRead); status != http.StatusBadGateway {
		t.Errorf("status %d", status)
	}
	f.end()
	got := c.events()
	if last := got[len(got)-1]; last.HTTP.Status != http.StatusBadGateway || !last.HasMark("upstream_unreachable") || last.Direction != "to_client" {
		t.Errorf("event %s", glance(last))
	}
}

// TestUpgradesPass is a protocol that is not HTTP: its bytes pass, and an event says that they did.
func TestUpgradesPass(t *testing.T) {
	c := newCollector(t)
	f := startProxy(t, httpOptions(t, c), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "echo")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, both, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		line, _ := both.ReadString('\n')
		_, _ = conn.Write([]byte("echo " + line))
	}), nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%+v %v", response, err)
	}
	defer response.Body.Close()
	_, _ = io.WriteString(conn, "hello\n")
	if got, _ := io.ReadAll(reader); string(got) != "echo hello\n" {
		t.Errorf("got %q", got)
	}
	f.end()
	compare(t, c.events(), []string{`1 to_client http GET 101 session="" agent= server= marks=[http_upgraded] `})
}
