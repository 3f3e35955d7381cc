// Package credential says who sends events to a collector, by what they present: a bearer token, a
// JWT of an issuer that is trusted, or a client certificate.
//
// Tenant and source always come from the credential, never from what is sent. A request is
// identified by one credential, the Authorization header where there is one; a wrong one is refused
// and never falls through to another.
package credential

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Identity is whom a credential stands for.
type Identity struct {
	// Tenant and Source, 1 to 64 letters, digits, _ or -, own what is sent.
	Tenant, Source string
	// Agent is the only agent that the credential speaks for; "" where it may name any, as a
	// gateway does.
	Agent string
	// Principals says that the credential is trusted to have authenticated the principals that it
	// names, as a gateway's is and a laptop's is not.
	Principals bool
}

// Presented is what a sender shows of itself.
type Presented struct {
	// Authorization is the header, or gRPC's metadata, of that name.
	Authorization string
	// Chains are the certificate chains of the connection that TLS has verified.
	Chains [][]*x509.Certificate
}

// RefusedError says why a credential is not taken. It names nothing of the credential.
type RefusedError struct {
	// Reason is one of the Reason constants, for counting.
	Reason string
	err    error
}

// The reasons of a RefusedError.
const (
	ReasonMissing     = "missing"     // nothing was presented
	ReasonScheme      = "scheme"      // the Authorization header holds no bearer token
	ReasonToken       = "token"       // the token is not known
	ReasonExpired     = "expired"     // the token or JWT is over, or not yet valid
	ReasonJWT         = "jwt"         // the JWT is not one of a trusted issuer, or says too little
	ReasonUnavailable = "unavailable" // the issuer's keys could not be fetched
	ReasonCertificate = "certificate" // the certificate stands for nobody
)

// maxAuthorization bounds the header that is looked at, in bytes.
const maxAuthorization = 16 << 10

func (r *RefusedError) Error() string {
	return fmt.Sprintf("the credential is refused (%s): %v", r.Reason, r.err)
}

func (r *RefusedError) Unwrap() error { return r.err }

func refuse(reason, format string, args ...any) error {
	return &RefusedError{Reason: reason, err: fmt.Errorf(format, args...)}
}

// Temporary reports whether the same credential may be taken later: the sender is to try again.
func Temporary(err error) bool {
	r, ok := errors.AsType[*RefusedError](err)
	return ok && r.Reason == ReasonUnavailable
}

// Set is the credentials that are taken. It is safe for concurrent use and does not change.
type Set struct {
	now          func() time.Time
	tokens       map[Hash]token
	certificates []certificate
	issuers      map[string]*issuer
	quotas       map[source]Quota
}

// Hash is the SHA-256 of a bearer token. Tokens themselves are never kept.
type Hash [sha256.Size]byte

// HashOf hashes a token.
func HashOf(token string) Hash { return sha256.Sum256([]byte(token)) }

type token struct {
	Identity
	notBefore, expires time.Time // zero: no bound
}

type source struct{ tenant, source string }

// names are tenants and sources: they become parts of Kafka keys and NATS subjects.
var names = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Single is a set of one token, for one machine.
func Single(bearer string, who Identity) *Set {
	return &Set{now: time.Now, tokens: map[Hash]token{HashOf(bearer): {Identity: who}}}
}

// Identify says who presents what. The error is a *RefusedError.
func (s *Set) Identify(ctx context.Context, p Presented) (Identity, error) {
	if p.Authorization == "" {
		if len(p.Chains) > 0 {
			return s.certified(p.Chains)
		}
		return Identity{}, refuse(ReasonMissing, "no bearer token and no client certificate")
	}
	scheme, presented, found := strings.Cut(p.Authorization, " ")
	if presented = strings.TrimSpace(presented); !found || presented == "" || len(p.Authorization) > maxAuthorization || !strings.EqualFold(scheme, "Bearer") {
		return Identity{}, refuse(ReasonScheme, "no bearer token")
	}
	// Hashing before the look-up leaves nothing for timing to reveal of a token.
	if t, known := s.tokens[HashOf(presented)]; known {
		now := s.now()
		if !t.notBefore.IsZero() && now.Before(t.notBefore) || !t.expires.IsZero() && !now.Before(t.expires) {
			return Identity{}, refuse(ReasonExpired, "the token of source %s is not valid at this time", t.Source)
		}
		return t.Identity, nil
	}
	if len(s.issuers) > 0 && strings.Count(presented, ".") == 2 {
		return s.issued(ctx, presented)
	}
	return Identity{}, refuse(ReasonToken, "the token is not known")
}

// empty reports whether nobody is taken.
func (s *Set) empty() bool { return len(s.tokens)+len(s.certificates)+len(s.issuers) == 0 }

// Quota is how much a source may send; 0 is no bound of its own.
type Quota struct {
	// Events and Bytes are those of a second, on average.
	Events, Bytes float64
	// DayBytes are those of a day, from midnight UTC on.
	DayBytes int64
}

// Quota is the one that is set for an identity's source, and whether one is.
func (s *Set) Quota(who Identity) (Quota, bool) {
	q, set := s.quotas[source{who.Tenant, who.Source}]
	return q, set
}

// IsName reports whether a text can be a tenant or a source.
func IsName(text string) bool { return names.MatchString(text) }
