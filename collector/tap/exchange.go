package tap

import (
	"net"
	"net/http"
	"strings"

	"github.com/mcpwatch/mcpwatch/event"
)

// exchange is one request and its answer, as the proxy saw them and the observer goes on with them.
// The proxy sets a part before it queues the note that tells of it, and never changes it after.
type exchange struct {
	// Set before noteBegin.
	number    uint64
	method    string
	path      string // with the query
	clientIP  string
	host      string // of the machine that the agent runs on
	session   string
	trace     string
	headers   map[string]string
	principal event.Principal
	mcp       bool // it is MCP's, not of a login or another page beside it

	// Set before noteHead.
	status  int
	answer  map[string]string // the request's headers with the answer's over them
	outcome string            // a mark: what the tap itself did in place of an answer of the server
	sse     bool

	request, response body

	// The observer's alone.
	transport string
	endpoint  string // of a legacy stream: where its client posts to
	agent     event.Agent
	asked     *event.Request // the last request in the body
	responses int            // events of the answer
}

const (
	maxHeaders = 32   // parameters' headers of a request that are kept
	maxHeader  = 1024 // bytes of a header that are kept
)

// headersOf names the headers that are kept. Others may hold secrets: Authorization and cookies do.
func headersOf() []string {
	return []string{
		"Mcp-Method", "Mcp-Name", "Mcp-Protocol-Version", "Mcp-Session-Id", "Last-Event-Id", "Origin", "User-Agent",
		"Content-Type", "Content-Encoding", "Www-Authenticate", "Traceparent",
	}
}

const paramHeader = "Mcp-Param-"

// addHeaders adds those of h that are kept to a map, under their names in lower case.
func addHeaders(kept map[string]string, h http.Header) {
	for _, name := range headersOf() {
		if values := h.Values(name); len(values) > 0 {
			kept[strings.ToLower(name)] = header(values)
		}
	}
	params := 0
	for name, values := range h {
		if strings.HasPrefix(name, paramHeader) && params < maxHeaders {
			kept[bounded(strings.ToLower(name))] = header(values)
			params++
		}
	}
}

func header(values []string) string {
	joined := strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD")
	return strings.ToValidUTF8(joined[:min(len(joined), maxHeader)], "")
}

// newExchange takes what is kept of a request's head. here is the name of this machine, where local
// agents run; path is the server's MCP endpoint, "" where it is not known.
func newExchange(r *http.Request, here, path string) *exchange {
	x := &exchange{
		method: bounded(r.Method), path: r.URL.RequestURI(), session: header(r.Header.Values("Mcp-Session-Id")),
		trace: traceOf(r.Header.Get("Traceparent")), principal: bearer(r.Header.Get("Authorization")),
		headers: map[string]string{}, transport: "http",
	}
	addHeaders(x.headers, r.Header)
	x.headers["host"] = header([]string{r.Host})
	x.clientIP, x.host = peerOf(r.RemoteAddr, here)
	x.mcp = x.session != "" || x.headers["mcp-method"] != "" || x.headers["mcp-protocol-version"] != "" ||
		path != "" && r.URL.Path == path || strings.Contains(strings.Join(r.Header.Values("Accept"), ","), eventStream)
	return x
}

// replied takes what is kept of the answer's head.
func (x *exchange) replied(r *http.Response) {
	x.status = r.StatusCode
	x.answer = make(map[string]string, len(x.headers)+2)
	for name, value := range x.headers {
		if name != "content-type" && name != "content-encoding" { // those of the other body
			x.answer[name] = value
		}
	}
	addHeaders(x.answer, r.Header)
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	x.sse = strings.EqualFold(strings.TrimSpace(kind), eventStream)
	if x.status == http.StatusSwitchingProtocols {
		x.outcome = "http_upgraded"
	}
}

const eventStream = "text/event-stream"

// peerOf is the address of a connection's other end, and the name of the machine there as far as it
// is known: what comes over the loopback comes from here.
func peerOf(address, here string) (ip, host string) {
	ip, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", here // a socket of this machine
	}
	ip, _, _ = strings.Cut(ip, "%") // a zone means nothing elsewhere
	if parsed := net.ParseIP(ip); parsed != nil && parsed.IsLoopback() {
		return ip, here
	}
	return ip, ip
}

// traceOf is the trace id of a traceparent (W3C Trace Context), or "".
func traceOf(traceparent string) string {
	parts := strings.Split(traceparent, "-")
	if len(parts) < 4 || len(parts[1]) != 32 || strings.Trim(parts[1], "0123456789abcdef") != "" {
		return ""
	}
	return parts[1]
}
