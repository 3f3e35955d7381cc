package content

import (
	"math"
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Entropy returns the Shannon entropy of a text's bytes, in bits a byte: 0 for the empty text and
// for one of one byte repeated, 8 at most. C. E. Shannon, "A Mathematical Theory of
// Communication" (1948).
func Entropy(text string) float64 {
	var counts [256]int
	for i := range len(text) {
		counts[text[i]]++
	}
	sum := 0.0
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(len(text))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}

// Domain returns the registrable domain of a host by the public suffix list: example.co.uk of
// www.example.co.uk, lower case. A host that has none, such as an address or a suffix itself, is
// returned as it is.
func Domain(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if _, isAddress := address(host); isAddress {
		return host
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return host
	}
	return domain
}

// Address returns the IP address that a host is, in its usual form, however it is written:
// decimal, octal, hexadecimal or short, as inet_aton takes it. A host that is a name gives "".
func Address(host string) string {
	a, ok := address(strings.ToLower(host))
	if !ok {
		return ""
	}
	return a.Unmap().String()
}

// maxAddresses bounds the addresses that are returned of one text.
const maxAddresses = 64

// Addresses returns the IP addresses in a text, in their usual form, in order and once each, at
// most 64. Only dotted quads and IPv6 addresses are looked for: any number could be another form.
func Addresses(text string) []string {
	var found []string
	for word := range strings.FieldsFuncSeq(text, func(c rune) bool {
		return !isHexDigit(c) && c != '.' && c != ':'
	}) {
		word = strings.Trim(word, ".")
		if host, _, isPair := strings.Cut(word, ":"); isPair && strings.Count(word, ":") == 1 {
			word = host
		}
		if len(word) < len("::1") || strings.Count(word, ".") != 3 && strings.Count(word, ":") < 2 {
			continue
		}
		a, err := netip.ParseAddr(word)
		if err != nil {
			continue
		}
		if s := a.Unmap().String(); !contains(found, s) {
			if found = append(found, s); len(found) == maxAddresses {
				break
			}
		}
	}
	return found
}
