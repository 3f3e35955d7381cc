// Package tlsfiles makes TLS configurations of PEM files, which are read again when they change: a
// certificate is renewed without a restart.
package tlsfiles

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// rereadEvery is how old what was read may be when a connection begins.
const rereadEvery = 10 * time.Second

// Server is the configuration of a server that proves itself by a certificate, and asks its clients
// for one where clientCA is not "". A client need not have one, but what it has must be of that CA:
// who needs none may come with a token.
//
// The files are read again for a connection that begins over ten seconds after they were read; what
// can no longer be read is reported, once, and what was read before stays.
func Server(cert, key, clientCA string, report func(error)) (*tls.Config, error) {
	s := &server{cert: pair{files: files{paths: []string{cert, key}}}, clients: pool{files: files{paths: []string{clientCA}}}, report: report}
	if err := s.load(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		NextProtos:         []string{"h2", "http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.current(), nil },
	}, nil
}

type server struct {
	mu      sync.Mutex
	cert    pair
	clients pool
	made    *tls.Config
	read    time.Time
	failing bool
	report  func(error)
}

// current is the configuration of the files as they are now, or the last that could be read.
func (s *server) current() *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.read) < rereadEvery {
		return s.made
	}
	err := s.load()
	if err != nil && !s.failing {
		s.report(fmt.Errorf("reading certificates anew; those before are used: %w", err))
	}
	s.failing = err != nil
	return s.made
}

func (s *server) load() error {
	s.read = time.Now()
	certificate, err := s.cert.load()
	if err != nil {
		return err
	}
	made := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, Certificates: []tls.Certificate{*certificate}}
	if s.clients.paths[0] != "" {
		if made.ClientCAs, err = s.clients.load(); err != nil {
			return err
		}
		made.ClientAuth = tls.VerifyClientCertIfGiven
	}
	s.made = made
	return nil
}

// Client is the configuration of a client that trusts the CAs of a file in place of the system's, and
// shows a certificate, where these are not "". The certificate is read for each connection.
func Client(ca, cert, key string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		p := pool{files: files{paths: []string{ca}}}
		var err error
		if c.RootCAs, err = p.load(); err != nil {
			return nil, err
		}
	}
	if (cert == "") != (key == "") {
		return nil, errors.New("a client certificate and its key are given together or not at all")
	}
	if cert != "" {
		var mu sync.Mutex
		p := &pair{files: files{paths: []string{cert, key}}}
		load := func() (*tls.Certificate, error) {
			mu.Lock()
			defer mu.Unlock()
			return p.load()
		}
		if _, err := load(); err != nil {
			return nil, err
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	}
	return c, nil
}

// files are read and compared with what they held before.
type files struct {
	paths []string
	held  [][]byte
}

// read reports whether they have changed.
func (f *files) read() (changed bool, err error) {
	now := make([][]byte, len(f.paths))
	for i, path := range f.paths {
		if now[i], err = os.ReadFile(path); err != nil {
			return false, fmt.Errorf("reading a certificate: %w", err)
		}
		changed = changed || f.held == nil || !bytes.Equal(now[i], f.held[i])
	}
	f.held = now
	return changed, nil
}

// pair is a certificate and its key.
type pair struct {
	files
	made *tls.Certificate
}

func (p *pair) load() (*tls.Certificate, error) {
	changed, err := p.read()
	if err != nil || !changed && p.made != nil {
		return p.made, err
	}
	made, err := tls.X509KeyPair(p.held[0], p.held[1])
	if err != nil {
		p.held = nil // they may be half renewed: read them again next time
		return nil, fmt.Errorf("reading certificate %s with key %s: %w", p.paths[0], p.paths[1], err)
	}
	p.made = &made
	return p.made, nil
}

// pool is trusted CAs.
type pool struct {
	files
	made *x509.CertPool
}

func (p *pool) load() (*x509.CertPool, error) {
	changed, err := p.read()
	if err != nil || !changed && p.made != nil {
		return p.made, err
	}
	made := x509.NewCertPool()
	if !made.AppendCertsFromPEM(p.held[0]) {
		p.held = nil
		return nil, fmt.Errorf("reading CAs from %s: no certificate in it", p.paths[0])
	}
	p.made = made
	return made, nil
}
