package redact

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/mcpwatch/mcpwatch/content"
)

// Key makes the digests of a site.
type Key struct {
	id     string
	secret []byte
}

// keyBytes is the length of a key.
const keyBytes = 32

// NewKeyText is a new key as it stands in a key file.
func NewKeyText() string {
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // it cannot fail
	return base64.StdEncoding.EncodeToString(key)
}

// ParseKeys reads a key file: a key a line, 32 bytes in base64, the one in use first; empty lines and
// those that begin with # are left out. The error tells nothing of the keys.
func ParseKeys(text string) ([]Key, error) {
	var keys []Key
	n := 0
	for line := range strings.Lines(text) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		secret, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(secret) != keyBytes {
			return nil, fmt.Errorf("line %d is no key: a key is %d random bytes in base64", n, keyBytes)
		}
		id := sha256.Sum256(append([]byte("mcpwatch redaction key\x00"), secret...))
		keys = append(keys, Key{id: hex.EncodeToString(id[:4]), secret: secret})
	}
	if len(keys) == 0 {
		return nil, errors.New("holds no key")
	}
	return keys, nil
}

// sum is HMAC-SHA-256 (RFC 2104, FIPS 180-4) over a purpose and a text.
func (k *Key) sum(purpose, text string) string {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write([]byte(purpose))
	mac.Write([]byte{0})
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// marker is the marker of a value that is taken out. Its digest is of the value alone, so that one
// value is known wherever and as whatever it was found.
func (p *Policy) marker(kind, value string) string {
	k := &p.keys[0]
	m := content.Marker{Kind: kind, Length: len(value), Key: k.id, Digest: k.sum("value", value)[:32]}
	m.Seal = k.seal(m)
	return m.String()
}

func (k *Key) seal(m content.Marker) string {
	return k.sum("marker", m.Kind+" "+strconv.Itoa(m.Length)+" "+m.Digest)[:16]
}

// made reports whether a marker was made with one of our keys.
func (p *Policy) made(m content.Marker) bool {
	for i := range p.keys {
		if k := &p.keys[i]; k.id == m.Key {
			return hmac.Equal([]byte(k.seal(m)), []byte(m.Seal))
		}
	}
	return false
}
