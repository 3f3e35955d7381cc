package collector_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/collector"
	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
	"github.com/mcpwatch/mcpwatch/internal/tlsfiles"
	"github.com/mcpwatch/mcpwatch/internal/tlsfiles/certtest"
)

// syslog serves syslog until stop is called, and returns its address.
func (s *site) syslog(secure *tls.Config, o collector.Syslog) (address string, stop func()) {
	s.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	address = listener.Addr().String()
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := s.collector.ServeSyslog(ctx, listener, o); err != nil {
			s.t.Error(err)
		}
	})
	stop = func() { cancel(); done.Wait() }
	s.t.Cleanup(stop)
	return address, stop
}

// sent writes a text to a connection, closes its way there, and waits until the collector has
// closed the way back: it has taken in what it was given then.
func sent(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(conn, text)
	if half, ok := conn.(interface{ CloseWrite() error }); ok && err == nil {
		err = half.CloseWrite()
	}
	if err == nil {
		err = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	}
	if err == nil {
		_, err = io.Copy(io.Discard, conn)
	}
	if _, reset := errors.AsType[*net.OpError](err); err != nil && !reset {
		t.Error(err)
	}
	_ = conn.Close()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func pinged(n int) string { return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"ping"}`, n) }

func framed(n int) string {
	return fmt.Sprintf("<165>1 2026-11-22T09:42:11.%03dZ gw-1 hive 7 - - %s", n, pinged(n))
}

func others() collector.Syslog {
	return collector.Syslog{Others: credential.Identity{Tenant: "acme", Source: "gateways", Principals: true}}
}

func TestSyslogIsTakenIn(t *testing.T) {
	s := start(t, nil)
	address, stop := s.syslog(nil, others())
	one, two := framed(1), framed(2)
	text := fmt.Sprintf("%d %s%s\n%s\n<13>Nov 22 09:42:11 gw-1 hive[7]: %s\n<13>no JSON\n<13>1 - - - - - -\n", len(one), one, two, two, pinged(3))
	sent(t, dial(t, address), text)
	sent(t, dial(t, address), two+"\n") // as a sender does that was cut off and cannot know
	stop()
	ids := map[string]event.Event{}
	for _, e := range s.events(5) {
		ids[e.ID] = e
		if e.Tenant != "acme" || e.Source.Name != "gateways" || e.Agent.Host != "" || string(e.Source.Extra) != `{"syslog":{"host":"gw-1","app":"hive","process":"7"}}` {
			t.Errorf("%+v", e)
		}
		if strings.Contains(string(e.Message), `:2,`) && !e.Time.Equal(time.Date(2026, 11, 22, 9, 42, 11, 2e6, time.UTC)) {
			t.Errorf("%s happened at %s", e.Message, e.Time)
		}
	}
	if len(ids) != 4 { // two is a repeat on one connection, and the same on the next
		t.Errorf("%d events, want 4", len(ids))
	}
	s.records(kafka.DeadLetters, 1)
}

// faulty fails so many writes before it lets one pass.
type faulty struct {
	collector.Writer
	left atomic.Int64
}

// Produce implements collector.Writer.
func (f *faulty) Produce(ctx context.Context, records []kafka.Record) error {
	if f.left.Add(-1) >= 0 {
		return errors.New("Kafka is away")
	}
	return f.Writer.Produce(ctx, records)
}

func TestSyslogWaitsWhileKafkaIsAway(t *testing.T) {
	f := &faulty{}
	f.left.Store(2)
	s := start(t, func(o *collector.Options) { f.Writer, o.Events = o.Events, f })
	address, _ := s.syslog(nil, others())
	var text strings.Builder
	for n := range 3000 {
		text.WriteString(framed(n) + "\n")
	}
	sent(t, dial(t, address), text.String())
	ids := map[string]bool{}
	for _, e := range s.events(3000) {
		ids[e.ID] = true
	}
	if len(ids) != 3000 {
		t.Errorf("%d events", len(ids))
	}
}

func TestSyslogSendersAreTheirCertificates(t *testing.T) {
	ca := certtest.New(t)
	cert, key := ca.Issue(t.TempDir(), "localhost")
	server, err := tlsfiles.Server(cert, key, ca.File, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	server.NextProtos = nil
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("others are taken %v", plain), func(t *testing.T) {
			s := start(t, func(o *collector.Options) {
				o.Credentials = credential.Fixed(parsed(t, "certificates:\n  - {tenant: acme, source: mesh, dns: gw-1.example}\n"))
			})
			o := collector.Syslog{}
			if plain {
				o = others()
			}
			address, stop := s.syslog(server, o)
			for i, name := range []string{"gw-1.example", "gw-2.example", ""} {
				var cert, key string
				if name != "" {
					cert, key = ca.Issue(t.TempDir(), name)
				}
				config, err := tlsfiles.Client(ca.File, cert, key)
				if err != nil {
					t.Fatal(err)
				}
				config.ServerName = "localhost"
				sent(t, tls.Client(dial(t, address), config), framed(i)+"\n")
			}
			stop()
			want := map[string]string{pinged(0): "mesh"}
			if plain {
				want[pinged(2)] = "gateways"
			}
			for _, e := range s.events(len(want)) {
				if want[string(e.Message)] != e.Source.Name {
					t.Errorf("%s is of source %s", e.Message, e.Source.Name)
				}
			}
		})
	}
}

// TestSyslogStopsWithWhatItHasRead on its way, while senders stay.
func TestSyslogStopsWithWhatItHasRead(t *testing.T) {
	s := start(t, nil)
	address, stop := s.syslog(nil, others())
	conn := dial(t, address)
	if _, err := io.WriteString(conn, framed(1)+"\n"+framed(2)[:20]); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if end, err := s.kafka.End(t.Context(), kafka.Events, 0); err == nil && end > 0 || time.Now().After(deadline) {
			break
		}
	}
	stop()
	_ = conn.Close()
	s.events(1)
}
