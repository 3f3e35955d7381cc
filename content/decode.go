package content

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
)

const (
	minEncoded = 16 // digits or letters: shorter ones are words
	minShort   = 12 // letters and padding of base64 that is shorter: see short
	minRun     = minShort - 2
	maxParts   = 64       // decoded parts of a text
	maxDecoded = 64 << 10 // bytes of all of them together
)

// Decoded returns what the encoded parts of text say, one level deep and in the order of
// the text: base64 in either alphabet, with or without padding and in lines (of 60 letters
// at least, with up to 16 blanks and a backslash around their ends), hexadecimal
// digits, and \xXX escapes in a row. A part has 16 letters or digits at least (eight
// escapes); base64 of 12 to 15 is one where its padding, or capitals, small letters and digits among its
// letters, say so, and all that it says is printable. Only what decodes to text is one: seven bytes of eight are printable UTF-8,
// or it is mostly ASCII in UTF-16LE, which PowerShell takes. What is no UTF-8 in it
// becomes U+FFFD. There are 64 parts at the most, with 64 KiB together: the last is cut.
func Decoded(text string) []string {
	d := decoding{left: maxDecoded}
	d.escapes(text)
	d.runs(text)
	return d.parts
}

// Reveal returns text with its escapes undone (see Unescape), and after it what its
// encoded parts say (see Decoded), each on a line of its own. It is text itself where
// nothing is encoded. It has at most 3*len(text) + 64 KiB + 64 bytes.
func Reveal(text string) string {
	d := decoding{left: maxDecoded}
	d.escapes(text)
	plain := Unescape(text)
	d.runs(plain)
	if len(d.parts) == 0 {
		return plain
	}
	return plain + "\n" + strings.Join(d.parts, "\n")
}

type decoding struct {
	parts []string
	left  int // bytes that parts may still take
}

func (d *decoding) full() bool { return d.left == 0 || len(d.parts) == maxParts }

