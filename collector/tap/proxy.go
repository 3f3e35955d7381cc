package tap

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// headTimeout is how long a request's head may take once it has begun. Nothing else has a limit:
	// streams stay open for days.
	headTimeout = 30 * time.Second
	// idleTimeout is less than the five seconds after which Node.js closes a connection without a
	// request: a request on one that is just being closed would fail.
	idleTimeout = 4 * time.Second
	// grace is how long exchanges may go on once the proxy is to end.
	grace = 2 * time.Second
	// pingAfter is after what silence an HTTP/2 connection to the server is tried.
	pingAfter = 30 * time.Second
)

// Proxy says what Serve stands before.
type Proxy struct {
	// Listener takes the agents' connections in; Serve closes it.
	Listener net.Listener
	// TLS is how the proxy proves itself to agents; nil is plain HTTP.
	TLS *tls.Config
	// Upstream is the server's URL. Requests keep their own path: an agent's URL is the server's with
	// the proxy's address in place of the host.
	Upstream *url.URL
	// UpstreamTLS is how the proxy trusts the server and proves itself to it; nil trusts the system's CAs.
	UpstreamTLS *tls.Config
	// Hosts are the names by which agents reach the proxy, beside addresses, "localhost" and the name
	// of this machine.
	Hosts []string
}

func (p *Proxy) validate() (problems []error) {
	if p.Listener == nil {
		problems = append(problems, errors.New("the listener is not set"))
	}
	switch u := p.Upstream; {
	case u == nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		problems = append(problems, errors.New("the upstream is no http:// or https:// URL"))
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		problems = append(problems, errors.New("the upstream has a user, a query or a fragment, which agents send themselves"))
	}
	return problems
}

// Serve stands before an HTTP MCP server, for any number of agents, until ctx is done; it then gives
// exchanges two seconds to end, and ships what it can within Options.Linger. What Options says of a
// command and its streams is not used. Where Options.Agent has no ID and no Host, an agent's host is
// the address that it comes from.
//
// Like Run, Serve raises GOMAXPROCS to eight.
func Serve(ctx context.Context, o Options, front Proxy) error {
	if err := o.validate(front.validate()...); err != nil {
		return err
	}
	instance, err := o.instance()
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(max(processors, runtime.GOMAXPROCS(0)))
	w := newWatch(&o, instance)
	p := newProxy(&o, &front, w)
	w.start(ctx)
	err = p.serve(ctx, front)
	w.queue.tell(&p.refused, noteEnd, o.Now())
	w.finish(o.Linger)
	return err
}

// proxy passes exchanges on and leaves a copy of their bodies in the queue.
type proxy struct {
	watch     *watch
	talk      *talk
	now       func() time.Time
	upstream  *url.URL
	own       map[string]bool // names of this proxy
	here      string
	transport *http.Transport
	reverse   *httputil.ReverseProxy
	handlers  sync.WaitGroup
	numbers   atomic.Uint64
	refused   stream // of exchanges for which the queue had no room
}

func newProxy(o *Options, front *Proxy, w *watch) *proxy {
	here, _ := os.Hostname()
	p := &proxy{
		watch: w, talk: newTalk(w.observer, front.Upstream), now: o.Now, upstream: front.Upstream,
		here: cmp.Or(here, "localhost"), own: map[string]bool{},
		transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2:   true,
			HTTP2:               &http.HTTP2Config{SendPingTimeout: pingAfter},
			MaxIdleConnsPerHost: 256,
			IdleConnTimeout:     idleTimeout,
			TLSHandshakeTimeout: 10 * time.Second,
			TLSClientConfig:     front.UpstreamTLS,
			DisableCompression:  true, // what the agent asks for, and nothing else, is asked for
		},
	}
	for _, name := range append(front.Hosts, "localhost", p.here) {
		p.own[name] = true
	}
	p.refused.observe = p.talk.refused
	p.reverse = &httputil.ReverseProxy{
		Rewrite: p.rewrite, ModifyResponse: p.answered, ErrorHandler: p.failed,
		Transport: p.transport, FlushInterval: -1, BufferPool: new(buffers),
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	return p
}

