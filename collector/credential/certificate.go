package credential

import (
	"crypto/x509"
	"slices"
)

// certificate says whom client certificates stand for that have a name.
type certificate struct {
	Identity
	kind nameKind
	name string
}

type nameKind int

const (
	nameURI nameKind = iota
	nameDNS
	nameCommon
)

// certified says whom a verified chain's first certificate stands for: the first entry that names it.
func (s *Set) certified(chains [][]*x509.Certificate) (Identity, error) {
	if len(chains[0]) == 0 {
		return Identity{}, refuse(ReasonCertificate, "an empty chain")
	}
	leaf := chains[0][0]
	for _, c := range s.certificates {
		if c.names(leaf) {
			return c.Identity, nil
		}
	}
	return Identity{}, refuse(ReasonCertificate, "the client certificate stands for no source")
}

func (c *certificate) names(leaf *x509.Certificate) bool {
	switch c.kind {
	case nameURI:
		for _, u := range leaf.URIs {
			if u.String() == c.name {
				return true
			}
		}
		return false
	case nameDNS:
		return slices.Contains(leaf.DNSNames, c.name)
	default:
		return leaf.Subject.CommonName == c.name
	}
}
