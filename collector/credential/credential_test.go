package credential_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/collector/credential"
)

// now is the clock of these tests.
var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func parse(t *testing.T, file string) *credential.Set {
	t.Helper()
	set, err := credential.Parse("c.yaml", []byte(file), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// hash is the hexadecimal hash of a token.
func hash(token string) string { return fmt.Sprintf("%x", credential.HashOf(token)) }

// reason is why a credential is refused, "" where it is taken.
func reason(err error) string {
	if refusal, ok := errors.AsType[*credential.RefusedError](err); ok {
		return refusal.Reason
	}
	return fmt.Sprint(err)
}

func TestTokensStandForTheirSources(t *testing.T) {
	set := parse(t, fmt.Sprintf(`
tokens:
  - {tenant: acme, source: laptops, sha256: %q}
  - {tenant: acme, source: one, agent: laptop-17, sha256: %q}
  - {tenant: acme, source: two, agent: laptop-18, principals: true, sha256: %q}
  - {tenant: acme, source: over, expires: 2026-11-25T12:00:00Z, sha256: %q}
  - {tenant: acme, source: later, not_before: 2026-11-25T12:00:01Z, sha256: %q}
  - {tenant: acme, source: now, not_before: 2026-11-25T12:00:00Z, expires: 2026-11-25T12:00:01Z, sha256: %q}
`, hash("a"), hash("b"), strings.ToUpper(hash("c")), hash("d"), hash("e"), hash("f")))
	for _, c := range []struct {
		authorization string
		want          credential.Identity
		reason        string
	}{
		{"Bearer a", credential.Identity{Tenant: "acme", Source: "laptops", Principals: true}, ""},
		{"bearer  a ", credential.Identity{Tenant: "acme", Source: "laptops", Principals: true}, ""},
		{"Bearer b", credential.Identity{Tenant: "acme", Source: "one", Agent: "laptop-17"}, ""},
		{"Bearer c", credential.Identity{Tenant: "acme", Source: "two", Agent: "laptop-18", Principals: true}, ""},
		{"Bearer d", credential.Identity{}, credential.ReasonExpired},
		{"Bearer e", credential.Identity{}, credential.ReasonExpired},
		{"Bearer f", credential.Identity{Tenant: "acme", Source: "now", Principals: true}, ""},
		{"", credential.Identity{}, credential.ReasonMissing},
		{"Bearer", credential.Identity{}, credential.ReasonScheme},
		{"Bearer ", credential.Identity{}, credential.ReasonScheme},
		{"Basic a", credential.Identity{}, credential.ReasonScheme},
		{"a", credential.Identity{}, credential.ReasonScheme},
		{"Bearer a a", credential.Identity{}, credential.ReasonToken},
		{"Bearer A", credential.Identity{}, credential.ReasonToken},
		{"Bearer " + hash("a"), credential.Identity{}, credential.ReasonToken},
		{"Bearer a.b.c", credential.Identity{}, credential.ReasonToken},
		{"Bearer " + strings.Repeat("a", 17<<10), credential.Identity{}, credential.ReasonScheme},
	} {
		got, err := set.Identify(t.Context(), credential.Presented{Authorization: c.authorization})
		if err == nil && c.reason == "" {
			if got != c.want {
				t.Errorf("%.40q: %+v, want %+v", c.authorization, got, c.want)
			}
			continue
		}
		if reason(err) != c.reason {
			t.Errorf("%.40q: %v, want %q", c.authorization, err, c.reason)
		}
		if secret := strings.TrimPrefix(c.authorization, "Bearer "); len(secret) > 20 && strings.Contains(err.Error(), secret) {
			t.Errorf("the error repeats the credential: %v", err)
		}
	}
}

func TestCertificatesStandForTheirSources(t *testing.T) {
	set := parse(t, fmt.Sprintf(`
tokens:
  - {tenant: acme, source: laptops, sha256: %q}
certificates:
  - {tenant: acme, source: gateways, uri: spiffe://acme/gateway}
  - {tenant: acme, source: hosts, dns: host.example}
  - {tenant: acme, source: old, common_name: an old one, agent: a1}
`, hash("a")))
	leaf := func(uri, dns, name string) [][]*x509.Certificate {
		c := &x509.Certificate{Subject: pkix.Name{CommonName: name}}
		if uri != "" {
			u, err := url.Parse(uri)
			if err != nil {
				t.Fatal(err)
			}
			c.URIs = []*url.URL{u}
		}
		if dns != "" {
			c.DNSNames = []string{"other.example", dns}
		}
		return [][]*x509.Certificate{{c}}
	}
	for _, c := range []struct {
		name, authorization string
		chains              [][]*x509.Certificate
		want, reason        string
	}{
		{"a URI", "", leaf("spiffe://acme/gateway", "", "x"), "gateways", ""},
		{"a DNS name", "", leaf("", "host.example", ""), "hosts", ""},
		{"a common name", "", leaf("", "", "an old one"), "old", ""},
		{"a URI as common name", "", leaf("", "", "spiffe://acme/gateway"), "", credential.ReasonCertificate},
		{"another URI", "", leaf("spiffe://acme/gateway/x", "", ""), "", credential.ReasonCertificate},
		{"an empty chain", "", [][]*x509.Certificate{{}}, "", credential.ReasonCertificate},
		{"a token beside it", "Bearer a", leaf("spiffe://acme/gateway", "", ""), "laptops", ""},
		{"a wrong token beside it", "Bearer b", leaf("spiffe://acme/gateway", "", ""), "", credential.ReasonToken},
	} {
		got, err := set.Identify(t.Context(), credential.Presented{Authorization: c.authorization, Chains: c.chains})
		if got.Source != c.want || err != nil && reason(err) != c.reason || err == nil && c.reason != "" {
			t.Errorf("%s: %+v, %v; want %q, %q", c.name, got, err, c.want, c.reason)
		}
	}
}

func TestAFileIsRefusedWithEveryProblem(t *testing.T) {
	good := hash("a")
	token := func(more string) string { return "tokens:\n  - {" + more + "}\n" }
	for _, c := range []struct{ name, file, want string }{
		{"no YAML", "tokens: [", "reading credentials from c.yaml"},
		{"an unknown field", token("tenant: a, source: b, sha256: x, token: secret"), "token"},
		{"a plain token", token("tenant: a, source: b, sha256: secret"), "tokens[0]: sha256 must be 64"},
		{"63 digits", token("tenant: a, source: b, sha256: '" + good[1:] + "'"), "tokens[0]: sha256 must be 64"},
		{"other digits", token("tenant: a, source: b, sha256: '" + strings.Repeat("g", 64) + "'"), "tokens[0]: sha256 must be 64"},
		{"no tenant", token("source: b, sha256: '" + good + "'"), "tokens[0]: tenant must be"},
		{"a dot", token("tenant: a, source: b.c, sha256: '" + good + "'"), "tokens[0]: source must be"},
		{"a line break", token(`tenant: "a\n", source: b, sha256: '` + good + "'"), "tokens[0]: tenant must be"},
		{"twice", token("tenant: a, source: b, sha256: '"+good+"'") + "  - {tenant: a, source: b, sha256: '" + strings.ToUpper(good) + "'}\n", "tokens[1]: the same token"},
		{"never valid", token("tenant: a, source: b, sha256: '" + good + "', not_before: 2027-01-01T00:00:00Z, expires: 2026-01-01T00:00:00Z"), "never be valid"},
		{"a long agent", token("tenant: a, source: b, sha256: '" + good + "', agent: " + strings.Repeat("x", 1025)), "agent has 1025 bytes"},
		{"a certificate of no name", "certificates:\n  - {tenant: a, source: b}\n", "must have one of"},
		{"a certificate of two names", "certificates:\n  - {tenant: a, source: b, dns: x, uri: y}\n", "must have one of"},
		{"two of one name", "certificates:\n  - {tenant: a, source: b, dns: x}\n  - {tenant: a, source: c, dns: x}\n", "certificates[1]: the same name"},
		{"no audience", "issuers:\n  - {tenant: a, source: b, issuer: 'https://id'}\n", "without an audience"},
		{"a plain issuer", "issuers:\n  - {tenant: a, source: b, issuer: 'http://id', audience: m}\n", "issuer must be an https"},
		{"plain keys", "issuers:\n  - {tenant: a, source: b, issuer: 'https://id', audience: m, jwks: 'http://id/k'}\n", "jwks must be an https"},
		{"no signature", "issuers:\n  - {tenant: a, source: b, issuer: 'https://id', audience: m, algorithms: [none]}\n", `algorithm "none"`},
		{"a shared secret", "issuers:\n  - {tenant: a, source: b, issuer: 'https://id', audience: m, algorithms: [HS256]}\n", `algorithm "HS256"`},
		{"a source twice", "issuers:\n  - {tenant: a, source: b, source_claim: c, issuer: 'https://id', audience: m}\n", "not both"},
		{"no source", "issuers:\n  - {tenant: a, issuer: 'https://id', audience: m}\n", "source must be"},
		{"an issuer twice", "issuers:\n  - {tenant: a, source: b, issuer: 'https://id', audience: m}\n  - {tenant: a, source: c, issuer: 'https://id', audience: m}\n", "issuers[1]: the same issuer"},
		{"a negative quota", "quotas:\n  - {tenant: a, source: b, events: -1}\n", "must not be negative"},
		{"a quota twice", "quotas:\n  - {tenant: a, source: b}\n  - {tenant: a, source: b}\n", "quotas[1]: the same source"},
	} {
		_, err := credential.Parse("c.yaml", []byte(c.file), time.Now)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("tokens:\n  - {tenant: a, source: b, sha256: 'ff'}\nquotas:\n  - {tenant: a, source: b}\n"))
	f.Fuzz(func(_ *testing.T, file []byte) { _, _ = credential.Parse("c.yaml", file, time.Now) })
}

func FuzzIdentify(f *testing.F) {
	set, err := credential.Parse("c.yaml", []byte("issuers:\n  - {tenant: a, source: b, issuer: 'https://id.example', audience: m, jwks: 'http://127.0.0.1:1/'}\n"), time.Now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("Bearer e30.e30.e30")
	f.Fuzz(func(t *testing.T, header string) {
		if who, err := set.Identify(t.Context(), credential.Presented{Authorization: header}); err == nil {
			t.Errorf("%q is taken for %+v", header, who)
		}
	})
}
