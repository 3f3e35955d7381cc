package content

import (
	"encoding/base64"
	"slices"
	"strings"
)

const (
	kindPrivateKey    = "private_key"
	kindWebToken      = "jwt"
	kindAssignment    = "assignment"
	kindAuthorization = "authorization"
)

// privateKey finds a PEM private key at offset start, with its body where it follows. The
// first line alone counts: nobody writes it in a result by accident, and what follows may be
// cut.
func (c *secretScan) privateKey(start int) {
	const begin, end, dashes = "-----BEGIN ", "-----END ", "-----"
	const longestLabel, longestBody = 64, 16 << 10
	s := c.text
	i := start + len(begin)
	if start < c.keyRead || !c.all && c.privateKeys == maxOfKind {
		return
	}
	label, _, ok := strings.Cut(s[i:min(len(s), i+longestLabel)], dashes)
	if !ok || !strings.HasSuffix(label, "PRIVATE KEY") && !strings.HasSuffix(label, "PRIVATE KEY BLOCK") {
		return
	}
	i += len(label) + len(dashes)
	if c.footer < i {
		c.footer = len(s)
		if n := strings.Index(s[i:], end); n >= 0 {
			c.footer = i + n
		}
	}
	if line := end + label + dashes; c.footer-i < longestBody && strings.HasPrefix(s[c.footer:], line) {
		i = c.footer + len(line)
	} else if c.all {
		c.found = append(c.found, Secret{Kind: RestOfSecret, Start: i, End: keyBodyEnd(s, i)})
	}
	c.found = append(c.found, Secret{Kind: kindPrivateKey, Start: start, End: i})
	c.keyRead = i
	c.privateKeys++
}

// keyBodyEnd returns where the lines end of a private key that begin at offset i and nothing closes.
// What stands between lines may be escaped, as in a JSON string.
func keyBodyEnd(s string, i int) int {
	const shortest, usual = 16, 60
	end, least := i, shortest
	for {
		from := end
		for from < len(s) && (strings.IndexByte(" \t\r\n", s[from]) >= 0 || isEscapedBreak(s, from)) {
			if s[from] == '\\' {
				from++
			}
			from++
		}
		to := from
		if header, _, found := strings.Cut(s[from:min(len(s), from+usual)], ": "); found && slices.Contains(keyHeaders, header) {
			to = from + usual
			if n := strings.IndexAny(s[from:], "\n\\"); n >= 0 {
				to = from + n
			}
			to = min(to, len(s))
		} else {
			for to < len(s) && isBase64Byte(s[to]) {
				to++
			}
			if to-from < least || to-from < shortest && (to-from)%4 != 0 {
				return end
			}
			least = shortest
			if to-from >= usual {
				least = 1 // the last line
			}
		}
		end = to
	}
}

// keyHeaders are the headers of PEM (RFC 1421) and of OpenPGP's armor (RFC 9580).
var keyHeaders = []string{"Proc-Type", "DEK-Info", "Version", "Comment", "Hash", "Charset"}

func isEscapedBreak(s string, i int) bool {
	return s[i] == '\\' && i+1 < len(s) && (s[i+1] == 'n' || s[i+1] == 'r')
}

func isBase64Byte(c byte) bool { return isWord(c) || c == '+' || c == '/' || c == '=' }

// webToken finds a JSON Web Token at offset start that carries a signature and whose header
// decodes.
func (c *secretScan) webToken(start int) {
	s := c.text
	if start < c.tokenRead || start > 0 && isWord(s[start-1]) || !c.all && c.webTokens == maxOfKind {
		return
	}
	end := start
	for end < len(s) && isTokenByte(s[end]) {
		end++
	}
	c.tokenRead = end // each run is read once
	if isJWT(s[start:end]) {
		c.found = append(c.found, Secret{Kind: kindWebToken, Start: start, End: end})
		c.webTokens++
	}
}

func isTokenByte(c byte) bool { return isWord(c) || c == '-' || c == '_' || c == '.' }

func isJWT(v string) bool {
	parts := strings.SplitN(strings.TrimRight(v, "."), ".", 4)
	if len(parts) < 3 || len(parts[1]) < 4 || len(parts[2]) < 16 {
		return false
	}
	decoded, err := base64.RawURLEncoding.DecodeString(parts[0])
	return err == nil && strings.Contains(string(decoded), `"alg"`) && isKey(v)
}

