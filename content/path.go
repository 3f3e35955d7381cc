package content

import (
	"path"
	"slices"
	"strings"
)

const (
	maxPaths   = 64
	maxPathLen = 4096
)

// Paths returns the file paths in text, each once, in the order they appear: absolute
// ones, those from a home (~/ and ~user/), relative ones that climb (../ anywhere), those
// of Windows with a drive or a server (\\server\share), and those of file URLs. They are
// cleaned: slashes for backslashes, no empty, "." or needless ".." parts. Escapes are not
// undone: see Reveal. There are 64 at the most, each cut after 4,096 bytes before it is
// cleaned. A path ends at white space, quotes, brackets and any of ,;:=@&|<>, so one with
// a blank in it is cut there.
func Paths(text string) []string {
	var paths []string
	w := pathWords{text: text}
	for len(paths) < maxPaths {
		start, end, ok := w.next()
		if !ok {
			break
		}
		if p := pathOf(text, start, end); p != "" && !slices.Contains(paths, p) {
			paths = append(paths, p)
		}
	}
	return paths
}

// Traverses reports whether text has a path with a ".." part, beside a slash or a
// backslash, whether it climbs above where it begins or not.
func Traverses(text string) bool {
	for i := 0; ; {
		n := strings.Index(text[i:], "..")
		if n < 0 {
			return false
		}
		start := i + n
		for i = start; i < len(text) && text[i] == '.'; {
			i++
		}
		before := start == 0 || isSlash(text[start-1]) || endsPath[text[start-1]]
		after := i == len(text) || isSlash(text[i]) || endsPath[text[i]]
		slash := start > 0 && isSlash(text[start-1]) || i < len(text) && isSlash(text[i])
		if i == start+len("..") && before && after && slash {
			return true
		}
	}
}

func isSlash(c byte) bool { return c == '/' || c == '\\' }

var endsPath = bytesOf("\"'`(){}[]<>|,;:=@& \x7f", true)

// pathWords walks the words of a text that have a slash or a backslash in them.
type pathWords struct {
	text      string
	from      int // offset after the last word
	slash     int // next slash at or after from, once known
	backslash int
}

func (w *pathWords) next() (start, end int, ok bool) {
	w.slash = nextByte(w.text, '/', w.slash, w.from)
	w.backslash = nextByte(w.text, '\\', w.backslash, w.from)
	i := min(w.slash, w.backslash)
	if i == len(w.text) {
		return 0, 0, false
	}
	for start = i; start > w.from && !endsPath[w.text[start-1]]; {
		start--
	}
	for end = i; end < len(w.text) && !endsPath[w.text[end]]; {
		end++
	}
	w.from = end
	return start, end, true
}

// pathOf returns the path that the word text[start:end] is, or "".
func pathOf(text string, start, end int) string {
	word := text[start:cutBefore(text, min(end, start+maxPathLen))]
	var before byte // what stands before the word
	if start > 0 {
		before = text[start-1]
	}
	switch {
	// The word is what stands before a drive, and its letter.
	case end+1 < len(text) && text[end] == ':' && isDrive(text, end+1):
		return ""
	case before == ':' && isDrive(text, start):
		return clean(text[start-2:start] + slashes(word))
	case before == '<' && word[0] == '/': // a closing tag
		return ""
	case before == ':' && strings.HasPrefix(word, "//"):
		return fromURL(text[:start-1], word)
	}
	word = afterLineEnd(word)
	if strings.HasPrefix(word, `\\`) {
		return fromServer(strings.TrimLeft(slashes(word), "/"))
	}
	if !Traverses(word) && word[0] != '/' && !strings.HasPrefix(word, `\/`) && !isHome(word) {
		return ""
	}
	if strings.HasPrefix(word, "//") { // a comment, more often than a server
		return fromServer(strings.TrimLeft(word, "/"))
	}
	return clean(slashes(word))
}

// isDrive reports whether the colon before offset i and one letter before it are a drive,
// on its own, in a file URL or after a device prefix.
func isDrive(text string, i int) bool {
	if i < 2 || !isSlash(text[i]) || text[i-2]|0x20 < 'a' || text[i-2]|0x20 > 'z' {
		return false
	}
	return i == 2 || endsPath[text[i-3]] || text[i-3] == '\\' || i > 3 && text[i-4:i-2] == "//"
}

// fromURL returns the path of a file URL; paths of others are none of files.
func fromURL(scheme, word string) string {
	const file = "file"
	if len(scheme) < len(file) || !strings.EqualFold(scheme[len(scheme)-len(file):], file) {
		return ""
	}
	_, p, _ := strings.Cut(word[2:], "/")
	return clean("/" + p)
}

// isTop has what lies at the root of a Unix system: //etc/passwd is a file, and no server's.
var isTop = map[string]bool{
	"Applications": true, "Library": true, "System": true, "Users": true, "Volumes": true, "app": true, "bin": true, "boot": true, "data": true,
	"dev": true, "etc": true, "home": true, "lib": true, "lib64": true, "media": true, "mnt": true, "opt": true, "private": true, "proc": true,
	"root": true, "run": true, "sbin": true, "snap": true, "srv": true, "sys": true, "tmp": true, "usr": true, "var": true, "workspace": true,
}

// fromServer returns the path of a share, of which rest are the server and what follows.
func fromServer(rest string) string {
	server, share, _ := strings.Cut(rest, "/")
	if isTop[server] {
		return clean("/" + rest)
	}
	if server == "" || strings.Trim(share, "/.") == "" || strings.ContainsRune(server, '*') {
		return ""
	}
	return "/" + clean("/"+rest)
}

// afterLineEnd skips to what follows an escaped line end or tab before a slash: a path on
// a line of its own, in JSON.
func afterLineEnd(word string) string {
	for _, end := range []string{`\n/`, `\r/`, `\t/`} {
		if i := strings.LastIndex(word, end); i >= 0 {
			word = word[i+2:]
		}
	}
	return word
}

func slashes(s string) string { return strings.ReplaceAll(s, `\`, "/") }

// isHome reports ~/ and ~user/.
func isHome(word string) bool {
	if word[0] != '~' {
		return false
	}
	i := 1
	for i < len(word) && (isWord(word[i]) || word[i] == '-' || word[i] == '_' || word[i] == '.') {
		i++
	}
	return i < len(word) && isSlash(word[i])
}

// clean cuts the sentence's punctuation and cleans; it returns "" where no name is left.
func clean(p string) string {
	p = strings.TrimRight(p, "!?*")
	if dots := len(p) - len(strings.TrimRight(p, ".")); dots != 2 || !strings.HasSuffix(strings.TrimRight(p, "."), "/") {
		p = p[:len(p)-dots]
	}
	p = path.Clean(p)
	if p == "/" || p == "." {
		return ""
	}
	return p
}
