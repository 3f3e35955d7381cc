package tap

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// sink is a collector that takes everything and looks at nothing.
func sink(b *testing.B) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	b.Cleanup(s.Close)
	return s.URL
}

// peer is a process that echoes: the server itself, or a tap with the server behind it.
type peer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.ReadCloser
}

func direct(b *testing.B) peer {
	command, env := server(b, "echo")
	cmd := exec.CommandContext(b.Context(), command[0])
	cmd.Env = env
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		b.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	return peer{cmd, in, out}
}

func tapped(b *testing.B) peer {
	cmd, in, out := tapProcess(b, tapConfig{Instance: "B1", SpoolDir: b.TempDir(), Endpoint: sink(b), Mode: "echo"}, nil)
	return peer{cmd, in, out}
}

func (p peer) end() {
	p.in.Close()
	_, _ = io.Copy(io.Discard, p.out)
	_ = p.cmd.Wait()
}

// trip sends a message and waits until it has come back.
func (p peer) trip(b *testing.B, message, buf []byte) time.Duration {
	start := time.Now()
	if _, err := p.in.Write(message); err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(p.out, buf); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// BenchmarkLatency sends a message to an echoing server and back, in turns with and
// without the tap, and reports what the tap adds to one message (half of what it adds to
// the round trip): the difference of the medians and of the 99th percentiles. Paced, the
// agent thinks for a millisecond between messages; else it sends the next at once, which
// keeps both cores of a small machine busy with observing.
func BenchmarkLatency(b *testing.B) {
	for _, test := range []struct {
		name  string
		size  int
		pause time.Duration
	}{
		{"paced/200B", 200, time.Millisecond},
		{"paced/4KiB", 4 << 10, time.Millisecond},
		{"flood/200B", 200, 0},
		{"flood/4KiB", 4 << 10, 0},
		{"flood/64KiB", 64 << 10, 0},
	} {
		b.Run(test.name, func(b *testing.B) {
			size := test.size
			plain, watched := direct(b), tapped(b)
			defer plain.end()
			defer watched.end()
			head := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"`
			message := append([]byte(head), bytes.Repeat([]byte{'x'}, size-len(head)-5)...)
			message = append(message, "\"}}}\n"...)
			buf := make([]byte, len(message))
			for range 200 {
				plain.trip(b, message, buf)
				watched.trip(b, message, buf)
			}
			var without, with []time.Duration
			for b.Loop() {
				without = append(without, plain.trip(b, message, buf))
				with = append(with, watched.trip(b, message, buf))
				if test.pause > 0 {
					time.Sleep(test.pause)
				}
			}
			slices.Sort(without)
			slices.Sort(with)
			at := func(sorted []time.Duration, q float64) float64 {
				return float64(sorted[int(q*float64(len(sorted)-1))].Nanoseconds()) / 1e3
			}
			b.ReportMetric(at(without, 0.5), "direct-p50-µs")
			b.ReportMetric(at(without, 0.99), "direct-p99-µs")
			b.ReportMetric((at(with, 0.5)-at(without, 0.5))/2, "added-p50-µs")
			b.ReportMetric((at(with, 0.99)-at(without, 0.99))/2, "added-p99-µs")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkThroughput streams messages through an echoing server as fast as they go.
func BenchmarkThroughput(b *testing.B) {
	line := append(bytes.Repeat([]byte{'x'}, 1000), '\n')
	copy(line, `{"jsonrpc":"2.0","method":"n","params":{"p":"`)
	copy(line[len(line)-4:], "\"}}\n")
	chunk := bytes.Repeat(line, 64)
	for _, test := range []struct {
		name  string
		start func(*testing.B) peer
	}{{"direct", direct}, {"tapped", tapped}} {
		b.Run(test.name, func(b *testing.B) {
			p := test.start(b)
			b.SetBytes(int64(len(chunk)))
			received := make(chan int64)
			go func() {
				n, _ := io.Copy(io.Discard, p.out)
				received <- n
			}()
			sent := int64(0)
			for b.Loop() {
				n, err := p.in.Write(chunk)
				if err != nil {
					b.Fatal(err)
				}
				sent += int64(n)
			}
			p.in.Close()
			if got := <-received; got != sent {
				b.Errorf("%d bytes came back of %d", got, sent)
			}
			_ = p.cmd.Wait()
		})
	}
}

// BenchmarkObserve is what the observer does with one message and its response, spool included.
func BenchmarkObserve(b *testing.B) {
	ob := newObserved(b, 32<<20)
	request := []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_file","arguments":{"path":"/etc/hosts"}}}` + "\n")
	response := []byte(`{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"127.0.0.1 localhost"}]}}` + "\n")
	b.ReportAllocs()
	for b.Loop() {
		ob.pipes[toServer].chunk(chunk{at: ob.now}, request)
		ob.pipes[toClient].chunk(chunk{at: ob.now}, response)
		ob.o.flush()
	}
}
