package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"

	"github.com/mcpwatch/mcpwatch/collector/tap"
	"github.com/mcpwatch/mcpwatch/internal/tlsfiles"
)

// proxyFlags are those of a tap before an HTTP server.
type proxyFlags struct {
	Listen       string   `help:"Stand before an HTTP server: take agents in here." placeholder:"HOST:PORT"`
	Upstream     string   `help:"That server's URL. Agents use it with --listen's address in place of its host." placeholder:"URL"`
	TLSCert      string   `name:"tls-cert" help:"Certificate (PEM) for agents; read again when it changes." type:"existingfile" placeholder:"FILE"`
	TLSKey       string   `name:"tls-key" help:"The certificate's key (PEM)." type:"existingfile" placeholder:"FILE"`
	Plaintext    bool     `help:"Take agents of other machines in without TLS: their tokens pass in clear."`
	Host         []string `help:"A name by which agents reach --listen, beside addresses and this machine's own." placeholder:"NAME"`
	UpstreamCA   string   `name:"upstream-ca" help:"Trust a server of these CAs (PEM) in place of the system's." type:"existingfile" placeholder:"FILE"`
	UpstreamCert string   `help:"Client certificate (PEM) to show the server." type:"existingfile" placeholder:"FILE"`
	UpstreamKey  string   `help:"The client certificate's key (PEM)." type:"existingfile" placeholder:"FILE"`
	UpstreamName string   `help:"The name that the server's certificate must have, where it is not the URL's." placeholder:"NAME"`
}

// serve runs a tap before an HTTP server until ctx is done.
func (c *tapCommand) serve(ctx context.Context, s streams, o tap.Options) error {
	proxy, err := c.proxy(o)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	if proxy.Listener, err = new(net.ListenConfig).Listen(ctx, "tcp", c.Listen); err != nil {
		return fmt.Errorf("listening for agents: %w", err)
	}
	scheme := "http"
	if proxy.TLS != nil {
		scheme = "https"
	}
	_, _ = fmt.Fprintf(s.err, "mcpwatch: agents reach %s at %s://%s%s\n", c.Server, scheme, proxy.Listener.Addr(), proxy.Upstream.EscapedPath())
	if err := tap.Serve(ctx, o, proxy); err != nil {
		return fmt.Errorf("tapping %s: %w", c.Server, err)
	}
	return nil
}

// proxy is what the flags ask for, but for the listener.
func (f *proxyFlags) proxy(o tap.Options) (p tap.Proxy, err error) {
	if f.Upstream == "" {
		return p, errors.New("tap: --listen needs --upstream URL")
	}
	if p.Upstream, err = url.Parse(f.Upstream); err != nil {
		return p, errors.New("tap: --upstream is no URL")
	}
	p.Hosts = f.Host
	switch {
	case (f.TLSCert == "") != (f.TLSKey == ""):
		return p, errors.New("tap: --tls-cert and --tls-key are given together or not at all")
	case f.TLSCert == "" && !f.Plaintext && !onLoopback(f.Listen):
		return p, errors.New("tap: --listen beyond this machine needs --tls-cert and --tls-key, or --plaintext, which shows agents' tokens to the network")
	case f.TLSCert != "":
		report := func(err error) { o.Logger.Error().Err(err).Msg("TLS files") }
		if p.TLS, err = tlsfiles.Server(f.TLSCert, f.TLSKey, "", report); err != nil {
			return p, err
		}
	}
	if p.UpstreamTLS, err = tlsfiles.Client(f.UpstreamCA, f.UpstreamCert, f.UpstreamKey); err != nil {
		return p, err
	}
	p.UpstreamTLS.ServerName = f.UpstreamName
	return p, nil
}

// onLoopback reports whether only this machine can reach an address.
func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
