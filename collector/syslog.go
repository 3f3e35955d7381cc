package collector

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/collector/syslog"
	"github.com/mcpwatch/mcpwatch/event"
)

// Syslog says how syslog is taken in.
type Syslog struct {
	// Format of the messages' texts; "" finds it for each.
	Format format.Format
	// Others is whom a sender stands for that shows no certificate, as syslog has no tokens; where
	// it has no tenant, such a sender is not taken.
	Others credential.Identity
}

// Bounds of syslog.
const (
	maxSyslogConnections = 256
	syslogFrames         = 1_000 // taken in at once, at most
	syslogBytes          = 1 << 20
	handshakeTimeout     = 10 * time.Second
	syslogIdle           = time.Hour
	lastWords            = 5 * time.Second // for what was read when the collector stops
)

// ServeSyslog takes syslog in from a listener's connections until ctx ends. What was read is not
// lost while the collector lives: while Kafka is away nothing more is read, and TCP holds the
// senders back. Syslog acknowledges nothing: what a sender has sent and the collector has not read
// is lost with either of them.
func (c *Collector) ServeSyslog(ctx context.Context, listener net.Listener, o Syslog) error {
	var connections sync.WaitGroup
	defer connections.Wait()
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	places := make(chan struct{}, maxSyslogConnections)
	for {
		conn, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			if conn != nil {
				_ = conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("taking in syslog: %w", err)
		case err != nil: // such as too many open files
			c.o.Log.Warn().Err(err).Msg("accepting a syslog connection")
			time.Sleep(100 * time.Millisecond)
			continue
		}
		select {
		case places <- struct{}{}:
		default:
			c.metrics.syslog.WithLabelValues("connections_refused").Inc()
			_ = conn.Close()
			continue
		}
		connections.Go(func() {
			defer func() { <-places }()
			c.syslogConnection(ctx, conn, o)
		})
	}
}

// syslogConnection serves one sender until it has gone.
func (c *Collector) syslogConnection(ctx context.Context, conn net.Conn, o Syslog) {
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
	address, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	log := c.o.Log.With().Str("from", address).Logger()
	presented, err := shown(ctx, conn)
	if err != nil {
		c.metrics.syslog.WithLabelValues("connections_refused").Inc()
		log.Debug().Err(err).Msg("a syslog connection has failed")
		return
	}
	s := &syslogReader{framer: syslog.NewFramer(&patient{ctx: ctx, conn: conn}, c.o.Limits.Bytes), repeats: map[[sha256.Size]byte]int{}}
	for {
		who, err := c.syslogIdentity(ctx, presented, o)
		if err != nil {
			c.metrics.syslog.WithLabelValues("connections_refused").Inc()
			log.Warn().Err(err).Msg("a syslog sender is not taken")
			return
		}
		lines, readErr := s.next()
		if len(lines) > 0 {
			if err := c.deliverSyslog(ctx, who, address, o.Format, lines); err != nil {
				c.metrics.syslog.WithLabelValues("lost").Add(float64(len(lines)))
				log.Error().Err(err).Int("messages", len(lines)).Msg("syslog messages were read and are lost")
				return
			}
			c.metrics.syslog.WithLabelValues("messages").Add(float64(len(lines)))
		}
		if readErr != nil {
			if !errors.Is(readErr, io.EOF) && ctx.Err() == nil {
				log.Info().Err(readErr).Msg("a syslog connection has ended amid a message")
			}
			return
		}
	}
}

// deliverSyslog takes messages in, and what was read when ctx ends in a last attempt.
func (c *Collector) deliverSyslog(ctx context.Context, who credential.Identity, address string, form format.Format, lines []line) error {
	err := c.deliver(ctx, who, address, form, lines)
	if err == nil || ctx.Err() == nil {
		return err
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	return c.deliver(last, who, address, form, lines)
}

// shown is what a sender shows of itself.
func shown(ctx context.Context, conn net.Conn) (credential.Presented, error) {
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return credential.Presented{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		return credential.Presented{}, fmt.Errorf("TLS: %w", err)
	}
	return credential.Presented{Chains: secure.ConnectionState().VerifiedChains}, nil
}

// syslogIdentity says who sends. A certificate decides alone: one that stands for nobody is not
// one of the others.
func (c *Collector) syslogIdentity(ctx context.Context, p credential.Presented, o Syslog) (credential.Identity, error) {
	if len(p.Chains) == 0 && o.Others.Tenant != "" {
		return o.Others, nil
	}
	return c.identify(ctx, p)
}

// patient lets a connection be idle for syslogIdle, and ends it with ctx.
type patient struct {
	ctx  context.Context //nolint:containedctx // it lives as long as the connection
	conn net.Conn
}

// Read implements io.Reader.
func (p *patient) Read(b []byte) (int, error) {
	if err := p.conn.SetReadDeadline(time.Now().Add(syslogIdle)); err != nil {
		return 0, err
	}
	if p.ctx.Err() != nil { // it may have ended before the deadline was set
		return 0, p.ctx.Err()
	}
	return p.conn.Read(b)
}

// syslogReader makes records of a connection's frames.
type syslogReader struct {
	framer  *syslog.Framer
	repeats map[[sha256.Size]byte]int // equal frames so far
}

// maxRepeats bounds the frames that are remembered as sent before.
const maxRepeats = 10_000

// next waits for a frame and takes those that have come with it.
func (s *syslogReader) next() ([]line, error) {
	var lines []line
	for bytes := 0; len(lines) == 0 || len(lines) < syslogFrames && bytes < syslogBytes && s.framer.Ready(); {
		frame, long, err := s.framer.Next()
		if err != nil {
			return lines, err
		}
		bytes += len(frame)
		m := syslog.Parse(frame)
		if len(m.Text) == 0 {
			continue // nothing is said
		}
		l := line{data: m.Text, key: s.key(frame), at: m.Time, header: &m}
		if long {
			l.problem = "is a syslog message that is too long; this is its beginning"
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// key names a frame: a sender that connects anew may send its last ones again, while equal ones of
// one connection are repeats.
func (s *syslogReader) key(frame []byte) string {
	sum := sha256.Sum256(frame)
	if len(s.repeats) >= maxRepeats {
		clear(s.repeats)
	}
	n := s.repeats[sum]
	s.repeats[sum]++
	return event.DeriveID(event.Origin{}, frame, n)
}

// syslogHeader is what an event's source keeps of a message's header.
type syslogHeader struct {
	Host    string `json:"host,omitzero"`
	App     string `json:"app,omitzero"`
	Process string `json:"process,omitzero"`
}

// complete adds to an event what came around its record. A syslog header is no claim of the event's:
// it names no agent.
func (l *line) complete(e *event.Event) {
	if e.Time.IsZero() {
		e.Time = l.at
	}
	if l.header == nil || len(e.Source.Extra) > 0 {
		return
	}
	header := syslogHeader{l.header.Host, l.header.App, l.header.Process}
	if extra, err := json.Marshal(map[string]syslogHeader{"syslog": header}); err == nil {
		e.Source.Extra = extra
	}
}
