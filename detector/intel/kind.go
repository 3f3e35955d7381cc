// Package intel holds lists of indicators: domains, addresses, URLs and digests. It brings each to its
// one form, says whether a value is among them, and finds those that a text mentions. It knows
// nothing of rules.
//
// Membership is a look-up, or as many as a name has labels and the list has lengths of prefixes: never
// a walk over the list.
package intel

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mcpwatch/mcpwatch/content"
)

// Kind says what the values of a list are.
type Kind string

// The kinds. A value of a list without a kind is taken as it is written.
const (
	Plain     Kind = ""
	Domains   Kind = "domains"
	Addresses Kind = "addresses"
	URLs      Kind = "urls"
	Hashes    Kind = "hashes"
)

// Kinds are all kinds but Plain.
func Kinds() []Kind { return []Kind{Domains, Addresses, URLs, Hashes} }

// MaxValue bounds one value, in bytes.
const MaxValue = 4096

// Parse gives a value, as somebody wrote it, its one form. Defanged ones (hxxp://, [.]) are read. The
// error says what is wrong with it.
func (k Kind) Parse(written string) (string, error) {
	switch {
	case len(written) > MaxValue:
		return "", fmt.Errorf("a value of %d bytes, at most %d are read", len(written), MaxValue)
	case !utf8.ValidString(written):
		return "", fmt.Errorf("%q is not UTF-8", written)
	}
	switch k {
	case Domains:
		return parseDomain(refang(written))
	case Addresses:
		return parseAddress(refang(written))
	case URLs:
		return parseURL(refang(written))
	case Hashes:
		_, digits, named := strings.Cut(written, ":")
		if !named {
			digits = written
		}
		if !content.IsDigest(digits) {
			return "", fmt.Errorf("%q is no digest: 32, 40, 56, 64, 96 or 128 hexadecimal digits are", written)
		}
		return strings.ToLower(digits), nil
	case Plain:
		return written, nil
	}
	return "", fmt.Errorf("%q is no kind of list: there are %q", string(k), Kinds())
}

var fangs = strings.NewReplacer("[.]", ".", "(.)", ".", "{.}", ".", "[dot]", ".", "(dot)", ".", "[:]", ":", "[://]", "://", "[:]//", "://")

// refang undoes what keeps people from following an indicator.
func refang(s string) string {
	s = fangs.Replace(strings.TrimSpace(s))
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		if lower := strings.ToLower(scheme); lower == "hxxp" || lower == "hxxps" {
			s = "http" + lower[len("hxxp"):] + "://" + rest
		}
	}
	return s
}

// below begins a value that is every name below one that is a public suffix.
const below = "*."

// parseDomain reads a name, *.NAME or .NAME, or a URL that has nothing behind its host.
func parseDomain(written string) (string, error) {
	name := written
	if _, rest, ok := strings.Cut(written, "://"); ok {
		host, path, _ := strings.Cut(rest, "/")
		if path != "" {
			return "", fmt.Errorf("%q is a URL with a path: a list of kind urls holds those", written)
		}
		name = host
	}
	name, wild := strings.CutPrefix(name, below)
	if !wild {
		name, wild = strings.CutPrefix(name, ".")
	}
	host := content.Host(name)
	switch {
	case content.Address(host) != "":
		return "", fmt.Errorf("%q is an address: a list of kind addresses holds those", written)
	case !isDomain(host):
		return "", fmt.Errorf("%q is no domain name", written)
	case content.IsSuffix(host) && wild:
		return below + host, nil
	case strings.IndexByte(host, '.') < 0:
		return "", fmt.Errorf("%q is no domain name: it has one label", written)
	}
	return host, nil
}

// isDomain holds the syntax of RFC 1035, and underscores, which are in use.
func isDomain(host string) bool {
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// parseAddress reads an address, with or without a port, or a CIDR block. One of IPv4 in IPv6 is IPv4.
func parseAddress(written string) (string, error) {
	if prefix, err := netip.ParsePrefix(written); err == nil {
		a, bits := prefix.Addr(), prefix.Bits()
		if a.Is4In6() {
			if bits < 96 {
				return "", fmt.Errorf("%q is more than IPv4 in IPv6", written)
			}
			a, bits = a.Unmap(), bits-96
		}
		if bits == 0 {
			return "", fmt.Errorf("%q is every address", written)
		}
		prefix = netip.PrefixFrom(a, bits).Masked()
		if prefix.IsSingleIP() {
			return prefix.Addr().String(), nil
		}
		return prefix.String(), nil
	}
	a, err := netip.ParseAddr(strings.Trim(written, "[]"))
	if err != nil {
		withPort, errPort := netip.ParseAddrPort(written)
		if errPort != nil {
			return "", fmt.Errorf("%q is no address and no CIDR block", written)
		}
		a = withPort.Addr()
	}
	return a.Unmap().WithZone("").String(), nil
}

var errNoValue = errors.New("holds no value")

// ParseLine reads a line of an indicator file: a value, of which the part before white space, a comma or
// a semicolon counts (of a URL, in a file that is no CSV, before white space), or of domains a line of a
// hosts file, in which names of one label are the machine's own. Comments and empty lines are not for it.
func (k Kind) ParseLine(line string, csv bool) (values []string, err error) {
	ends := ", \t;"
	if k == URLs && !csv {
		ends = " \t"
	}
	fields := strings.FieldsFunc(line, func(c rune) bool { return strings.ContainsRune(ends, c) })
	if quoted, ok := strings.CutPrefix(line, `"`); ok && k != Plain {
		value, _, closed := strings.Cut(quoted, `"`)
		if !closed {
			return nil, fmt.Errorf("%q opens a quote and does not close it", line)
		}
		fields = []string{value}
	}
	if len(fields) == 0 {
		return nil, errNoValue
	}
	if a, err := netip.ParseAddr(fields[0]); k == Domains && err == nil && len(fields) > 1 && !csv && (a.IsUnspecified() || a.IsLoopback()) {
		fields = ownNames(fields[1:])
	} else {
		fields = fields[:1]
	}
	for _, field := range fields {
		value, err := k.Parse(strings.Trim(field, `"`))
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, nil
}

// ownNames leaves out what a hosts file says of the machine itself, and a comment.
func ownNames(names []string) []string {
	if i := slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, "#") }); i >= 0 {
		names = names[:i]
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return strings.IndexByte(name, '.') < 0 || name == "localhost.localdomain" || name == "0.0.0.0"
	})
}
