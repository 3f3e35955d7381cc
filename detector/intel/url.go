package intel

import (
	"fmt"
	"strings"

	"github.com/mcpwatch/mcpwatch/content"
)

// parseURL gives a URL its one form (RFC 3986, 6.2): scheme and host in lower case, the host in the form
// of content.Host, no user, no default port, no fragment, no dots among the parts of its path, and
// percent escapes of letters and digits undone, others in capitals.
func parseURL(written string) (string, error) {
	scheme, rest, ok := strings.Cut(written, "://")
	if !ok || scheme == "" {
		return "", fmt.Errorf("%q is no URL: it has no scheme://", written)
	}
	scheme = strings.ToLower(scheme)
	rest, _, _ = strings.Cut(rest, "#")
	end := strings.IndexAny(rest, `/?\`)
	if end < 0 {
		end = len(rest)
	}
	authority, rest := rest[:end], rest[end:]
	authority = authority[strings.LastIndexByte(authority, '@')+1:]
	host := content.Host(authority)
	if content.Address(host) == "" && !isDomain(host) || strings.ContainsAny(rest, " \t\r\n") {
		return "", fmt.Errorf("%q is no URL: it has no host, or white space", written)
	}
	if strings.IndexByte(host, ':') >= 0 {
		host = "[" + host + "]"
	}
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		if port := strings.TrimLeft(authority[i+1:], "0"); port != "" && port != usualPort[scheme] {
			host += ":" + port
		}
	}
	path, query, asks := strings.Cut(rest, "?")
	path = withoutDots(escapes(strings.ReplaceAll(path, `\`, "/")))
	if asks {
		path += "?" + escapes(query)
	}
	return scheme + "://" + host + path, nil
}

var usualPort = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}

// escapes undoes percent escapes of what needs none, and writes others in capitals.
func escapes(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c, ok := escapeAt(s, i)
		switch {
		case !ok:
			b.WriteByte(s[i])
			continue
		case 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteString(strings.ToUpper(s[i : i+3]))
		}
		i += 2
	}
	return b.String()
}

func escapeAt(s string, i int) (byte, bool) {
	if s[i] != '%' || i+2 >= len(s) {
		return 0, false
	}
	high, low := strings.IndexByte(digits, s[i+1]|0x20), strings.IndexByte(digits, s[i+2]|0x20)
	return byte(high<<4 | low), high >= 0 && low >= 0
}

// digits are hexadecimal, for what has the bit of small letters set, which the digits 0 to 9 have.
const digits = "0123456789abcdef"

// withoutDots takes "." and ".." out of the parts of a path, which is "/" at least.
func withoutDots(path string) string {
	if !strings.Contains(path, "/.") {
		return "/" + strings.TrimPrefix(path, "/")
	}
	var kept []string
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, part := range parts {
		switch {
		case part == ".." && len(kept) > 0:
			kept = kept[:len(kept)-1]
		case part != "." && part != "..":
			kept = append(kept, part)
		}
		if last := i == len(parts)-1; last && (part == "." || part == "..") {
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/")
}