// assignment finds a value that the sign at offset i gives to a name that says "secret":
// password=…, "api_key": "…", Authorization: Basic ….
func (c *secretScan) assignment(i int) {
	s := c.text
	if i < c.value || !c.assigned.takes(i, c.all) {
		return
	}
	name, ok := secretName(s, i)
	if !ok {
		return
	}
	start, end := valueAfter(s, i+1)
	c.assigned.reads(i, end)
	kind := kindAssignment
	if isAuthorizationName(name) {
		kind = kindAuthorization
		start, end = afterScheme(s, start, end)
	}
	if end < len(s) && s[end] == '(' { // a call, not a value
		return
	}
	end = start + len(strings.TrimRight(s[start:end], ".:!?*|\\&"))
	if isRandom(s[start:end]) {
		c.found = append(c.found, Secret{Kind: kind, Start: start, End: end})
		c.assigned.found++
		c.value = end
	}
}

// secretName returns the name, in lower case, that ends before the sign at offset i, and
// whether its value is a secret.
func secretName(s string, i int) (string, bool) {
	if !maySecretEnd(s, i) {
		return "", false
	}
	name := strings.ToLower(nameBefore(s, i))
	return name, isAuthorizationName(name) || isSecretName(name)
}

// maySecretEnd is a cheap necessary condition on the end of the name before offset i: its
// last four letters, or, where separators stand between, its last one.
func maySecretEnd(s string, i int) bool {
	end := nameEnd(s, i)
	var last [4]byte
	for k := 3; k >= 0; k-- {
		c := s[max(0, end-1):end]
		if c == "" || !isTokenByte(c[0]) {
			return string(last[1:]) == "pwd"
		}
		if !isWord(c[0]) {
			return k < 3 && strings.IndexByte("detnyl", last[3]) >= 0
		}
		last[k] = c[0] | 0x20
		end--
	}
	switch string(last[:]) {
	case "word", "sswd", "rase", "cret", "oken", "ikey", "skey", "hkey", "ekey", "tkey", "gkey", "nkey", "tial":
		return true
	case "tion":
		const name = "authorization"
		end += len(last)
		return end >= len(name) && strings.EqualFold(s[end-len(name):end], name)
	}
	return string(last[1:]) == "pwd"
}

// nameBefore returns the name that ends before offset i, quotes and
// blanks between skipped. It looks back 64 bytes at the most.
func nameBefore(s string, i int) string {
	end := nameEnd(s, i)
	start := end
	for start > 0 && end-start < 64 && isTokenByte(s[start-1]) {
		start--
	}
	return s[start:end]
}

// nameEnd returns where the name before offset i ends.
func nameEnd(s string, i int) int {
	end := i
	for end > 0 && i-end < 4 && (s[end-1] == ' ' || s[end-1] == '\t') {
		end--
	}
	if end > 0 && (s[end-1] == '"' || s[end-1] == '\'') {
		end--
		if end > 0 && s[end-1] == '\\' {
			end--
		}
	}
	return end
}

// valueAfter returns where the value after an assignment sign at offset i-1 starts and ends.
func valueAfter(s string, i int) (start, end int) {
	const longest = 1024
	for n := 0; i < len(s) && n < 6 && strings.IndexByte(" \t=>\\\"'", s[i]) >= 0; n++ {
		i++
	}
	end = i
	for end < len(s) && end-i < longest && !endsValue[s[end]] {
		end++
	}
	return i, end
}

var endsValue = bytesOf("\"'`,;<>{}()[]& ", true)

// afterScheme steps over Bearer, Basic and Token.
func afterScheme(s string, start, end int) (int, int) {
	switch strings.ToLower(s[start:end]) {
	case "bearer", "basic", "token":
		return valueAfter(s, end)
	}
	return start, end
}

func isAuthorizationName(name string) bool {
	return name == "authorization" || name == "proxy-authorization"
}

// isSecretName reports names, in lower case, of which the last word says that the value is
// a secret. Names of tokens that only page, continue or protect a form are none.
func isSecretName(name string) bool {
	var buffer [64]byte
	plain := buffer[:0]
	for i := range len(name) {
		if isWord(name[i]) {
			plain = append(plain, name[i])
		}
	}
	name = string(plain)
	last := ""
	for _, word := range []string{
		"password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "accesskey", "authkey", "privatekey",
		"secretkey", "signingkey", "encryptionkey", "credential",
	} {
		if strings.HasSuffix(name, word) {
			last = word
			break
		}
	}
	if last == "" || last == name {
		return last != ""
	}
	for _, word := range []string{
		"page", "next", "cursor", "continuation", "sync", "progress", "csrf", "xsrf", "maxtoken", "cancel", "public",
		"primary", "foreign", "idempotency", "partition", "cache", "sort", "resume",
	} {
		if strings.Contains(name, word) {
			return false
		}
	}
	return true
}
