package credential_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mcpwatch/mcpwatch/collector/credential"
)

// provider is an OpenID Connect issuer.
type provider struct {
	*httptest.Server
	mu      sync.Mutex
	keys    []jose.JSONWebKey
	fetched int
	down    bool
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := new(provider)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch {
		case p.down:
			w.WriteHeader(http.StatusBadGateway)
		case r.URL.Path == "/.well-known/openid-configuration":
			_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"id_token_signing_alg_values_supported":["ES256"]}`, p.URL, p.URL+"/keys")
		case r.URL.Path == "/keys":
			p.fetched++
			public := jose.JSONWebKeySet{}
			for _, k := range p.keys {
				public.Keys = append(public.Keys, k.Public())
			}
			_ = json.NewEncoder(w).Encode(public)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// rotate makes the issuer sign by another key.
func (p *provider) rotate(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = []jose.JSONWebKey{{Key: key, KeyID: fmt.Sprint("k", len(p.keys), time.Now().UnixNano()), Algorithm: string(jose.ES256), Use: "sig"}}
}

// sign issues a JWT of these claims.
func (p *provider) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	p.mu.Lock()
	key := p.keys[0]
	p.mu.Unlock()
	return signed(t, jose.SigningKey{Algorithm: jose.ES256, Key: key}, claims)
}

func signed(t *testing.T, key jose.SigningKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (p *provider) claims(changed map[string]any) map[string]any {
	claims := map[string]any{"iss": p.URL, "aud": "mcpwatch", "sub": "s", "azp": "gw-1", "device": "laptop-17", "exp": now.Add(time.Minute).Unix()}
	for name, value := range changed {
		if value == nil {
			delete(claims, name)
			continue
		}
		claims[name] = value
	}
	return claims
}

func TestJWTsOfATrustedIssuerAreTaken(t *testing.T) {
	p := newProvider(t)
	p.rotate(t)
	set := parse(t, fmt.Sprintf("issuers:\n  - {tenant: acme, source_claim: azp, agent_claim: device, issuer: %q, audience: mcpwatch}\n", p.URL))
	identify := func(token string) (credential.Identity, error) {
		return set.Identify(t.Context(), credential.Presented{Authorization: "Bearer " + token})
	}
	want := credential.Identity{Tenant: "acme", Source: "gw-1", Agent: "laptop-17"}
	if got, err := identify(p.sign(t, p.claims(nil))); err != nil || got != want {
		t.Fatalf("%+v, %v; want %+v", got, err, want)
	}
	for _, c := range []struct {
		name, reason string
		claims       map[string]any
	}{
		{"over", credential.ReasonExpired, map[string]any{"exp": now.Add(-time.Minute).Unix()}},
		{"over, within the skew of clocks", "", map[string]any{"exp": now.Add(-20 * time.Second).Unix()}},
		{"without an end", credential.ReasonExpired, map[string]any{"exp": nil}},
		{"of tomorrow", credential.ReasonJWT, map[string]any{"nbf": now.Add(24 * time.Hour).Unix(), "exp": now.Add(25 * time.Hour).Unix()}},
		{"for somebody else", credential.ReasonJWT, map[string]any{"aud": "other"}},
		{"for several", "", map[string]any{"aud": []string{"other", "mcpwatch"}}},
		{"of another issuer", credential.ReasonJWT, map[string]any{"iss": "https://other.example"}},
		{"without a source", credential.ReasonJWT, map[string]any{"azp": nil}},
		{"whose source is no name", credential.ReasonJWT, map[string]any{"azp": "a.b"}},
		{"whose source is a number", credential.ReasonJWT, map[string]any{"azp": 5}},
		{"without an agent", credential.ReasonJWT, map[string]any{"device": ""}},
	} {
		if _, err := identify(p.sign(t, p.claims(c.claims))); (err != nil || c.reason != "") && reason(err) != c.reason {
			t.Errorf("a JWT %s: %v, want %q", c.name, err, c.reason)
		}
	}
	// What is not signed by the issuer's key, or not at all.
	whole := p.sign(t, p.claims(nil))
	parts := strings.Split(whole, ".")
	forged := strings.Split(p.sign(t, p.claims(map[string]any{"azp": "other"})), ".")
	public, _ := p.keys[0].Public().Key.(*ecdsa.PublicKey)
	raw, err := public.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"another's payload":          parts[0] + "." + forged[1] + "." + parts[2],
		"no signature":               parts[0] + "." + parts[1] + ".",
		"the algorithm none":         "eyJhbGciOiJub25lIn0." + parts[1] + ".",
		"the public key as a secret": signed(t, jose.SigningKey{Algorithm: jose.HS256, Key: raw}, p.claims(nil)),
		"no base64":                  "a.!.b",
		"no JSON":                    "a.YQ.b",
	} {
		if _, err := identify(token); reason(err) != credential.ReasonJWT {
			t.Errorf("a JWT with %s: %v", name, err)
		}
	}
}

func TestKeysAreFetchedWhenTheyRotateAndNotForEveryForgery(t *testing.T) {
	p := newProvider(t)
	p.rotate(t)
	set := parse(t, fmt.Sprintf("issuers:\n  - {tenant: acme, source: gw, issuer: %q, audience: mcpwatch, algorithms: [ES256]}\n", p.URL))
	identify := func(token string) error {
		_, err := set.Identify(t.Context(), credential.Presented{Authorization: "Bearer " + token})
		return err
	}
	old := p.sign(t, p.claims(nil))
	if err := identify(old); err != nil {
		t.Fatal(err)
	}
	p.rotate(t)
	if err := identify(p.sign(t, p.claims(nil))); err != nil {
		t.Errorf("a JWT of the new key: %v", err)
	}
	other := newProvider(t)
	other.rotate(t)
	for range 50 {
		if err := identify(other.sign(t, p.claims(nil))); err == nil {
			t.Fatal("a JWT of a key that nobody knows is taken")
		}
	}
	if p.fetched > 10 {
		t.Errorf("the keys were fetched %d times", p.fetched)
	}
	if err := identify(p.sign(t, p.claims(nil))); err != nil {
		t.Errorf("after forgeries a good JWT is refused: %v", err)
	}
}

func TestAnIssuerThatIsAwayIsNoWrongCredential(t *testing.T) {
	p := newProvider(t)
	p.rotate(t)
	p.down = true
	set := parse(t, fmt.Sprintf("issuers:\n  - {tenant: acme, source: gw, issuer: %q, audience: mcpwatch, algorithms: [ES256]}\n", p.URL))
	token := p.sign(t, p.claims(nil))
	_, err := set.Identify(t.Context(), credential.Presented{Authorization: "Bearer " + token})
	if reason(err) != credential.ReasonUnavailable || !credential.Temporary(err) {
		t.Errorf("%v", err)
	}
	p.mu.Lock()
	p.down = false
	p.mu.Unlock()
	if _, err := set.Identify(t.Context(), credential.Presented{Authorization: "Bearer " + token}); err != nil {
		t.Errorf("the issuer is back: %v", err)
	}
}
