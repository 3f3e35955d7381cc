package content

import (
	"iter"
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Host gives a host its one form: no port, brackets, zone or final dot, lower case, in punycode, numeric
// addresses in their usual notation. It is "" for what is longer than a host can be.
func Host(host string) string { return canonical(host) }

// IsSuffix reports whether a host in its one form is a public suffix, under which anyone can have a
// name: com, co.uk, github.io.
func IsSuffix(host string) bool {
	suffix, _ := publicsuffix.PublicSuffix(host)
	return suffix == host
}

// Names yields the names in text that have a dot in them, in URLs or not, in lower case and punycode:
// those that are a word of letters, digits, "-", "_" and dots, however many and however often,
// of those that are not ASCII the first 128, and then the other hosts of URLs, as Hosts gives them.
func Names(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		odd := 0
		for dot := nextByte(text, '.', 0, 0); dot < len(text); {
			start, end := dot, dot
			for start > 0 && isNameByte[text[start-1]] {
				start--
			}
			for end < len(text) && isNameByte[text[end]] {
				end++
			}
			dot = nextByte(text, '.', 0, end)
			name := strings.Trim(text[start:end], ".-")
			if strings.IndexByte(name, '.') < 0 || len(name) > 2*maxHostLen {
				continue
			}
			if isASCII(name) {
				name = strings.ToLower(name)
			} else if odd++; odd > maxWritten {
				continue
			} else {
				name = canonical(name)
			}
			if name != "" && len(name) <= maxHostLen && !yield(name) {
				return
			}
		}
		for _, host := range Hosts(text) {
			if !yield(host) {
				return
			}
		}
	}
}

// isNameByte has the bytes of names, all that are not ASCII among them.
var isNameByte = func() (set [256]bool) {
	for c := range 256 {
		set[c] = isWord(byte(c)) || c == '-' || c == '_' || c == '.' || c >= 0x80
	}
	return set
}()

// Domains returns the names that Names yields, addresses aside, each once, 64 at the most.
func Domains(text string) []string {
	return first(func(yield func(string) bool) {
		for name := range Names(text) {
			if _, is := address(name); !is && strings.IndexByte(name, '.') >= 0 && !yield(name) {
				return
			}
		}
	}, maxHosts)
}

// Hashes returns the digests in text, in lower case, each once, 64 at the most. See Digests.
func Hashes(text string) []string { return first(Digests(text), maxHosts) }

// first returns the first different values of a sequence.
func first(all iter.Seq[string], most int) []string {
	var values []string
	seen := map[string]struct{}{}
	for value := range all {
		if _, again := seen[value]; again {
			continue
		}
		seen[value] = struct{}{}
		if values = append(values, value); len(values) == most {
			break
		}
	}
	return values
}

// NumericHosts yields the IP addresses in text: of URLs, in any notation, those that Hosts gives,
// and all that stand in the text as Addresses reads them. One of IPv6 that stands for one
// of IPv4 is followed by that.
func NumericHosts(text string) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		both := func(a netip.Addr) bool {
			inner := seenThrough(a)
			return yield(a) && (inner == a || yield(inner))
		}
		for _, host := range Hosts(text) {
			if a, ok := address(host); ok && !both(a) {
				return
			}
		}
		for a := range written(text) {
			if !both(a) {
				return
			}
		}
	}
}

// minDigest is how many digits the shortest digest has.
const minDigest = 32

// IsDigest reports whether s has as many hexadecimal digits as MD5, SHA-1 or one of SHA-2 gives.
func IsDigest(s string) bool {
	for i := range len(s) {
		if !isHexDigit(s[i]) {
			return false
		}
	}
	switch len(s) {
	case minDigest, 40, 56, 64, 96, 128:
		return true
	}
	return false
}

// Digests yields the words of text that are digests, in lower case.
func Digests(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := 0; i+minDigest <= len(text); {
			// Most bytes are never looked at, as in Decoded.
			j := i + minDigest - 1
			for j >= i && isHexDigit(text[j]) {
				j--
			}
			if j >= i {
				i = j + 1
				continue
			}
			end := i + minDigest
			for end < len(text) && isHexDigit(text[end]) {
				end++
			}
			whole := (i == 0 || !isWord(text[i-1])) && (end == len(text) || !isWord(text[end]))
			if whole && IsDigest(text[i:end]) && !yield(strings.ToLower(text[i:end])) {
				return
			}
			i = end
		}
	}
}
