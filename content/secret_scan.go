package content

import (
	"encoding/base64"
	"math"
	"strings"
)

const (
	kindAssignment    = "assignment"
	kindAuthorization = "authorization"

	// maxNested values inside another, as in password=token=…, are judged: each is read to
	// its end.
	maxNested = 8
)

// privateKeys finds PEM private keys, with their body where it follows. The first line
// alone counts: nobody writes it in a result by accident, and what follows may be cut.
func privateKeys(found []Secret, s string) []Secret {
	const begin, end, dashes = "-----BEGIN ", "-----END ", "-----"
	const longestLabel, longestBody = 64, 16 << 10
	most := len(found) + maxSecrets
	for i := 0; len(found) < most; {
		n := strings.Index(s[i:], begin)
		if n < 0 {
			break
		}
		start := i + n
		i = start + len(begin)
		label, _, ok := strings.Cut(s[i:min(len(s), i+longestLabel)], dashes)
		if !ok || !strings.HasSuffix(label, "PRIVATE KEY") && !strings.HasSuffix(label, "PRIVATE KEY BLOCK") {
			continue
		}
		i += len(label) + len(dashes)
		body := s[i:min(len(s), i+longestBody)]
		if e := strings.Index(body, end+label+dashes); e >= 0 {
			i += e + len(end) + len(label) + len(dashes)
		}
		found = append(found, Secret{Kind: "private_key", Start: start, End: i})
	}
	return found
}

// webTokens finds JSON Web Tokens that carry a signature and whose header decodes.
func webTokens(found []Secret, s string) []Secret {
	most := len(found) + maxSecrets
	for i := 0; len(found) < most; {
		n := strings.Index(s[i:], "eyJ")
		if n < 0 {
			break
		}
		start := i + n
		end := start
		for end < len(s) && isTokenByte(s[end]) {
			end++
		}
		i = end // each run is read once
		if start > 0 && isWord(s[start-1]) {
			continue
		}
		if isJWT(s[start:end]) {
			found = append(found, Secret{Kind: "jwt", Start: start, End: end})
		}
	}
	return found
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

// assignments finds values given to a name that says "secret": password=…, "api_key": "…",
// Authorization: Basic ….
func assignments(found []Secret, s string) []Secret {
	most := len(found) + maxSecrets
	judged, nested := 0, 0 // where the last value ends that is not part of another, and how many are part of it
	for i := 0; i < len(s) && len(found) < most; i++ {
		if s[i] != '=' && s[i] != ':' {
			continue
		}
		name, ok := secretName(s, i)
		if !ok {
			continue
		}
		if i >= judged {
			nested = 0
		} else if nested++; nested > maxNested {
			i = judged - 1
			continue
		}
		start, end := valueAfter(s, i+1)
		if nested == 0 {
			judged = end
		}
		kind := kindAssignment
		if isAuthorizationName(name) {
			kind = kindAuthorization
			start, end = afterScheme(s, start, end)
		}
		if end < len(s) && s[end] == '(' { // a call, not a value
			continue
		}
		end = start + len(strings.TrimRight(s[start:end], ".:!?*|\\&"))
		if isRandom(s[start:end]) {
			found = append(found, Secret{Kind: kind, Start: start, End: end})
			i = end - 1
		}
	}
	return found
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
	secret := false
	for _, word := range []string{
		"password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "accesskey", "authkey", "privatekey",
		"secretkey", "signingkey", "encryptionkey", "credential",
	} {
		secret = secret || strings.HasSuffix(name, word)
	}
	if !secret {
		return false
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

// isKey rejects what stands for a key in documents. Real keys are random, so a run of one
// character or of the alphabet, or a word such as "example", is no accident.
func isKey(v string) bool { return !isPlaceholder(v) }

func isPassword(v string) bool {
	switch strings.ToLower(v) {
	case "password", "pass", "passwd", "secret", "postgres", "mysql", "root", "admin", "guest", "test", "token":
		return false
	}
	return !isPlaceholder(v) && !isReference(v)
}

// isRandom judges a value by how random it looks, where only a name says that it is a
// secret: words, paths, addresses, dates and code are none.
func isRandom(v string) bool {
	if len(v) < 8 {
		return false
	}
	var digits, letters, other int
	for i := range len(v) {
		switch c := v[i]; {
		case '0' <= c && c <= '9':
			digits++
		case 'a' <= c|0x20 && c|0x20 <= 'z':
			letters++
		case c >= 0x80:
			return false
		default:
			other++
		}
	}
	if digits == 0 || letters == 0 || other*3 > len(v) {
		return false
	}
	return Entropy(v) >= min(3.0, 0.85*math.Log2(float64(len(v)))) && !isPlaceholder(v) && !isReference(v)
}

// isPlaceholder reports what people write where a secret would stand.
func isPlaceholder(v string) bool {
	lower := strings.ToLower(v)
	for _, word := range []string{
		"example", "sample", "placeholder", "your", "changeme", "change_me", "change-me", "redacted", "dummy", "insert",
		"replace", "xxxx", "****", "....", "____", "----", "00000000", "11111111", "1234567890", "abcdefgh", "<", "[",
	} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	run := 1
	for i := 1; i < len(lower); i++ {
		if lower[i] != lower[i-1] {
			run = 1
			continue
		}
		if run++; run >= 7 {
			return true
		}
	}
	return false
}

// isReference reports values that name a secret instead of being one, and code.
func isReference(v string) bool {
	if strings.IndexByte("$%/~.#@&|", v[0]) >= 0 {
		return true
	}
	for _, part := range []string{"://", "${", "{{", "$("} {
		if strings.Contains(v, part) {
			return true
		}
	}
	lower := strings.ToLower(v)
	for _, prefix := range []string{
		"process.env", "os.environ", "os.getenv", "env.", "env:", "config.", "settings.", "self.", "this.", "args.",
		"options.", "secrets.", "vault:", "null", "none", "undefined", "true", "false", "string", "optional", "required",
	} {
		if strings.HasPrefix(lower, prefix) {
			return true
		}
	}
	return strings.IndexByte(v, '.') > 0 && isDottedName(v)
}

// isDottedName reports names such as app.config.token and file names.
func isDottedName(v string) bool {
	for part := range strings.SplitSeq(v, ".") {
		if part == "" || len(part) > 16 {
			return false
		}
		for i := range len(part) {
			if c := part[i] | 0x20; part[i] != '_' && (c < 'a' || c > 'z') {
				return false
			}
		}
	}
	return true
}
