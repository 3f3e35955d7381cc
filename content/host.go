package content

import (
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

const (
	maxHosts   = 64
	maxWritten = 128
	maxHostLen = 253
	maxURLs    = 64
	maxURLLen  = 2048
	maxScheme  = 32
)

// URLs returns the URLs with a scheme and "://" in text, each once, as they are written,
// in the order they appear: 64 at the most, each cut after 2,048 bytes. One ends at white
// space, a quote, a backslash, a bracket that is neither round nor around an address, or | or ^; punctuation
// at its end is the sentence's. A URL inside another is a part of it.
func URLs(text string) []string { return first(EachURL(text), maxURLs) }

// EachURL yields what URLs returns, and all of it, each as often as it is there.
func EachURL(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for from := 0; ; {
			i := strings.Index(text[from:], "://")
			if i < 0 {
				return
			}
			i += from
			start := schemeStart(text, from, i)
			from = i + len("://")
			if start == i {
				continue
			}
			from = urlEnd(text, from)
			url := strings.TrimRight(text[start:cutBefore(text, min(from, start+maxURLLen))], ".,;:!?)*")
			if len(url) > i-start+len("://") && !yield(url) {
				return
			}
		}
	}
}

// urlEnd returns where the URL ends whose host begins at an offset, behind user and password. Brackets
// are a part of it around an address of IPv6 alone.
func urlEnd(text string, from int) int {
	end := from
	for end < len(text) && !endsURL[text[end]] {
		end++
	}
	if end == len(text) || text[end] != '[' || end > from && (text[end-1] != '@' || strings.IndexByte(text[from:end], '/') >= 0) {
		return end
	}
	inside, _, closed := strings.Cut(text[end+1:min(len(text), end+maxAddressLen)], "]")
	if !closed || strings.Count(inside, ":") < 2 || strings.IndexFunc(inside, func(c rune) bool { return c > 0x7f || !isAddressByte(byte(c)) && c != '%' }) >= 0 {
		return end
	}
	for end += len(inside) + len("[]"); end < len(text) && !endsURL[text[end]]; {
		end++
	}
	return end
}

// schemeStart returns where the scheme begins that ends before offset i, not before from;
// i where there is none.
func schemeStart(s string, from, i int) int {
	start := i
	for j := i; j > from && i-j < maxScheme && isSchemeByte(s[j-1]); j-- {
		if c := s[j-1] | 0x20; 'a' <= c && c <= 'z' { // it begins with a letter
			start = j - 1
		}
	}
	return start
}

func isSchemeByte(c byte) bool { return isWord(c) || c == '+' || c == '-' || c == '.' }

// endsURL and endsAuthority have the bytes at which a URL, or what stands between "://" and
// the path, ends. A backslash does, as in browsers.
var (
	endsURL       = bytesOf("\\\"'`<>{}[]|^ ", true)
	endsAuthority = bytesOf("/\\?#\"'`<>(){}|^, \t\r\n", false)
)

// bytesOf returns the set of the bytes of s and, if controls, of the ASCII controls.
func bytesOf(s string, controls bool) (set [256]bool) {
	for i := range len(s) {
		set[s[i]] = true
	}
	for c := range 0x20 {
		set[c] = set[c] || controls
	}
	return set
}

// Hosts returns the hosts of the URLs in s, also of those inside others, each once, in the
// order they appear, 64 at the most, of the first 128 ways of writing one. Names are in
// lower case and in ASCII (punycode); addresses are in their usual form, however they were
// written: http://0xa9fea9fe/ gives 169.254.169.254.
func Hosts(s string) []string {
	var hosts []string
	written := map[string]struct{}{} // text repeats them, and to make one canonical takes a while
	for len(hosts) < maxHosts {
		before, rest, ok := strings.Cut(s, "://")
		if !ok {
			break
		}
		s = rest
		if before == "" || !isWord(before[len(before)-1]) {
			continue
		}
		as := authority(rest)
		if _, again := written[as]; again {
			continue
		}
		if len(written) == maxWritten {
			break
		}
		written[as] = struct{}{}
		host := canonical(as)
		if host != "" && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// Domain returns the registrable domain of host, the public suffix and one label before
// it: example.co.uk for www.example.co.uk. Suffixes are those of the Public Suffix List,
// also its private part (alice.github.io is a domain), of the version that the module
// golang.org/x/net/publicsuffix has. Addresses, names of one label and suffixes themselves
// have none: the answer is the host. Host may be written as Hosts accepts it, with a port,
// and the answer is as Hosts gives it.
func Domain(host string) string {
	host = canonical(host)
	if domain := registrable(host); domain != "" {
		return domain
	}
	return host
}

// Subdomain returns what stands before the registrable domain of host: a.b for
// a.b.example.com. It is "" where nothing does or there is no such domain. Data that
// leaves by DNS is in it.
func Subdomain(host string) string {
	host = canonical(host)
	domain := registrable(host)
	if domain == "" {
		return ""
	}
	return strings.TrimSuffix(host[:len(host)-len(domain)], ".")
}

// registrable returns the registrable domain of a host in its canonical form, "" where it
// has none.
func registrable(host string) string {
	if _, ok := address(host); ok || !isName(host) {
		return ""
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return ""
	}
	if _, ok := address(domain); ok { // no address after all, as 256.1.1.1, but no name either
		return ""
	}
	return domain
}

func isName(host string) bool {
	for i := range len(host) {
		if c := host[i]; !isWord(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return host != ""
}

// authority returns what stands between "://" and the path, without user and password.
func authority(s string) string {
	s = s[:min(len(s), 2*maxHostLen)]
	end := 0
	for end < len(s) && !endsAuthority[s[end]] {
		end++
	}
	return s[strings.LastIndexByte(s[:end], '@')+1 : end]
}

// canonical gives a host its one form: no port, brackets, zone or final dot, percent
// escapes undone, compatibility characters (full-width digits, circled letters) folded,
// lower case, in punycode, numeric addresses in their usual notation. It is "" for what
// is longer than a host can be.
func canonical(host string) string {
	if len(host) > 4*maxHostLen {
		return ""
	}
	if strings.IndexByte(host, '%') >= 0 && !strings.HasPrefix(host, "[") {
		host = Unescape(host)
	}
	host = Normalize(host)
	ascii := isASCII(host)
	if !ascii {
		host = strings.ReplaceAll(host, "\u3002", ".")
	}
	host = strings.TrimRight(stripPort(host), ".,;!]*")
	host, _, _ = strings.Cut(host, "%")
	if !ascii && isShort(host) {
		if name, err := idna.Punycode.ToASCII(host); err == nil {
			host = name
		}
	}
	if len(host) > maxHostLen {
		return ""
	}
	if a, ok := address(host); ok {
		return a.String()
	}
	return host
}

// isShort reports names of which labels are short enough to be encoded, which takes time
// quadratic in their length. Most longer ones are no names: in punycode a label has at
// most 63 bytes, too.
func isShort(host string) bool {
	const longestLabel, longest = 63, 128
	for label := range strings.SplitSeq(host, ".") {
		if len(label) > longestLabel {
			return false
		}
	}
	return len(host) <= longest
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
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