// escapes adds the runs of \xXX, the backslash once or twice.
func (d *decoding) escapes(s string) {
	for !d.full() {
		i := strings.Index(s, `\x`)
		if i < 0 {
			return
		}
		s = s[i:]
		var decoded []byte
		for len(decoded) < maxDecoded {
			rest := strings.TrimPrefix(s, `\`)
			if len(rest) < 4 || rest[:2] != `\x` {
				rest = s
			}
			if len(rest) < 4 || rest[:2] != `\x` {
				break
			}
			c, ok := hexValue(rest[2:4])
			if !ok {
				break
			}
			decoded = append(decoded, byte(c))
			s = rest[4:]
		}
		if len(decoded) >= minEncoded/2 {
			d.add(decoded)
		}
		s = strings.TrimPrefix(s, `\`)
	}
}

// isEncoded has the letters of both base64 alphabets, and so all hexadecimal digits.
var isEncoded = func() (t [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_") {
		t[c] = true
	}
	return t
}()

// runs adds base64 and hexadecimal. Most bytes are never looked at: where the tenth
// from here is in no alphabet, no run begins before it.
func (d *decoding) runs(s string) {
	for i := 0; i+minRun <= len(s) && !d.full(); {
		j := i + minRun - 1
		for j >= i && isEncoded[s[j]] {
			j--
		}
		if j >= i {
			i = j + 1
			continue
		}
		i += d.run(s[i:])
	}
}

// run adds what the run at the start of s decodes to, and returns its length.
func (d *decoding) run(s string) int {
	n := runLen(s)
	if n < minEncoded {
		d.short(s[:n], s[n:])
		return n
	}
	lines, all := wrapped(s, n)
	if all > n && d.base64(lines) {
		return all
	}
	for start := 0; start < len(lines) && !d.full(); start += n {
		d.word(lines[start:min(len(lines), start+n)])
	}
	return all
}

// short adds what a run of base64 that is no longer than many words says.
func (d *decoding) short(run, after string) {
	padding := 0
	for padding < len(after) && padding <= 2 && after[padding] == '=' {
		padding++
	}
	all := len(run) + padding
	if all < minShort || padding > 2 || padding > 0 && all%4 != 0 || padding == 0 && !isMixed(run) {
		return
	}
	encoding := base64.RawStdEncoding
	if hasEither(run, '-', '_') {
		encoding = base64.RawURLEncoding
	}
	var buffer [minEncoded]byte
	n, err := encoding.Decode(buffer[:], []byte(run))
	if decoded := buffer[:n]; err == nil && printable(decoded) == n {
		d.add(decoded)
	}
}

// isMixed reports capitals, small letters and digits in one word.
func isMixed(s string) bool {
	var capital, small, digit bool
	for i := range len(s) {
		c := s[i]
		capital = capital || 'A' <= c && c <= 'Z'
		small = small || 'a' <= c && c <= 'z'
		digit = digit || '0' <= c && c <= '9'
	}
	return capital && small && digit
}

// word adds what word decodes to as a whole, or else parts of it: paths are of base64's
// letters too, and not all encoders use all of them.
func (d *decoding) word(word string) {
	if d.hex(word) || d.base64(word) {
		return
	}
	d.pieces(word, '/', '+')
	d.pieces(word, '-', '_')
}

// pieces adds what the pieces of word between the two separators decode to.
func (d *decoding) pieces(word string, one, other byte) {
	if !hasEither(word, one, other) {
		return
	}
	start := 0
	for i := 0; i <= len(word); i++ {
		if i < len(word) && word[i] != one && word[i] != other {
			continue
		}
		if piece := word[start:i]; len(piece) >= minEncoded && len(piece) < len(word) && !d.full() {
			_ = d.hex(piece) || d.base64(piece)
		}
		start = i + 1
	}
}

func hasEither(s string, one, other byte) bool {
	return strings.IndexByte(s, one) >= 0 || strings.IndexByte(s, other) >= 0
}

func runLen(s string) int {
	n := 0
	for n < len(s) && isEncoded[s[n]] {
		n++
	}
	return n
}

// wrapped returns the base64 that is written in lines of n letters each, but for the
// last, at the start of s, and its length there; a line end may be written as an escape.
func wrapped(s string, n int) (lines string, all int) {
	const shortest = 60
	if n < shortest || n%4 != 0 {
		return s[:n], n
	}
	var b strings.Builder
	for all = 0; b.Len() < 4*maxDecoded; {
		line := runLen(s[all:min(len(s), all+n)])
		b.WriteString(s[all : all+line])
		all += line
		end := lineEnd(s[all:])
		if line < n || end == 0 {
			break
		}
		all += end
	}
	return b.String(), all
}

// maxIndent is how many blanks stand at most before and after a line's end.
const maxIndent = 16

// lineEnd returns the length of a line's end, and what a shell or an editor puts around it, at the start
// of s, 0 where there is none.
func lineEnd(s string) int {
	before := blanks(s)
	for _, end := range []string{"\n", "\r\n", "\\\n", "\\\r\n", `\n`, `\r\n`} {
		if strings.HasPrefix(s[before:], end) {
			all := before + len(end)
			return all + blanks(s[all:])
		}
	}
	return 0
}

func blanks(s string) int {
	n := 0
	for n < min(len(s), maxIndent) && (s[n] == ' ' || s[n] == '\t') {
		n++
	}
	return n
}

// probed is how much of a run is decoded first; most runs are names and digests, and the
// beginning shows it.
const probed = 32

func (d *decoding) hex(run string) bool {
	if strings.HasPrefix(run, "0x") || strings.HasPrefix(run, "0X") {
		run = run[2:]
	}
	run = run[:min(len(run), 4*maxDecoded)&^1]
	if len(run) < minEncoded {
		return false
	}
	var buffer [probed / 2]byte
	n, err := hex.Decode(buffer[:], []byte(run[:min(len(run), probed)]))
	if err != nil || !promising(buffer[:n]) {
		return false
	}
	decoded, err := hex.DecodeString(run)
	return err == nil && d.add(decoded)
}

func (d *decoding) base64(run string) bool {
	encoding := base64.RawStdEncoding
	if hasEither(run, '-', '_') {
		encoding = base64.RawURLEncoding
	}
	run = run[:min(len(run), 4*maxDecoded)]
	if len(run)%4 == 1 { // no base64 has this length; something stands after it
		run = run[:len(run)-1]
	}
	var buffer [probed / 4 * 3]byte
	n, err := encoding.Decode(buffer[:], []byte(run[:min(len(run), probed)]))
	if err != nil || !promising(buffer[:n]) {
		return false
	}
	decoded, err := encoding.DecodeString(run)
	return err == nil && d.add(decoded)
}

// add adds what was decoded, if it is text.
func (d *decoding) add(decoded []byte) bool {
	if isWide(decoded) {
		decoded = fromWide(decoded)
	}
	if 8*printable(decoded) < 7*len(decoded) {
		return false
	}
	text := validText(string(decoded))
	if len(text) > d.left {
		text = text[:cutBefore(text, d.left)]
		d.left = len(text)
	}
	d.left -= len(text)
	d.parts = append(d.parts, text)
	return true
}
