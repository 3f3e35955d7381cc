package tlsfiles_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcpwatch/mcpwatch/internal/tlsfiles"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	der := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, &a.key.PublicKey)
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = filepath.Join(t.TempDir(), "ca.pem")
	write(t, a.file, "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(template *x509.Certificate, key *ecdsa.PublicKey) []byte {
	a.t.Helper()
	template.NotBefore, template.NotAfter = time.Unix(0, 0), time.Now().Add(1000*time.Hour)
	parent := a.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

// issue writes a certificate and its key.
func (a *authority) issue(dir, name string) (cert, key string) {
	a.t.Helper()
	made := newKey(a.t)
	der := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, &made.PublicKey)
	secret, err := x509.MarshalPKCS8PrivateKey(made)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(a.t, cert, "CERTIFICATE", der)
	write(a.t, key, "PRIVATE KEY", secret)
	return cert, key
}

func write(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

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
	ca, strangers := newAuthority(t), newAuthority(t)
	cert, key := ca.issue(t.TempDir(), "collector")
	server, err := tlsfiles.Server(cert, key, ca.file, func(err error) { t.Error(err) })
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
	ours, oursKey := ca.issue(t.TempDir(), "gateway")
	theirs, theirsKey := strangers.issue(t.TempDir(), "gateway")
	if seen, of, err := shake(t, server, client(ca.file, ours, oursKey)); err != nil || len(seen.VerifiedChains) == 0 || seen.PeerCertificates[0].Subject.CommonName != "gateway" || of.Version != tls.VersionTLS13 {
		t.Errorf("with a certificate: %v, chains %v", err, seen.VerifiedChains)
	}
	if seen, _, err := shake(t, server, client(ca.file, "", "")); err != nil || len(seen.VerifiedChains) > 0 {
		t.Errorf("without a certificate: %v", err)
	}
	if _, _, err := shake(t, server, client(ca.file, theirs, theirsKey)); err == nil {
		t.Error("a certificate of another CA is taken")
	}
	if _, _, err := shake(t, server, client(strangers.file, "", "")); err == nil {
		t.Error("a client trusts a collector of another CA")
	}
	if _, _, err := shake(t, server, client("", "", "")); err == nil {
		t.Error("a client that trusts the system's CAs trusts a private one")
	}
}

func TestARenewedCertificateIsUsedAndABrokenOneIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newAuthority(t)
		dir := t.TempDir()
		cert, key := ca.issue(dir, "collector")
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
		ca.issue(dir, "collector")
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
		ca.issue(dir, "collector")
		time.Sleep(20 * time.Second)
		if serial() == second {
			t.Error("the mended certificate is not used")
		}
	})
}

func TestWhatCannotBeReadIsRefusedAtTheStart(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.issue(t.TempDir(), "collector")
	_, other := ca.issue(t.TempDir(), "collector")
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
