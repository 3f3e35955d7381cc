//go:build !darwin && !linux

package clickhouse

import (
	"context"
	"errors"
	"io"
)

// Options are those of the systems that the engine runs on; see there.
type Options struct {
	Library   string
	Verify    bool
	Data      string
	Listen    string
	MaxMemory int64
	Stderr    io.Writer
	Command   []string
}

// Credentials are a user and its password.
type Credentials struct{ User, Password string }

// Server is a running engine, of which there is none on this system.
type Server struct{}

// Start fails: there is no engine for this system.
func Start(context.Context, Options) (*Server, error) {
	return nil, errors.New("the ClickHouse engine runs on Linux and macOS alone: name a ClickHouse server with --clickhouse URL")
}

// Child does not run here.
func Child() int { return 1 }

// Addr is the address of nothing.
func (*Server) Addr() string { return "" }

// Credentials are nobody's.
func (*Server) Credentials() (writer, analyst Credentials) { return Credentials{}, Credentials{} }

// Sandboxed is false.
func (*Server) Sandboxed() bool { return false }

// Done is never closed.
func (*Server) Done() <-chan struct{} { return nil }

// Err is nil.
func (*Server) Err() error { return nil }

// Close does nothing.
func (*Server) Close() error { return nil }
