package tap

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/internal/tlsfiles"
	"github.com/mcpwatch/mcpwatch/internal/tlsfiles/certtest"
)

// TestTLSInAndOut has HTTP/2 on both sides, and a server that wants the proxy's certificate.
func TestTLSInAndOut(t *testing.T) {
	ca := certtest.New(t)
	cert, key := ca.Issue(t.TempDir(), "tap.example")
	none := func(err error) { t.Error(err) }
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(w, "data: %s\n\n", strings.Replace(callDone, "[]", fmt.Sprintf(`["%s %s %d"]`, r.Proto, r.TLS.PeerCertificates[0].Subject.CommonName, len(body)), 1))
	}))
	var err error
	if server.TLS, err = tlsfiles.Server(cert, key, ca.File, none); err != nil {
		t.Fatal(err)
	}
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	c := newCollector(t)
	f := startProxyTo(t, httpOptions(t, c), server.URL+"/mcp", func(p *Proxy) {
		if p.TLS, err = tlsfiles.Server(cert, key, "", none); err != nil {
			t.Fatal(err)
		}
		if p.UpstreamTLS, err = tlsfiles.Client(ca.File, cert, key); err != nil {
			t.Fatal(err)
		}
		p.UpstreamTLS.ServerName = "tap.example"
	})
	trust, err := tlsfiles.Client(ca.File, "", "")
	if err != nil {
		t.Fatal(err)
	}
	f.url = strings.Replace(f.url, "http:", "https:", 1)
	f.client = &http.Client{Transport: &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true, DisableCompression: true}}
	_, protocol, body := f.say("POST", "/mcp", callRead)
	if want := fmt.Sprintf("HTTP/2.0 tap.example %d", len(callRead)); protocol != "HTTP/2.0" || !strings.Contains(body, want) {
		t.Errorf("%s %s, want %s", protocol, body, want)
	}
	f.end()
	events := c.events()
	if len(events) != 2 || events[1].Request == nil || events[1].Request.Event != "T1.1" {
		t.Errorf("%d events", len(events))
	}
}

func TestWhatIsNoProxy(t *testing.T) {
	u := func(text string) *url.URL {
		parsed, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	c := newCollector(t)
	for want, p := range map[string]Proxy{
		"the listener is not set":                     {Upstream: u("http://x/mcp")},
		"the upstream is no http:// or https:// URL":  {},
		"the upstream is no http:// or https:// URL ": {Upstream: u("ftp://x/")},
		"the upstream has a user":                     {Upstream: u("http://user:secret@x/")},
		"a query":                                     {Upstream: u("http://x/?a")},
	} {
		err := Serve(t.Context(), httpOptions(t, c), p)
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
