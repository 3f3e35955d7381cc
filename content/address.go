package content

import (
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	maxAddresses  = 64
	maxAddressLen = 64
)

// Address returns the IP address that host is, in its usual form, or "" for a name. It
// sees through decimal, octal, hexadecimal and short notations (2130706433, 0177.0.0.1 and
// 0x7f.1 are 127.0.0.1), and through IPv6 that stands for IPv4: mapped, compatible, NAT64
// and 6to4. A port, brackets and a zone may be present, and are left out.
func Address(host string) string {
	a, ok := address(canonical(host))
	if !ok {
		return ""
	}
	return seenThrough(a).String()
}

func seenThrough(a netip.Addr) netip.Addr {
	if a.Is6() {
		if inner, ok := embedded(a); ok && inner.As4()[0] != 0 {
			return inner
		}
	}
	return a
}

// Addresses returns the IP addresses in text, in the form of Address, each once, 64 at the
// most: first those of URLs, in any notation, then those that stand in the text as four
// parts or as IPv6 with a digit, in the order they appear. A version number of four parts
// is one too.
func Addresses(text string) []string {
	var found []string
	for _, host := range Hosts(text) {
		if a := Address(host); a != "" && !slices.Contains(found, a) {
			found = append(found, a)
		}
	}
	for a := range written(text) {
		if len(found) == maxAddresses {
			break
		}
		if s := seenThrough(a).String(); !slices.Contains(found, s) {
			found = append(found, s)
		}
	}
	return found
}

// written yields the addresses that stand in a text as four parts or as IPv6 with a digit.
func written(text string) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for i, dot, colon := 1, 0, 0; i+1 < len(text); {
			dot, colon = nextByte(text, '.', dot, i), nextByte(text, ':', colon, i)
			i = min(dot, colon)
			if i+1 >= len(text) {
				return
			}
			if !insideAddress(text[i-1], text[i], text[i+1]) {
				i++
				continue
			}
			start, end := i, i
			for start > 0 && i-start < maxAddressLen && isAddressByte(text[start-1]) {
				start--
			}
			for end < len(text) && isAddressByte(text[end]) {
				end++
			}
			i = end + 1
			for _, a := range literalAddresses(text[start:end]) {
				if !yield(a) {
					return
				}
			}
		}
	}
}

// insideAddress reports whether c, a dot or a colon between two other bytes, can be inside an
// address.
func insideAddress(before, c, after byte) bool {
	if c == '.' {
		return isHexDigit(before) && '0' <= after && after <= '9'
	}
	return before == ':' && !isWord(after) || (before == ':' || isHexDigit(before)) && (after == ':' || isHexDigit(after))
}

