// Package nats runs a NATS server with JetStream inside the process, for `mcpwatch up`,
// tests and small sites: the NATS protocol over TCP on loopback, its data on disk.
package nats

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Options describe a server.
type Options struct {
	// Listen is a loopback host:port; port 0 picks a free one.
	Listen string
	// Data is the directory that keeps the streams.
	Data string
	// Token, where set, is what clients must present.
	Token string
}

// readyTimeout bounds how long a start may take.
const readyTimeout = 10 * time.Second

// Server is a running NATS server.
type Server struct {
	server *server.Server
}

// Start runs a server. It answers when Start returns.
func Start(o Options) (*Server, error) {
	host, portText, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("starting NATS at %q: %w", o.Listen, err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("starting NATS at %q: %w", o.Listen, err)
	}
	if err := free(o.Listen); err != nil {
		return nil, fmt.Errorf("starting NATS: %w", err)
	}
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return nil, fmt.Errorf("starting NATS: %w", err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "mcpwatch", Host: host, Port: port, Authorization: o.Token,
		JetStream: true, StoreDir: o.Data, JetStreamMaxMemory: 64 << 20, JetStreamMaxStore: 8 << 30,
		SyncAlways: true, // findings are few, and each may be the one that matters
		NoLog:      true, NoSigs: true,
	})
	if err != nil {
		return nil, fmt.Errorf("starting NATS: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(readyTimeout) {
		s.Shutdown()
		return nil, fmt.Errorf("starting NATS at %s: not ready after %s", o.Listen, readyTimeout)
	}
	if !s.JetStreamEnabled() {
		s.Shutdown()
		return nil, errors.New("starting NATS: JetStream did not start; is its directory damaged?")
	}
	return &Server{server: s}, nil
}

// free reports whether the address can be listened on. The server itself would say so
// only in its log, and wait.
func free(address string) error {
	l, err := net.Listen("tcp", address) //nolint:noctx // it binds and does not wait
	if err != nil {
		return err
	}
	return l.Close()
}

// URL is the server's address for clients.
func (s *Server) URL() string { return s.server.ClientURL() }

// Close stops the server after its data is on disk.
func (s *Server) Close() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}
