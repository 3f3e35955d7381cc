package deadletter

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Recipient is the public key to which the bytes of dead letters are sealed: whoever has only it, as a
// collector, or nothing, as a broker, cannot read them.
type Recipient struct{ key hpke.PublicKey }

// Opener is the private key, which unseals them.
type Opener struct{ key hpke.PrivateKey }

// Sealed is HPKE (RFC 9180), base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305.
func suite() (hpke.KEM, hpke.KDF, hpke.AEAD) {
	return hpke.DHKEM(ecdh.X25519()), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305()
}

// What keys begin with in their files, so that one is not taken for the other.
const (
	publicSign  = "mcpwatch-dead-letters-public:"
	privateSign = "mcpwatch-dead-letters-private:"
)

// NewKeyText makes a private key as it stands in its file.
func NewKeyText() (string, error) {
	kem, _, _ := suite()
	key, err := kem.GenerateKey()
	if err != nil {
		return "", fmt.Errorf("making a key for dead letters: %w", err)
	}
	secret, err := key.Bytes()
	if err != nil {
		return "", fmt.Errorf("making a key for dead letters: %w", err)
	}
	return privateSign + base64.StdEncoding.EncodeToString(secret), nil
}

// ParseOpener reads a private key. The error tells nothing of it.
func ParseOpener(text string) (*Opener, error) {
	secret, err := keyBytes(text, privateSign)
	if err != nil {
		return nil, err
	}
	kem, _, _ := suite()
	key, err := kem.NewPrivateKey(secret)
	if err != nil {
		return nil, errors.New("is no private key of dead letters")
	}
	return &Opener{key}, nil
}

// ParseRecipient reads a public key.
func ParseRecipient(text string) (*Recipient, error) {
	public, err := keyBytes(text, publicSign)
	if err != nil {
		return nil, err
	}
	kem, _, _ := suite()
	key, err := kem.NewPublicKey(public)
	if err != nil {
		return nil, errors.New("is no public key of dead letters")
	}
	return &Recipient{key}, nil
}

func keyBytes(text, sign string) ([]byte, error) {
	encoded, found := strings.CutPrefix(strings.TrimSpace(text), sign)
	if !found {
		return nil, fmt.Errorf("is no key of dead letters that begins with %s", sign)
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("is no key of dead letters: what follows %s is no base64", sign)
	}
	return key, nil
}

// Recipient is the public key of the private one.
func (o *Opener) Recipient() *Recipient { return &Recipient{o.key.PublicKey()} }

// String is the public key as it stands in its file.
func (r *Recipient) String() string {
	return publicSign + base64.StdEncoding.EncodeToString(r.key.Bytes())
}

// seal seals bytes together with what they are bound to.
func (r *Recipient) seal(data, bound []byte) ([]byte, error) {
	_, kdf, aead := suite()
	sealed, err := hpke.Seal(r.key, kdf, aead, bound, data)
	if err != nil {
		return nil, fmt.Errorf("sealing a dead letter: %w", err)
	}
	return sealed, nil
}

// Open gives the bytes of a letter. The error is for one that was sealed to another key, or of which
// anything was changed that says where its bytes came from.
func (o *Opener) Open(l *Letter) ([]byte, error) {
	if !l.Sealed {
		return l.Data, nil
	}
	_, kdf, aead := suite()
	data, err := hpke.Open(o.key, kdf, aead, l.bound(), l.Data)
	if err != nil {
		return nil, fmt.Errorf("unsealing dead letter %s: it was sealed to another key, or changed", l.ID)
	}
	return data, nil
}
