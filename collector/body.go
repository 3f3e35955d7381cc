package collector

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"

	"github.com/mcpwatch/mcpwatch/collector/syslog"
)

// readBody reads and decompresses a body of at most that many bytes, compressed and plain.
func readBody(r *http.Request, most int64) ([]byte, error) {
	compressed := &io.LimitedReader{R: r.Body, N: most + 1}
	var plain io.Reader
	switch strings.ToLower(r.Header.Get("Content-Encoding")) {
	case "", "identity":
		plain = compressed
	case "gzip":
		z, err := gzip.NewReader(compressed)
		if err != nil {
			return nil, &failure{code: http.StatusBadRequest, reason: "the body is not gzip"}
		}
		plain = z
	case "zstd":
		z, err := zstd.NewReader(compressed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(most)+1), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return nil, &failure{code: http.StatusBadRequest, reason: "the body is not zstd"}
		}
		defer z.Close()
		plain = z
	default:
		return nil, &failure{code: http.StatusUnsupportedMediaType, reason: "Content-Encoding must be gzip, zstd or identity"}
	}
	var body bytes.Buffer
	n, err := io.Copy(&body, io.LimitReader(plain, most+1))
	switch {
	case n > most || compressed.N == 0 || errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, &failure{code: http.StatusRequestEntityTooLarge, reason: fmt.Sprintf("the body is over %d bytes; send smaller batches", most)}
	case err != nil:
		return nil, &failure{code: http.StatusBadRequest, reason: "the body could not be read or decompressed"}
	}
	return body.Bytes(), nil
}

// line is one event of a body as it was shipped. problem says what keeps it from being one.
type line struct {
	data    []byte
	key     string // that names it, where somebody has cut it from a file
	problem string
	at      time.Time       // when it was sent, for events that do not say when they happened
	header  *syslog.Message // that it came in
}

// split takes a body apart: a JSON array by its elements, else by lines. Empty lines are
// left out. It reports false, and stops, past so many. What follows a broken element of an
// array is one refused line, with its bytes, unless the body's second line is JSON of its
// own: then the first only looks like an array, and its neighbours are lines.
func split(body []byte, most int) (lines []line, whole bool) {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	if len(trimmed) > 0 && trimmed[0] == '[' {
		lines, broken := splitArray(trimmed, most)
		if !broken || !secondLineIsJSON(trimmed) {
			return lines, len(lines) <= most
		}
	}
	for l := range bytes.Lines(body) {
		if l = bytes.TrimSpace(l); len(l) > 0 {
			lines = append(lines, line{data: l})
		}
		if len(lines) > most {
			return lines, false
		}
	}
	return lines, true
}

func secondLineIsJSON(body []byte) bool {
	_, rest, _ := bytes.Cut(body, []byte("\n"))
	second, _, _ := bytes.Cut(bytes.TrimLeft(rest, " \t\r\n"), []byte("\n"))
	return len(second) > 0 && jsontext.Value(second).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// splitArray gives an array's elements, one more than most if there are more, and whether
// the array is broken.
func splitArray(body []byte, most int) ([]line, bool) {
	var lines []line
	rest := func(at int64, problem string) ([]line, bool) {
		return append(lines, line{data: bytes.TrimSpace(body[at:]), problem: problem}), true
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := d.ReadToken(); err != nil {
		return rest(0, "the array is broken")
	}
	for len(lines) <= most && d.PeekKind() != ']' {
		at := d.InputOffset()
		value, err := d.ReadValue()
		if err != nil {
			return rest(at, "the array is broken here: this and what follows are kept as one dead letter")
		}
		lines = append(lines, line{data: bytes.Clone(value)})
	}
	if len(lines) > most {
		return lines, false
	}
	if _, err := d.ReadToken(); err != nil {
		return rest(d.InputOffset(), "the array is broken at its end")
	}
	if at := d.InputOffset(); len(bytes.TrimSpace(body[at:])) > 0 {
		return rest(at, "something follows the array")
	}
	return lines, false
}
