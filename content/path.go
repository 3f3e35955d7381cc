package content

import (
	"path"
	"strings"
)

// maxPaths bounds the paths that are returned of one text.
const maxPaths = 64

// Paths returns the file paths in a text, in order and once each: POSIX ones that begin with /,
// ~/, ./ or ../, Windows ones with a drive or \\server, and words with .. between slashes. They
// are cleaned (path.Clean), backslashes made slashes. At most 64 are returned. URLs are none.
func Paths(text string) []string {
	var paths []string
	for word := range strings.FieldsFuncSeq(text, endsPath) {
		word = strings.TrimRight(word, ".:")
		if !isPath(word) || strings.Contains(word, "://") {
			continue
		}
		if p := path.Clean(strings.ReplaceAll(word, `\`, "/")); !contains(paths, p) {
			if paths = append(paths, p); len(paths) == maxPaths {
				break
			}
		}
	}
	return paths
}

// endsPath reports whether a character stands between paths and not in them.
func endsPath(c rune) bool {
	return c <= ' ' || strings.ContainsRune("\"'`<>|;,()[]{}=&*?$", c)
}

func isPath(word string) bool {
	for _, beginning := range []string{"/", "~/", "./", "../", `\\`, `..\`, `.\`} {
		if strings.HasPrefix(word, beginning) && len(word) > len(beginning) {
			return true
		}
	}
	if len(word) > 3 && word[1] == ':' && (word[2] == '\\' || word[2] == '/') && isLetter(word[0]) {
		return true
	}
	return climbs(word)
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// Traverses reports whether a path in the text climbs out of its folder: .. as a whole part of
// it. Encoded forms are seen where the text was unescaped before (see Reveal).
func Traverses(text string) bool {
	for word := range strings.FieldsFuncSeq(text, endsPath) {
		if climbs(word) {
			return true
		}
	}
	return false
}

// climbs reports whether .. is a whole part of a word that has several.
func climbs(word string) bool {
	for rest := word; ; {
		at := strings.Index(rest, "..")
		if at < 0 {
			return false
		}
		before := len(word) - len(rest) + at
		after := before + 2
		beginsPart := before == 0 || isSlash(word[before-1])
		endsPart := after == len(word) || isSlash(word[after])
		if beginsPart && endsPart && len(word) > 2 {
			return true
		}
		rest = rest[at+1:]
	}
}

func isSlash(c byte) bool { return c == '/' || c == '\\' }
