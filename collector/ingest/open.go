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
	sum := sha256.Sum256(line[:min(len(line), fingerprintBytes)])
	return text(sum[:16])
}

// binary reports whether the file is no text.
func (h head) binary() bool {
	start := h.start[:min(len(h.start), fingerprintBytes)]
	return bytes.IndexByte(start, 0) >= 0 || !utf8.Valid(start[:max(0, len(start)-utf8.UTFMax)]) && bytes.Count(start, []byte("\n")) == 0
}

// tailOf is a digest of the last bytes before an offset.
func tailOf(f *os.File, size, offset int64) (string, error) {
	if compressed(f) == "" && size < offset {
		return "", errTruncated
	}
	length := min(offset, tailBytes)
	in, err := from(f, size, offset-length)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "", errTruncated
	}
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", f.Name(), err)
	}
	defer func() { _ = in.Close() }()
	tail := make([]byte, length)
	if _, err := io.ReadFull(in, tail); err != nil {
		return "", errTruncated
	}
	sum := sha256.Sum256(tail)
	return text(sum[:16]), nil
}
