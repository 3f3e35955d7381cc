package ingest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

const (
	fingerprintBytes = 1 << 10 // of a first line, at most
	tailBytes        = 1 << 10
	headBytes        = 64 << 10 // that show a file's layout
	maxWindow        = 128 << 20
)

// from opens what a file holds, uncompressed, from an offset on, up to its present end. It does not
// move the file's own offset. The bytes say by themselves how they are compressed.
func from(f *os.File, size, offset int64) (io.ReadCloser, error) {
	if compressed(f) == "" {
		return io.NopCloser(io.NewSectionReader(f, offset, max(size-offset, 0))), nil
	}
	plain, err := decompress(f, io.NewSectionReader(f, 0, size))
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, plain, offset); err != nil {
		_ = plain.Close()
		return nil, err
	}
	return plain, nil
}

// compressed names what a file is compressed with.
func compressed(f io.ReaderAt) string {
	var magic [4]byte
	n, _ := f.ReadAt(magic[:], 0)
	switch start := magic[:n]; {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		return "gzip"
	case bytes.Equal(start, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return "zstd"
	}
	return ""
}

func decompress(f io.ReaderAt, in io.Reader) (io.ReadCloser, error) {
	if compressed(f) == "gzip" {
		return gzip.NewReader(bufio.NewReaderSize(in, headBytes))
	}
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

// head is how a file begins.
type head struct {
	start []byte
	whole bool // there is no more
}

func headOf(f *os.File, size int64) (head, error) {
	in, err := from(f, size, 0)
	if err != nil {
		return head{}, err
	}
	defer func() { _ = in.Close() }()
	start, err := io.ReadAll(io.LimitReader(in, headBytes))
	return head{start, len(start) < headBytes}, err
}

// fingerprint is a digest of the first line that is not empty; "" until there is one.
func (h head) fingerprint() string {
	rest := bytes.TrimLeft(h.start, "\r\n\t ")
	line, _, ended := bytes.Cut(rest, []byte("\n"))
	if !ended && len(rest) < fingerprintBytes {
		return ""
	}
	line = bytes.TrimRight(line, "\r\t ")
	return digest(line[:min(len(line), fingerprintBytes)])
}

// binary reports whether the file is no text.
func (h head) binary() bool {
	start := h.start[:min(len(h.start), fingerprintBytes)]
	return bytes.IndexByte(start, 0) >= 0 || !utf8.Valid(start[:max(0, len(start)-utf8.UTFMax)]) && bytes.Count(start, []byte("\n")) == 0
}

// tailOf is a digest of the last bytes before an offset; errTruncated where there are not as many.
func tailOf(f *os.File, size, offset int64) (string, error) {
	length := min(offset, tailBytes)
	if compressed(f) != "" {
		tails := tailsOf(f, size, []int64{offset})
		if tails[offset] == "" {
			return "", errTruncated
		}
		return tails[offset], nil
	}
	tail := make([]byte, length)
	if _, err := f.ReadAt(tail, offset-length); errors.Is(err, io.EOF) {
		return "", errTruncated
	} else if err != nil {
		return "", fmt.Errorf("reading %s: %w", f.Name(), err)
	}
	return digest(tail), nil
}

// tailsOf are those of several offsets that ascend, of a compressed file, read once. It leaves out
// what cannot be read.
func tailsOf(f *os.File, size int64, offsets []int64) map[int64]string {
	tails := map[int64]string{}
	in, err := from(f, size, 0)
	if err != nil {
		return tails
	}
	defer func() { _ = in.Close() }()
	var last ring
	at := int64(0)
	for _, offset := range offsets {
		if _, err := io.CopyN(&last, in, offset-at); err != nil {
			return tails
		}
		tails[offset], at = digest(last.tail()), offset
	}
	return tails
}

// ring holds the last tailBytes that are written to it.
type ring struct{ b []byte }

// Write implements io.Writer.
func (r *ring) Write(p []byte) (int, error) {
	r.b = append(r.tail(), p[max(0, len(p)-tailBytes):]...)
	return len(p), nil
}

func (r *ring) tail() []byte { return r.b[max(0, len(r.b)-tailBytes):] }

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return text(sum[:16])
}