func isHexDigit(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

func isAddressByte(c byte) bool { return isWord(c) || c == '.' || c == ':' || c == '_' }

// literalAddresses reads a word as one address, with or without a port, or as several with
// colons between.
func literalAddresses(word string) []netip.Addr {
	word = strings.TrimRight(word, ".")
	if len(word) > maxAddressLen {
		return nil
	}
	if strings.Count(word, ":") >= 2 {
		for _, s := range []string{word, strings.TrimSuffix(word, ":")} {
			if a, err := netip.ParseAddr(s); err == nil && strings.ContainsAny(s, "0123456789") {
				return []netip.Addr{a.Unmap()}
			}
		}
	}
	var found []netip.Addr
	for part := range strings.SplitSeq(word, ":") {
		if a, ok := address(strings.ToLower(part)); ok && strings.Count(part, ".") == 3 {
			found = append(found, a)
		}
	}
	return found
}

// Internal reports whether host is not on the public Internet: loopback, private,
// link-local, shared (CGNAT), unique-local, unspecified and reserved addresses, cloud
// metadata services, names that never resolve publicly, and public names that carry
// such an address. A port and brackets may be present; addresses may be written in
// decimal, octal or hexadecimal, mapped or translated into IPv6.
func Internal(host string) bool {
	host = canonical(host)
	if a, ok := address(host); ok {
		return internalAddress(a)
	}
	switch host {
	case "localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback", "broadcasthost",
		"metadata", "instance-data", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"localtest.me", "lvh.me", "vcap.me", "lacolhost.com":
		return true
	}
	for _, suffix := range []string{
		".localhost", ".localdomain", ".local", ".internal", ".intranet", ".lan", ".corp", ".home",
		".home.arpa", ".svc", ".localtest.me", ".lvh.me", ".vcap.me", ".lacolhost.com",
	} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return carriesInternal(host)
}

// carriesInternal reports names of the services that answer with the address spelled in
// the name, such as 10.0.0.1.nip.io and app-10-0-0-1.sslip.io.
func carriesInternal(host string) bool {
	for _, service := range []string{".nip.io", ".sslip.io", ".xip.io", ".traefik.me"} {
		name, ok := strings.CutSuffix(host, service)
		if !ok {
			continue
		}
		parts := strings.FieldsFunc(name, func(r rune) bool { return r == '.' || r == '-' })
		for i := 0; i+4 <= len(parts); i++ {
			if a, err := netip.ParseAddr(strings.Join(parts[i:i+4], ".")); err == nil && internalAddress(a) {
				return true
			}
		}
		for _, p := range parts {
			if v, err := strconv.ParseUint(p, 16, 32); err == nil && len(p) == 8 && internalAddress(ipv4(uint32(v))) {
				return true
			}
		}
	}
	return false
}

func internalAddress(a netip.Addr) bool {
	if a.Is6() {
		if inner, ok := embedded(a); ok {
			a = inner
		}
	}
	if a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() ||
		a.IsInterfaceLocalMulticast() || a.IsUnspecified() {
		return true
	}
	if !a.Is4() {
		b := a.As16()
		return b[0] == 0xfe && b[1]&0xc0 == 0xc0 // fec0::/10, the old site-local
	}
	b := a.As4()
	switch {
	case b[0] == 0, b[0] >= 240: // this network; reserved and broadcast
		return true
	case b[0] == 100 && b[1]&0xc0 == 64: // shared address space; Alibaba's metadata service
		return true
	case b[0] == 192 && b[1] == 0 && b[2] == 0: // IETF assignments; Oracle's metadata service
		return true
	case b[0] == 198 && b[1]&0xfe == 18: // benchmarking
		return true
	}
	return a.String() == "168.63.129.16" // Azure's wire server
}

// Where IPv6 has an IPv4 address inside: NAT64 (RFC 6052), IPv4-compatible (RFC 4291), 6to4
// (RFC 3056).
var (
	translated = netip.MustParsePrefix("64:ff9b::/96")
	compatible = netip.MustParsePrefix("::/96")
	tunnelled  = netip.MustParsePrefix("2002::/16")
)

// embedded returns the IPv4 address inside an IPv4-compatible, NAT64 or 6to4 address.
func embedded(a netip.Addr) (netip.Addr, bool) {
	b := a.As16()
	tail := netip.AddrFrom4([4]byte(b[12:16]))
	switch {
	case translated.Contains(a):
		return tail, true
	case compatible.Contains(a) && !a.IsLoopback() && !a.IsUnspecified():
		return tail, true
	case tunnelled.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return a, false
}

// address reads an address as inet_aton does: one to four parts, each decimal, octal or
// hexadecimal, the last filling what is left; or IPv6, with IPv4-mapped ones unmapped.
func address(host string) (netip.Addr, bool) {
	if strings.Contains(host, ":") {
		a, err := netip.ParseAddr(host)
		return a.Unmap().WithZone(""), err == nil
	}
	if host == "" || len(host) > 64 || host[0] < '0' || host[0] > '9' {
		return netip.Addr{}, false
	}
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var v uint64
	for i, part := range parts {
		n, ok := number(part)
		if !ok {
			return netip.Addr{}, false
		}
		if i < len(parts)-1 {
			if n > 255 {
				return netip.Addr{}, false
			}
			v |= n << (24 - 8*i)
			continue
		}
		if n >= 1<<(32-8*i) {
			return netip.Addr{}, false
		}
		v |= n
	}
	return ipv4(uint32(v)), true
}

func number(s string) (uint64, bool) {
	base := 10
	switch {
	case strings.HasPrefix(s, "0x"):
		s, base = s[2:], 16
	case len(s) > 1 && s[0] == '0':
		s, base = s[1:], 8
	}
	if s == "" && base == 16 {
		return 0, true
	}
	n, err := strconv.ParseUint(s, base, 33)
	return n, err == nil
}

func ipv4(v uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}
