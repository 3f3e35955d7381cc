package tlsfiles_test

import (
	"crypto/tls"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcpwatch/mcpwatch/internal/tlsfiles"
	"github.com/mcpwatch/mcpwatch/internal/tlsfiles/certtest"
)

// shake lets a client and a server greet each other, and returns what each knows of the other.
func shake(t *testing.T, server, client *tls.Config) (seen, of tls.ConnectionState, err error) {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	greeted := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			greeted <- err
			return
		}
		defer func() { _ = conn.Close() }()
		secure, _ := conn.(*tls.Conn)
		err = secure.HandshakeContext(t.Context())
		seen = secure.ConnectionState()
		greeted <- err
	}()
	client = client.Clone()
	client.ServerName = "collector"
	conn, err := (&tls.Dialer{Config: client}).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err == nil {
		secure, _ := conn.(*tls.Conn)
		of = secure.ConnectionState()
		defer func() { _ = conn.Close() }()
	}
	if other := <-greeted; err == nil {
		err = other
	}
	return seen, of, err
}

func TestEachSideProvesItself(t *testing.T) {
	ca, strangers := certtest.New(t), certtest.New(t)
	cert, key := ca.Issue(t.TempDir(), "collector")
	server, err := tlsfiles.Server(cert, key, ca.File, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	client := func(caFile, cert, key string) *tls.Config {
		c, err := tlsfiles.Client(caFile, cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ours, oursKey := ca.Issue(t.TempDir(), "gateway")
	theirs, theirsKey := strangers.Issue(t.TempDir(), "gateway")
	if seen, of, err := shake(t, server, client(ca.File, ours, oursKey)); err != nil || len(seen.VerifiedChains) == 0 || seen.PeerCertificates[0].Subject.CommonName != "gateway" || of.Version != tls.VersionTLS13 {
		t.Errorf("with a certificate: %v, chains %v", err, seen.VerifiedChains)
	}
	if seen, _, err := shake(t, server, client(ca.File, "", "")); err != nil || len(seen.VerifiedChains) > 0 {
		t.Errorf("without a certificate: %v", err)
	}
	if _, _, err := shake(t, server, client(ca.File, theirs, theirsKey)); err == nil {
		t.Error("a certificate of another CA is taken")
	}
	if _, _, err := shake(t, server, client(strangers.File, "", "")); err == nil {
		t.Error("a client trusts a collector of another CA")
	}
	if _, _, err := shake(t, server, client("", "", "")); err == nil {
		t.Error("a client that trusts the system's CAs trusts a private one")
	}
}

func TestARenewedCertificateIsUsedAndABrokenOneIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := certtest.New(t)
		dir := t.TempDir()
		cert, key := ca.Issue(dir, "collector")
		var reported []error
		server, err := tlsfiles.Server(cert, key, "", func(err error) { reported = append(reported, err) })
		if err != nil {
			t.Fatal(err)
		}
		serial := func() string {
			now, err := server.GetConfigForClient(nil)
			if err != nil {
				t.Fatal(err)
			}
			return now.Certificates[0].Leaf.SerialNumber.String()
		}
		first := serial()
		time.Sleep(time.Second)
		ca.Issue(dir, "collector")
		if serial() != first {
			t.Error("the files are read for every connection")
		}
		time.Sleep(20 * time.Second)
		second := serial()
		if second == first {
			t.Error("the renewed certificate is not used")
		}
		if err := os.WriteFile(key, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(20 * time.Second)
			if serial() != second {
				t.Error("with a broken key another certificate is used")
			}
		}
		if len(reported) != 1 {
			t.Errorf("%d reports of one fault: %v", len(reported), reported)
		}
		ca.Issue(dir, "collector")
		time.Sleep(20 * time.Second)
		if serial() == second {
			t.Error("the mended certificate is not used")
		}
	})
}

func TestWhatCannotBeReadIsRefusedAtTheStart(t *testing.T) {
	ca := certtest.New(t)
	cert, key := ca.Issue(t.TempDir(), "collector")
	_, other := ca.Issue(t.TempDir(), "collector")
	for _, c := range []struct{ cert, key, clientCA string }{
		{cert, other, ""}, {cert, "missing", ""}, {key, key, ""}, {cert, key, key}, {cert, key, "missing"},
	} {
		if _, err := tlsfiles.Server(c.cert, c.key, c.clientCA, nil); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
	for _, c := range []struct{ ca, cert, key string }{{"missing", "", ""}, {key, "", ""}, {"", cert, ""}, {"", "", key}, {"", cert, other}} {
		if _, err := tlsfiles.Client(c.ca, c.cert, c.key); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}
