package collector

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
)

// Identity is whom a token stands for.
type Identity struct {
	Tenant string
	Source string
}

// TokenHash is the SHA-256 of a bearer token. Tokens themselves are never kept.
type TokenHash [sha256.Size]byte

// Tokens says whom each token stands for.
type Tokens map[TokenHash]Identity

// HashToken hashes a token.
func HashToken(token string) TokenHash { return sha256.Sum256([]byte(token)) }

// names are tenants and sources: they become parts of Kafka keys and NATS subjects.
var names = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// ParseTokens reads a token file, YAML of the form
//
//	tokens:
//	  - {tenant: acme, source: laptops, sha256: 9f86d081…}
//
// where sha256 is the hexadecimal SHA-256 of the token's bytes. It reports every problem.
func ParseTokens(file string, data []byte) (Tokens, error) {
	var doc struct {
		Tokens []struct {
			Tenant string `yaml:"tenant"`
			Source string `yaml:"source"`
			SHA256 string `yaml:"sha256"`
		} `yaml:"tokens"`
	}
	if err := yaml.UnmarshalWithOptions(data, &doc, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("reading tokens from %s: %w", file, err)
	}
	tokens := Tokens{}
	var problems []error
	for i, t := range doc.Tokens {
		problem := func(format string, args ...any) {
			problems = append(problems, fmt.Errorf("%s: tokens[%d]: %w", file, i, fmt.Errorf(format, args...)))
		}
		var hash TokenHash
		if n, err := hex.Decode(hash[:], []byte(strings.ToLower(t.SHA256[:min(len(t.SHA256), hex.EncodedLen(len(hash)))]))); err != nil || n != len(hash) || len(t.SHA256) != hex.EncodedLen(len(hash)) {
			problem("sha256 must be 64 hexadecimal digits")
			continue
		}
		if !names.MatchString(t.Tenant) || !names.MatchString(t.Source) {
			problem("tenant and source must be 1 to 64 letters, digits, _ or -")
			continue
		}
		if _, twice := tokens[hash]; twice {
			problem("the same token stands above")
			continue
		}
		tokens[hash] = Identity{t.Tenant, t.Source}
	}
	if len(doc.Tokens) == 0 {
		problems = append(problems, fmt.Errorf("%s: no token in it", file))
	}
	return tokens, errors.Join(problems...)
}

// identify says who sent a request. Hashing before the look-up leaves nothing for timing
// to reveal of a token.
func (t Tokens) identify(r *http.Request) (Identity, bool) {
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return Identity{}, false
	}
	who, known := t[HashToken(strings.TrimSpace(token))]
	return who, known
}
