package credential

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-json-experiment/json"
	"golang.org/x/time/rate"
)

// algorithms are the signatures that may be asked for: those whose verification needs no secret.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512,
	oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// clockSkew is how much later than its end a JWT is still taken.
const clockSkew = 30 * time.Second

// issuer is one whose JWTs are taken. Its keys are fetched on first use.
type issuer struct {
	url, audience, jwks string
	algorithms          []string
	// tenant and source are fixed, or read from the claims of these names, as agent is.
	identity                             Identity
	tenantClaim, sourceClaim, agentClaim string

	now     func() time.Time
	fetcher fetcher

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
}

// issued says whom a JWT stands for.
func (s *Set) issued(ctx context.Context, token string) (Identity, error) {
	url, err := issuerOf(token)
	if err != nil {
		return Identity{}, refuse(ReasonJWT, "%w", err)
	}
	i, known := s.issuers[url]
	if !known {
		return Identity{}, refuse(ReasonJWT, "its issuer is not trusted")
	}
	return i.identify(ctx, token)
}

// issuerOf reads who says to have issued a JWT, before anything is verified.
func issuerOf(token string) (string, error) {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	data, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return "", errors.New("its payload is not base64url")
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if err := json.Unmarshal(data, &claims); err != nil {
		return "", errors.New("its payload holds no issuer")
	}
	return claims.Issuer, nil
}

func (i *issuer) identify(ctx context.Context, token string) (Identity, error) {
	verifier, err := i.verify(ctx)
	if err != nil {
		return Identity{}, refuse(ReasonUnavailable, "reaching issuer %s: %w", i.url, err)
	}
	verified, err := verifier.Verify(ctx, token)
	var expired *oidc.TokenExpiredError
	switch {
	case errors.As(err, &expired):
		return Identity{}, refuse(ReasonExpired, "the JWT is over")
	case err != nil && i.fetcher.failing.Load():
		return Identity{}, refuse(ReasonUnavailable, "issuer %s: the JWT cannot be verified, and the keys not be fetched anew", i.url)
	case err != nil:
		return Identity{}, refuse(ReasonJWT, "issuer %s: the JWT cannot be verified", i.url)
	}
	var claims map[string]any
	if err := verified.Claims(&claims); err != nil {
		return Identity{}, refuse(ReasonJWT, "issuer %s: its claims cannot be read", i.url)
	}
	who := i.identity
	for _, c := range []struct {
		claim string
		into  *string
		check func(string) bool
	}{
		{i.tenantClaim, &who.Tenant, names.MatchString},
		{i.sourceClaim, &who.Source, names.MatchString},
		{i.agentClaim, &who.Agent, func(s string) bool { return s != "" && len(s) <= maxAgent }},
	} {
		if c.claim == "" {
			continue
		}
		value, _ := claims[c.claim].(string)
		if !c.check(value) {
			return Identity{}, refuse(ReasonJWT, "issuer %s: claim %s is missing or no name", i.url, c.claim)
		}
		*c.into = value
	}
	return who, nil
}

const maxAgent = 1024 // bytes, as the event package bounds an agent's id

// verify is the issuer's verifier; the first call may fetch its discovery document.
func (i *issuer) verify(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.verifier != nil {
		return i.verifier, nil
	}
	// What the verifier fetches later must not end with this request.
	ctx = oidc.ClientContext(context.WithoutCancel(ctx), &http.Client{Timeout: fetchTimeout, Transport: &i.fetcher})
	jwks := i.jwks
	if jwks == "" {
		provider, err := oidc.NewProvider(ctx, i.url)
		if err != nil {
			return nil, err
		}
		var document struct {
			JWKS string `json:"jwks_uri"`
		}
		if err := provider.Claims(&document); err != nil {
			return nil, fmt.Errorf("reading its discovery document: %w", err)
		}
		jwks = document.JWKS
	}
	i.verifier = oidc.NewVerifier(i.url, oidc.NewRemoteKeySet(ctx, jwks), &oidc.Config{
		ClientID: i.audience, SupportedSigningAlgs: slices.Clone(i.algorithms),
		Now: func() time.Time { return i.now().Add(-clockSkew) },
	})
	return i.verifier, nil
}

// fetcher bounds what is fetched from an issuer: a JWT with a key that nobody knows makes the
// verifier ask for the keys anew, and anybody can send one.
type fetcher struct {
	limiter *rate.Limiter
	base    http.RoundTripper
	failing atomic.Bool // what was asked for last did not come
}

// Bounds of what is fetched from an issuer.
const (
	fetchEvery   = 5 * time.Second
	fetchBurst   = 4
	fetchTimeout = 5 * time.Second
	maxFetched   = 1 << 20 // bytes
)

// RoundTrip implements http.RoundTripper.
func (f *fetcher) RoundTrip(r *http.Request) (*http.Response, error) {
	if !f.limiter.Allow() {
		f.failing.Store(true)
		return nil, errors.New("asked too often")
	}
	response, err := f.base.RoundTrip(r)
	f.failing.Store(err != nil || response.StatusCode != http.StatusOK)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what was asked for
	}
	response.Body = body{io.LimitReader(response.Body, maxFetched), response.Body}
	return response, nil
}

// body is a response's, bounded.
type body struct {
	io.Reader
	io.Closer
}
