package content

import (
	"fmt"
	"strconv"
	"strings"
)

// Marker stands in a text for what was taken out of it. Secrets reads the kind of a secret from
// its marker, so that rules find the same where it was taken out.
//
// Its text is all lower case, in characters that stand as they are in JSON, URLs and shells, and
// holds a word that no secret is judged to hold (see isPlaceholder).
type Marker struct {
	// Kind is what it was: that of a Secret, or another word of a-z, 0-9 and _.
	Kind string
	// Length is how many bytes it had.
	Length int
	// Key names the key of the digests: 8 hexadecimal digits. Digest is that of the value, 32;
	// Seal that of the marker itself, 16, by which whoever has the key knows it from one that
	// somebody made up.
	Key, Digest, Seal string
	// Start and End say where it stands.
	Start, End int
}

const (
	markerSign = "redacted~"
	// maxMarkerKind is the longest kind of a marker, in bytes.
	maxMarkerKind = 24
	// maxMarkerLength is the most digits of the length.
	maxMarkerLength = 9
)

// String is the marker's text.
func (m Marker) String() string {
	return fmt.Sprintf("%s%s~%d~%s~%s~%s", markerSign, m.Kind, m.Length, m.Key, m.Digest, m.Seal)
}

// Markers returns what has the form of a marker, all of it, in order.
func Markers(s string) []Marker {
	var found []Marker
	for from := 0; ; {
		i := strings.Index(s[from:], markerSign)
		if i < 0 {
			return found
		}
		from += i
		m, ok := markerAt(s, from)
		if !ok {
			from += len(markerSign)
			continue
		}
		found = append(found, m)
		from = m.End
	}
}

// markerAt reads the marker whose sign stands at offset i.
func markerAt(s string, i int) (Marker, bool) {
	m := Marker{Start: i}
	at := i + len(markerSign)
	field := func(least, most int, is func(byte) bool, ends bool) string {
		end := at
		for end < len(s) && end-at < most && is(s[end]) {
			end++
		}
		text := s[at:end]
		if len(text) < least || ends && (end == len(s) || s[end] != '~') {
			at = len(s) + 1
			return ""
		}
		at = end
		if ends {
			at++
		}
		return text
	}
	for _, f := range []struct {
		to          *string
		least, most int
		is          func(byte) bool
		ends        bool
	}{
		{&m.Kind, 1, maxMarkerKind, isKindByte, true},
		{nil, 1, maxMarkerLength, isDigit, true},
		{&m.Key, 8, 8, isHexByte, true},
		{&m.Digest, 32, 32, isHexByte, true},
		{&m.Seal, 16, 16, isHexByte, false},
	} {
		text := field(f.least, f.most, f.is, f.ends)
		if at > len(s) {
			return Marker{}, false
		}
		if f.to != nil {
			*f.to = text
			continue
		}
		m.Length, _ = strconv.Atoi(text) // it is nine digits at the most
	}
	m.End = at
	return m, true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHexByte(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' }

func isKindByte(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'z' || c == '_' }

// marker notes the secret whose marker begins at offset start. Other kinds of marker, such as
// those of personal data, are no secrets.
func (c *secretScan) marker(start int) {
	if m, ok := markerAt(c.text, start); ok && !c.all && secretKinds[m.Kind] {
		c.found = append(c.found, Secret{Kind: m.Kind, Start: m.Start, End: m.End})
	}
}

// secretKinds is a table of the kinds that Secrets finds, never written to.
var secretKinds = func() map[string]bool {
	kinds := map[string]bool{kindPrivateKey: true, kindWebToken: true, kindAssignment: true, kindAuthorization: true}
	for i := range detectors {
		kinds[detectors[i].kind] = true
	}
	return kinds
}()
