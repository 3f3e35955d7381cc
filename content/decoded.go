package content

import (
	"encoding/base64"
	hexadecimal "encoding/hex"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of what is decoded of one text.
const (
	minEncoded    = 16       // characters that an encoded part has at least
	maxDecoded    = 32       // parts
	maxDecodedSum = 64 << 10 // bytes of all parts together
)

// Decoded returns the parts of a text that are base64 (standard or URL alphabet, padded or not)
// or hexadecimal, decoded one level deep, in the order of the text. A part counts where it has
// at least 16 characters and decodes to text: UTF-8, or UTF-16 as PowerShell's -enc takes it. At
// most 32 parts and 64 KiB are returned; it takes time linear in the text.
func Decoded(text string) []string {
	var parts []string
	sum := 0
	for begin := 0; begin < len(text) && len(parts) < maxDecoded; {
		if !encoding[text[begin]] {
			begin++
			continue
		}
		end := begin + 1
		for end < len(text) && encoding[text[end]] {
			end++
		}
		if word := text[begin:end]; len(word) >= minEncoded {
			if part := decode(word); part != "" && sum+len(part) <= maxDecodedSum {
				parts = append(parts, part)
				sum += len(part)
			}
		}
		begin = end
	}
	return parts
}

// encoding are the bytes of base64's two alphabets, hexadecimal digits among them.
var encoding = func() (table [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_" {
		table[c] = true
	}
	return table
}()

// decode returns what a word encodes, "" where that is no text.
func decode(word string) string {
	if len(word)%2 == 0 && isHex(word) {
		if data, err := hexadecimal.DecodeString(word); err == nil {
			if text := textOf(data); text != "" {
				return text
			}
		}
	}
	codec := base64.RawStdEncoding
	if strings.ContainsAny(word, "-_") {
		codec = base64.RawURLEncoding
	}
	if strings.ContainsAny(word, "+/") && codec == base64.RawURLEncoding {
		return ""
	}
	if len(word) > 2*maxDecodedSum {
		word = word[:2*maxDecodedSum]
	}
	data, err := codec.DecodeString(word[:len(word)-len(word)%4])
	if err != nil {
		return ""
	}
	if rest, err := codec.DecodeString(word[len(word)-len(word)%4:]); err == nil {
		data = append(data, rest...)
	}
	return textOf(data)
}

func isHex(word string) bool {
	for i := range len(word) {
		if !isHexDigit(rune(word[i])) {
			return false
		}
	}
	return true
}

func isHexDigit(c rune) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// textOf is the text that bytes are, "" where they are none: a word of letters nearly always
// decodes to bytes of which some are no text.
func textOf(data []byte) string {
	if len(data) >= 8 && len(data)%2 == 0 && isWide(data) {
		units := make([]uint16, len(data)/2)
		for i := range units {
			units[i] = uint16(data[2*i]) | uint16(data[2*i+1])<<8
		}
		data = []byte(string(utf16.Decode(units)))
	}
	if !utf8.Valid(data) {
		return ""
	}
	for _, c := range data {
		if c < ' ' && c != '\n' && c != '\t' && c != '\r' || c == 0x7f {
			return ""
		}
	}
	return string(data)
}

// isWide reports whether bytes are UTF-16, little end first, of ASCII text.
func isWide(data []byte) bool {
	for i := 1; i < len(data); i += 2 {
		if data[i] != 0 || data[i-1] == 0 {
			return false
		}
	}
	return true
}

// Reveal returns the text unescaped (see Unescape), and behind it what Decoded finds in it, a
// line each. Where nothing is escaped or encoded it is the text itself.
func Reveal(text string) string {
	text = Unescape(text)
	if parts := Decoded(text); len(parts) > 0 {
		return text + "\n" + strings.Join(parts, "\n")
	}
	return text
}
