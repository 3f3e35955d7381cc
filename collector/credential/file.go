package credential

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/goccy/go-yaml"
	"golang.org/x/time/rate"
)

// File is the form of a credentials file, YAML:
//
//	tokens:
//	  - {tenant: acme, source: laptops, sha256: 9f86d081…, agent: laptop-17/claude-code, expires: 2027-01-31T00:00:00Z}
//	certificates:
//	  - {tenant: acme, source: gateways, uri: spiffe://acme/gateway}
//	issuers:
//	  - {issuer: https://id.example, audience: mcpwatch, tenant: acme, source_claim: client_id}
//	quotas:
//	  - {tenant: acme, source: laptops, events: 500, bytes: 1048576, day_bytes: 10737418240}
type File struct {
	Tokens       []Token       `yaml:"tokens,omitempty"`
	Certificates []Certificate `yaml:"certificates,omitempty"`
	Issuers      []Issuer      `yaml:"issuers,omitempty"`
	Quotas       []SourceQuota `yaml:"quotas,omitempty"`
}

// Grant is what every kind of credential says of whom it stands for.
type Grant struct {
	Tenant string `yaml:"tenant,omitempty"`
	Source string `yaml:"source,omitempty"`
	// Agent, where it is given, is the only agent that the credential speaks for.
	Agent string `yaml:"agent,omitempty"`
	// Principals says whether principals that are named are taken for authenticated; without it,
	// they are where no Agent is given.
	Principals *bool `yaml:"principals,omitempty"`
}

// Token is a bearer token that is taken.
type Token struct {
	Grant `yaml:",inline"`
	// SHA256 is the hexadecimal SHA-256 of the token's bytes.
	SHA256 string `yaml:"sha256"`
	// NotBefore and Expires bound when it is taken.
	NotBefore time.Time `yaml:"not_before,omitempty"`
	Expires   time.Time `yaml:"expires,omitempty"`
	// Note is for those who read the file.
	Note string `yaml:"note,omitempty"`
}

// Certificate names client certificates that are taken, by one of their names.
type Certificate struct {
	Grant      `yaml:",inline"`
	URI        string `yaml:"uri,omitempty"`
	DNS        string `yaml:"dns,omitempty"`
	CommonName string `yaml:"common_name,omitempty"`
}

// Issuer is an OpenID Connect issuer whose JWTs are taken.
type Issuer struct {
	Grant    `yaml:",inline"`
	Issuer   string `yaml:"issuer"`
	Audience string `yaml:"audience"`
	// JWKS is where its keys are; without it the issuer's discovery document says so.
	JWKS string `yaml:"jwks,omitempty"`
	// Algorithms of signatures; without them RS256 and ES256.
	Algorithms []string `yaml:"algorithms,omitempty"`
	// These name claims that say what Grant does not.
	TenantClaim string `yaml:"tenant_claim,omitempty"`
	SourceClaim string `yaml:"source_claim,omitempty"`
	AgentClaim  string `yaml:"agent_claim,omitempty"`
}

// SourceQuota is how much a source may send.
type SourceQuota struct {
	Tenant   string  `yaml:"tenant"`
	Source   string  `yaml:"source"`
	Events   float64 `yaml:"events,omitempty"`
	Bytes    float64 `yaml:"bytes,omitempty"`
	DayBytes int64   `yaml:"day_bytes,omitempty"`
}

// ParseFile reads a credentials file. name is for errors.
func ParseFile(name string, data []byte) (File, error) {
	var f File
	if err := yaml.UnmarshalWithOptions(data, &f, yaml.Strict()); err != nil {
		return File{}, fmt.Errorf("reading credentials from %s: %w", name, err)
	}
	return f, nil
}

// Parse reads a credentials file for Identify, and reports every problem of it. now is the clock.
func Parse(name string, data []byte, now func() time.Time) (*Set, error) {
	f, err := ParseFile(name, data)
	if err != nil {
		return nil, err
	}
	b := builder{name: name, now: now, set: &Set{
		now: now, tokens: map[Hash]token{}, issuers: map[string]*issuer{}, quotas: map[source]Quota{},
	}}
	for i := range f.Tokens {
		b.at("tokens", i)
		b.token(&f.Tokens[i])
	}
	for i := range f.Certificates {
		b.at("certificates", i)
		b.certificate(&f.Certificates[i])
	}
	for i := range f.Issuers {
		b.at("issuers", i)
		b.issuer(&f.Issuers[i])
	}
	for i, q := range f.Quotas {
		b.at("quotas", i)
		b.quota(q)
	}
	if err := errors.Join(b.problems...); err != nil {
		return nil, err
	}
	return b.set, nil
}

// builder makes a set of a file.
type builder struct {
	name, place string
	now         func() time.Time
	set         *Set
	problems    []error
}

func (b *builder) at(list string, i int) { b.place = fmt.Sprintf("%s: %s[%d]", b.name, list, i) }

func (b *builder) problem(format string, args ...any) {
	b.problems = append(b.problems, fmt.Errorf("%s: %w", b.place, fmt.Errorf(format, args...)))
}