func (p *proxy) serve(ctx context.Context, front Proxy) error {
	server := &http.Server{
		Handler: p, TLSConfig: front.TLS, ReadHeaderTimeout: headTimeout,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	ended := make(chan error, 1)
	go func() {
		if front.TLS != nil {
			ended <- server.ServeTLS(front.Listener, "", "")
			return
		}
		ended <- server.Serve(front.Listener)
	}()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if server.Shutdown(limit) != nil {
		_ = server.Close() // streams have no end of their own
	}
	p.handlers.Wait()
	p.transport.CloseIdleConnections()
	if err != nil {
		return fmt.Errorf("listening for agents: %w", err)
	}
	return nil
}

// passage is one exchange under way; exchange is nil where it is not observed.
type passage struct {
	exchange          *exchange
	request, response tee
	once              sync.Once
}

// end tells the observer of the end, whoever has seen it or not.
func (w *passage) end() {
	w.once.Do(func() {
		w.request.end(noteCut)
		w.response.end(noteCut)
		w.request.proxy.watch.queue.signal()
		w.request.proxy.handlers.Done()
	})
}

type passageKey struct{}

func passageOf(r *http.Request) *passage {
	return r.Context().Value(passageKey{}).(*passage) //nolint:forcetypeassert // ServeHTTP has put it there
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/2 always is
	way := p.begin(r)
	defer way.end()
	p.reverse.ServeHTTP(exactWriter{w}, r.WithContext(context.WithValue(r.Context(), passageKey{}, way)))
}

func (p *proxy) begin(r *http.Request) *passage {
	p.handlers.Add(1)
	way := &passage{
		request:  tee{proxy: p, stream: &p.refused, left: r.ContentLength},
		response: tee{proxy: p, stream: &p.refused, left: -1},
	}
	x := newExchange(r, p.here, p.upstream.Path)
	x.number = p.numbers.Add(1)
	for direction, b := range [directions]*body{&x.request, &x.response} {
		b.exchange, b.way = x, direction
		b.observe = func(c chunk, data []byte) { p.talk.chunk(b, c, data) }
	}
	if p.watch.queue.begin(&x.request.stream, p.now()) {
		way.exchange, way.request.stream, way.response.stream = x, &x.request.stream, &x.response.stream
	}
	return way
}

// rewrite makes the request to the server: the agent's, but for the host where that is the proxy's.
// Another host stays, for the server to judge: a page that has its own name resolve to this address
// must not look like a local agent (DNS rebinding).
func (p *proxy) rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.Scheme, r.Out.URL.Host = p.upstream.Scheme, p.upstream.Host
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values, ok := r.In.Header[name]; ok {
			r.Out.Header[name] = values
		}
	}
	if p.isOwn(r.In.Host) {
		r.Out.Host = p.upstream.Host
	}
	if r.Out.Body != nil && r.Out.Body != http.NoBody {
		way := passageOf(r.In)
		way.request.ReadCloser = r.Out.Body
		r.Out.Body = &way.request
	}
}

func (p *proxy) isOwn(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	return p.own[name] || net.ParseIP(name) != nil || net.ParseIP(trimBrackets(name)) != nil
}

func trimBrackets(s string) string {
	if n := len(s); n > 1 && s[0] == '[' && s[n-1] == ']' {
		return s[1 : n-1]
	}
	return s
}

// answered takes up the server's answer.
func (p *proxy) answered(r *http.Response) error {
	way := passageOf(r.Request)
	if x := way.exchange; x != nil {
		x.replied(r)
		p.watch.queue.tell(way.response.stream, noteHead, p.now())
	}
	if r.StatusCode == http.StatusSwitchingProtocols {
		way.end() // what follows is not ours to read, and may go on for as long as it likes
		return nil
	}
	way.response.ReadCloser = r.Body
	r.Body = &way.response
	return nil
}

// failed answers where the server gave none.
func (p *proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	way := passageOf(r)
	if x := way.exchange; x != nil && r.Context().Err() == nil {
		x.status, x.outcome, x.answer = http.StatusBadGateway, "upstream_unreachable", x.headers
		p.watch.queue.tell(way.response.stream, noteHead, p.now())
	}
	p.watch.options.Logger.Warn().Str("error", clip(err.Error())).Msg("the server gave no answer")
	w.WriteHeader(http.StatusBadGateway)
}

// tee is a body whose bytes are copied to the queue as they are read. The copy is made before the
// bytes are passed on: otherwise an answer could be queued before its request.
type tee struct {
	io.ReadCloser
	proxy  *proxy
	stream *stream
	left   int64 // bytes up to the end, negative where nobody knows
	ended  atomic.Bool
}

// Read implements io.Reader.
func (t *tee) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if n > 0 && !t.ended.Load() {
		now := t.proxy.now()
		for rest := p[:n]; len(rest) > 0; {
			part := rest[:min(len(rest), blockBytes)]
			t.proxy.watch.queue.put(t.stream, part, now)
			rest = rest[len(part):]
		}
		t.proxy.watch.counters.bytes.Add(uint64(n))
		t.left -= int64(n)
	}
	switch {
	case t.left == 0 && n > 0, errors.Is(err, io.EOF):
		t.end(noteEnd) // at once: a server may answer before its request's end is looked for
	case err != nil:
		t.end(noteCut)
	}
	t.proxy.watch.queue.signal()
	return n, err
}

// end tells the observer of the end, once.
func (t *tee) end(how note) {
	if !t.ended.Swap(true) && t.stream != &t.proxy.refused {
		t.proxy.watch.queue.tell(t.stream, how, t.proxy.now())
	}
}

// exactWriter keeps net/http from adding what the server left out.
type exactWriter struct{ http.ResponseWriter }

// Unwrap is for http.ResponseController.
func (w exactWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w exactWriter) WriteHeader(status int) {
	header := w.Header()
	for _, name := range []string{"Date", "Content-Type"} {
		if _, there := header[name]; !there && status >= http.StatusOK {
			header[name] = nil
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// buffers are those that bodies are copied through.
type buffers struct{ pool sync.Pool }

const copyBytes = 32 << 10

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte {
	if buf, ok := b.pool.Get().(*[copyBytes]byte); ok {
		return buf[:]
	}
	return make([]byte, copyBytes)
}

// Put implements httputil.BufferPool.
func (b *buffers) Put(buf []byte) { b.pool.Put((*[copyBytes]byte)(buf)) }
