package tap

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/mcpwatch/mcpwatch/event"
)

const (
	maxClaims = 16 << 10 // bytes of a JWT that are read
	maxScopes = 64
	maxChain  = 16
)

// bearer is what a request's Authorization says of who sends it: the digest of the token, never the
// token, and the claims of a JWT. Nothing of it is verified.
func bearer(authorization string) (p event.Principal) {
	scheme, token, _ := strings.Cut(authorization, " ")
	token = strings.TrimSpace(token)
	if token == "" || !strings.EqualFold(scheme, "bearer") {
		return p
	}
	sum := sha256.Sum256([]byte(token))
	p.Token = "sha256:" + hex.EncodeToString(sum[:])
	parts := strings.Split(token, ".")
	if len(token) > maxClaims || len(parts) != 3 {
		return p
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return p
	}
	var parser event.Parser
	claims, err := parser.ParseValue(payload)
	if err != nil {
		return p
	}
	p.Subject, p.Issuer = bounded(claims.Get("sub").Text()), bounded(claims.Get("iss").Text())
	p.ClientID = bounded(claims.Get("client_id").Text())
	if p.ClientID == "" {
		p.ClientID = bounded(claims.Get("azp").Text())
	}
	p.Audience = bounded(strings.Join(texts(claims.Get("aud"), maxChain), " "))
	for _, text := range texts(claims.Get("scope"), maxScopes) {
		p.Scopes = append(p.Scopes, strings.Fields(bounded(text))...)
	}
	p.Scopes = p.Scopes[:min(len(p.Scopes), maxScopes)]
	p.Issued, p.Expires = seconds(claims.Get("iat")), seconds(claims.Get("exp"))
	for act := claims.Get("act"); act.Exists() && len(p.Chain) < maxChain; act = act.Get("act") {
		p.Chain = append(p.Chain, bounded(act.Get("sub").Text()))
	}
	return p
}

// texts is a text, or those of a list.
func texts(v event.Value, most int) (list []string) {
	if v.Kind() == event.String {
		return []string{v.Text()}
	}
	for item := range v.Items() {
		if len(list) == most {
			break
		}
		if text := item.Text(); text != "" {
			list = append(list, text)
		}
	}
	return list
}

// seconds is a NumericDate (RFC 7519) of the years 1970 to 9999, or no time.
func seconds(v event.Value) time.Time {
	const year10000 = 253402300800
	s, ok := v.Float()
	if !ok || s < 1 || s >= year10000 {
		return time.Time{}
	}
	return time.Unix(int64(s), 0).UTC()
}
