package content

import (
	"math"
	"strings"
)

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
	run, last := 0, byte(0)
	for i := range len(v) {
		c := lowerASCII(v[i])
		if run++; c != last {
			run, last = 1, c
		}
		if run >= 7 {
			return true
		}
		for _, word := range placeholders[c] {
			if hasPrefixFold(v[i:], word) {
				return true
			}
		}
	}
	return false
}

// placeholders has the words of isPlaceholder by their first byte.
var placeholders = func() (table [256][]string) {
	for _, word := range []string{
		"example", "sample", "placeholder", "your", "changeme", "change_me", "change-me", "redacted", "dummy", "insert",
		"replace", "xxxx", "****", "....", "____", "----", "00000000", "11111111", "1234567890", "abcdefgh", "<", "[",
	} {
		table[word[0]] = append(table[word[0]], word)
	}
	return table
}()

// hasPrefixFold reports whether s begins with prefix, which is in lower case, in any case.
func hasPrefixFold(s, prefix string) bool {
	if len(s) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if lowerASCII(s[i]) != prefix[i] {
			return false
		}
	}
	return true
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c |= 0x20
	}
	return c
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