// identity is what a grant says; claimed are the names that claims say instead.
func (b *builder) identity(g Grant, tenantClaimed, sourceClaimed bool) Identity {
	for _, n := range []struct {
		field, value string
		claimed      bool
	}{{"tenant", g.Tenant, tenantClaimed}, {"source", g.Source, sourceClaimed}} {
		if !names.MatchString(n.value) && (!n.claimed || n.value != "") {
			b.problem("%s must be 1 to 64 letters, digits, _ or -", n.field)
		}
	}
	if len(g.Agent) > maxAgent {
		b.problem("agent has %d bytes, at most %d are taken", len(g.Agent), maxAgent)
	}
	trusted := g.Agent == ""
	if g.Principals != nil {
		trusted = *g.Principals
	}
	return Identity{Tenant: g.Tenant, Source: g.Source, Agent: g.Agent, Principals: trusted}
}

func (b *builder) token(t *Token) {
	who := b.identity(t.Grant, false, false)
	var hash Hash
	if len(t.SHA256) != hex.EncodedLen(len(hash)) {
		b.problem("sha256 must be 64 hexadecimal digits")
		return
	}
	if _, err := hex.Decode(hash[:], []byte(strings.ToLower(t.SHA256))); err != nil {
		b.problem("sha256 must be 64 hexadecimal digits")
		return
	}
	if _, twice := b.set.tokens[hash]; twice {
		b.problem("the same token stands above")
	}
	if !t.Expires.IsZero() && !t.Expires.After(t.NotBefore) {
		b.problem("expires is before not_before: the token would never be valid")
	}
	b.set.tokens[hash] = token{who, t.NotBefore, t.Expires}
}

func (b *builder) certificate(c *Certificate) {
	made := certificate{Identity: b.identity(c.Grant, false, false)}
	given := 0
	for _, n := range []struct {
		kind nameKind
		name string
	}{{nameURI, c.URI}, {nameDNS, c.DNS}, {nameCommon, c.CommonName}} {
		if n.name != "" {
			given++
			made.kind, made.name = n.kind, n.name
		}
	}
	if given != 1 {
		b.problem("must have one of uri, dns and common_name")
		return
	}
	if slices.ContainsFunc(b.set.certificates, func(o certificate) bool { return o.kind == made.kind && o.name == made.name }) {
		b.problem("the same name stands above")
	}
	b.set.certificates = append(b.set.certificates, made)
}

func (b *builder) issuer(i *Issuer) {
	who := b.identity(i.Grant, i.TenantClaim != "", i.SourceClaim != "")
	if i.AgentClaim != "" && i.Principals == nil {
		who.Principals = false
	}
	if i.TenantClaim != "" && i.Tenant != "" || i.SourceClaim != "" && i.Source != "" || i.AgentClaim != "" && i.Agent != "" {
		b.problem("tenant, source and agent are each given, or read from a claim, not both")
	}
	for _, u := range []struct{ field, value string }{{"issuer", i.Issuer}, {"jwks", i.JWKS}} {
		if u.value != "" && !isWebAddress(u.value) {
			b.problem("%s must be an https:// URL, or http:// on this machine", u.field)
		}
	}
	if i.Issuer == "" || i.Audience == "" {
		b.problem("issuer and audience are needed: without an audience any token of the issuer would do")
	}
	signatures := i.Algorithms
	if len(signatures) == 0 {
		signatures = []string{oidc.RS256, oidc.ES256}
	}
	for _, a := range signatures {
		if !slices.Contains(algorithms, a) {
			b.problem("algorithm %q is not taken, there are %s", a, strings.Join(algorithms, ", "))
		}
	}
	if _, twice := b.set.issuers[i.Issuer]; twice {
		b.problem("the same issuer stands above")
	}
	b.set.issuers[i.Issuer] = &issuer{
		url: i.Issuer, audience: i.Audience, jwks: i.JWKS, algorithms: signatures, identity: who,
		tenantClaim: i.TenantClaim, sourceClaim: i.SourceClaim, agentClaim: i.AgentClaim,
		now:     b.now,
		fetcher: fetcher{limiter: rate.NewLimiter(rate.Every(fetchEvery), fetchBurst), base: http.DefaultTransport},
	}
}

// isWebAddress reports whether keys can be fetched from an address that nobody can change on the way.
func isWebAddress(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return false
	}
	host := u.Hostname()
	return u.Scheme == "https" || u.Scheme == "http" && (host == "localhost" || host == "127.0.0.1" || host == "::1")
}

func (b *builder) quota(q SourceQuota) {
	if !names.MatchString(q.Tenant) || !names.MatchString(q.Source) {
		b.problem("tenant and source must be 1 to 64 letters, digits, _ or -")
	}
	if q.Events < 0 || q.Bytes < 0 || q.DayBytes < 0 {
		b.problem("events, bytes and day_bytes must not be negative")
	}
	key := source{q.Tenant, q.Source}
	if _, twice := b.set.quotas[key]; twice {
		b.problem("the same source stands above")
	}
	b.set.quotas[key] = Quota{q.Events, q.Bytes, q.DayBytes}
}
