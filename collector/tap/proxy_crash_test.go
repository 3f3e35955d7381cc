//go:build linux

package tap

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// echoServer answers each call with its own id.
func echoServer(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, rest, _ := strings.Cut(string(body), `"id":`)
		id, _, _ := strings.Cut(rest, ",")
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{}}`, id)
	}))
	t.Cleanup(s.Close)
	return s
}

// exchangePing makes one call, and reports whether it was answered as it must be.
func exchangePing(client *http.Client, url string, id int) error {
	call := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"ping"}`, id)
	response, err := client.Post(url, "application/json", strings.NewReader(call))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if want := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{}}`, id); err == nil && string(got) != want {
		return fmt.Errorf("got %q, want %q", got, want)
	}
	return err
}

// TestKilledProxy kills a proxy while many agents talk through it and its collector is away half of
// the time. What it had on disk is shipped by the next one.
func TestKilledProxy(t *testing.T) {
	c := newCollector(t)
	c.answer = func(p post) answer {
		if p.n%2 == 1 {
			return answer{status: 503}
		}
		return answer{}
	}
	dir := t.TempDir()
	cmd, stdin, stdout := process(t, "proxy", tapConfig{
		Instance: "K1", SpoolDir: dir, Endpoint: c.server.URL, Upstream: echoServer(t).URL + "/mcp", SegmentBytes: 64 << 10,
	}, nil)
	defer stdin.Close()
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSpace(address) + "/mcp"
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	var agents sync.WaitGroup
	for agent := range 8 {
		agents.Go(func() {
			for i := 0; ; i++ {
				if exchangePing(client, url, agent<<20+i) != nil {
					return
				}
			}
		})
	}
	c.until("1,000 events", func() bool { return len(c.lines) > 1000 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	agents.Wait()
	_ = cmd.Wait()
	left := spooledWhole(t, filepath.Join(dir, "K1"))
	if left == 0 {
		t.Fatal("the killed proxy left nothing")
	}
	o := httpOptions(t, c)
	o.SpoolDir = dir
	o.NewInstance = func() string { return "K2" }
	f := startProxyTo(t, o, "http://127.0.0.1:1", nil)
	c.until("the last event that the dead proxy kept", func() bool { return c.lines[fmt.Sprintf("K1.%d", left)] != nil })
	f.end()
	events := c.events()
	if n := checkWhole(t, events, "K1"); n != left {
		t.Errorf("events up to %d, the spool had up to %d", n, left)
	}
	for _, e := range events {
		if e.Direction == "to_client" && (e.Request == nil || e.HTTP.Status != 200) {
			t.Fatalf("the answer %s: request %v, status %d", e.ID, e.Request, e.HTTP.Status)
		}
	}
}

// TestFullDiskOfAProxy lets the spool's writes fail, and then work again.
func TestFullDiskOfAProxy(t *testing.T) {
	c := newCollector(t)
	log, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd, stdin, stdout := process(t, "proxy", tapConfig{
		Instance: "F1", SpoolDir: t.TempDir(), Endpoint: c.server.URL, Upstream: echoServer(t).URL + "/mcp", FileLimit: 20_000,
	}, stderr)
	stderr.Close()
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSpace(address) + "/mcp"
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for i := range 100 {
		if err := exchangePing(client, url, i); err != nil {
			t.Fatal(err)
		}
	}
	for messages := bufio.NewScanner(log); !strings.Contains(messages.Text(), "the spool cannot be written"); {
		if !messages.Scan() {
			t.Fatal("no write failed")
		}
	}
	no := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_FSIZE, &no, nil); err != nil {
		t.Skipf("cannot lift the limit: %v", err)
	}
	if err := exchangePing(client, url, 100); err != nil {
		t.Fatal(err)
	}
	client.CloseIdleConnections()
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	lost := uint64(0)
	for _, e := range c.events() {
		if g := gapIn(t, e); g.Reason == GapDisk {
			lost += g.Events
		}
	}
	if top := checkWhole(t, c.events(), "F1"); top < 202 || lost == 0 {
		t.Errorf("events up to %d, %d declared lost", top, lost)
	}
}

// TestABusyQueueIsDeclared has so small a queue, and so slow an observer, that exchanges are refused.
func TestABusyQueueIsDeclared(t *testing.T) {
	c := newCollector(t)
	o := httpOptions(t, c)
	o.QueueBytes = 2 * blockBytes
	w := newWatch(&o, "T1")
	upstream := echoServer(t)
	listener := httptest.NewUnstartedServer(nil).Listener
	defer listener.Close()
	request, err := http.NewRequest(http.MethodPost, upstream.URL+"/mcp", nil)
	if err != nil {
		t.Fatal(err)
	}
	p := newProxy(&o, &Proxy{Listener: listener, Upstream: request.URL}, w)
	front := httptest.NewServer(p)
	long := strings.Repeat("x", 40_000)
	for i := range 5 { // nobody observes yet
		response, err := http.Post(front.URL+"/mcp", "application/json", strings.NewReader(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"m","params":{"x":"%s"}}`, i, long)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(response.Body); err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	front.Close()
	p.handlers.Wait()
	p.transport.CloseIdleConnections()
	http.DefaultClient.CloseIdleConnections()
	w.start(t.Context())
	w.queue.tell(&p.refused, noteEnd, o.Now())
	w.finish(o.Linger)
	events := c.events()
	lost := uint64(0)
	for _, e := range events {
		if g := gapIn(t, e); g.Reason == GapQueueFull {
			lost += g.Bytes
		}
	}
	checkWhole(t, events, "T1")
	if lost == 0 || w.counters.Snapshot().QueueLost != lost || w.counters.Snapshot().FaultLost != 0 {
		t.Errorf("%d bytes declared lost, stats %+v", lost, w.counters.Snapshot())
	}
	if len(events) < 2 {
		t.Errorf("%d events", len(events))
	}
}
