package content

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	maxHosts   = 64
	maxHostLen = 253
)

// Hosts returns the hosts of the URLs in s, each once, in the order they appear, 64 at
// the most. Names are in lower case; addresses are in their usual form, however they
// were written: http://0xa9fea9fe/ gives 169.254.169.254.
func Hosts(s string) []string {
	var hosts []string
	for len(hosts) < maxHosts {
		before, rest, ok := strings.Cut(s, "://")
		if !ok {
			break
		}
		s = rest
		if !endsInScheme(before) {
			continue
		}
		host := canonical(authority(rest))
		if host != "" && !contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

func contains(list []string, s string) bool {
	return slices.Contains(list, s)
}

func endsInScheme(s string) bool {
	if s == "" {
		return false
	}
	c := s[len(s)-1] | 0x20
	return 'a' <= c && c <= 'z' || '0' <= s[len(s)-1] && s[len(s)-1] <= '9'
}

// authority returns what stands between "://" and the path, without user and password.
// A backslash ends it, as in browsers.
func authority(s string) string {
	s = s[:min(len(s), 2*maxHostLen)]
	if i := strings.IndexAny(s, "/\\?#\"'`<>(){}|^, \t\r\n"); i >= 0 {
		s = s[:i]
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		s = s[i+1:]
	}
	return s
}

// canonical gives a host its one form: no port, brackets, zone or final dot, percent
// escapes undone, compatibility characters (full-width digits, circled letters) folded,
// lower case, numeric addresses in their usual notation.
func canonical(host string) string {
	if strings.IndexByte(host, '%') >= 0 && !strings.HasPrefix(host, "[") {
		host = Unescape(host)
	}
	host = Normalize(host)
	host = strings.NewReplacer("\u3002", ".", "\uff61", ".").Replace(host)
	host = strings.TrimRight(stripPort(host), ".,;!]*")
	host, _, _ = strings.Cut(host, "%")
	if len(host) > maxHostLen {
		return ""
	}
	if a, ok := address(host); ok {
		return a.String()
	}
	return host
}

func stripPort(host string) string {
	if strings.HasPrefix(host, "[") {
		inside, _, _ := strings.Cut(host[1:], "]")
		return inside
	}
	if strings.Count(host, ":") == 1 {
		host, _, _ = strings.Cut(host, ":")
	}
	return host
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

// embedded returns the IPv4 address inside an IPv4-compatible, NAT64 or 6to4 address.
func embedded(a netip.Addr) (netip.Addr, bool) {
	b := a.As16()
	tail := netip.AddrFrom4([4]byte(b[12:16]))
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a):
		return tail, true
	case netip.MustParsePrefix("::/96").Contains(a) && !a.IsLoopback() && !a.IsUnspecified():
		return tail, true
	case netip.MustParsePrefix("2002::/16").Contains(a):
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
