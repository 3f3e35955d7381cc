package event

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits bound what Decode takes.
type Limits struct {
	// Bytes is the longest event, in bytes of JSON.
	Bytes int
	// Depth is the deepest nesting of objects and arrays.
	Depth int
}

// DefaultLimits are what a collector uses unless it is told otherwise.
func DefaultLimits() Limits { return Limits{Bytes: 1 << 20, Depth: 128} }

// StoredLimits are what readers of Kafka use: wider, since what the intake adds to an
// event counts too.
func StoredLimits() Limits { return Limits{Bytes: 8 << 20, Depth: 256} }

// FieldError says why one event was refused: which field, and what is wrong with it.
type FieldError struct {
	Field  string // dotted path, "" for the event as a whole
	Reason string
}

func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + ": " + e.Reason
}

const replacement = "\uFFFD"

// Mend makes JSON of what agents' parsers take for JSON and ours do not: invalid UTF-8
// and half surrogate pairs become U+FFFD, after which the text is compact and its escapes
// may be others. It reports false, with the text as it was, where there was nothing to
// mend or nothing that could be.
func Mend(text []byte) ([]byte, bool) {
	if utf8.Valid(text) && !bytes.Contains(text, []byte(`\u`)) {
		return text, false
	}
	if isJSON(text) {
		return text, false
	}
	mended := jsontext.Value(bytes.ToValidUTF8(text, []byte(replacement)))
	if err := mended.Format(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return text, false
	}
	return mended, true
}

// isJSON reports whether a text is JSON for our own readers.
func isJSON(text []byte) bool {
	var room [32]node
	_, err := scan(text, room[:0], maxWritten, true)
	return err == nil
}
