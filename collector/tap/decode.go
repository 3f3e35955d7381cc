package tap

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

const (
	// maxWindow is the most that a stream may have its decoder remember, in bytes (RFC 9659).
	maxWindow = 8 << 20
	// A body may become freeOutput bytes, and maxRatio times its own, before it counts as a bomb.
	freeOutput = 64 << 20
	maxRatio   = 200
)

var (
	errEncoding = errors.New("an encoding that is not known")
	errBomb     = errors.New("it becomes too much")
	errStopped  = errors.New("nobody wants the rest")
)

// decoder undoes a content encoding while its bytes come in. It runs as a coroutine: what reads the
// encoded bytes gives the processor back where there are none yet.
type decoder struct {
	in        []byte // not read yet
	fed, made int64
	next      func() ([]byte, error, bool)
	stop      func()
}

// newDecoder returns nil for a body that is as it is.
func newDecoder(encoding string) (*decoder, error) {
	var open func(io.Reader) (io.Reader, error)
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return nil, nil //nolint:nilnil // none is needed
	case "gzip", "x-gzip":
		open = func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }
	case "deflate":
		open = func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }
	case "br":
		open = func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil }
	case "zstd":
		open = func(r io.Reader) (io.Reader, error) {
			return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		}
	default:
		return nil, errEncoding
	}
	d := new(decoder)
	d.next, d.stop = iter.Pull2(d.decoded(open))
	return d, nil
}

// decoded yields the decoded bytes, none where it needs more to go on, or the error it ends with.
func (d *decoder) decoded(open func(io.Reader) (io.Reader, error)) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		r, err := open(readerFunc(func(p []byte) (int, error) {
			for len(d.in) == 0 {
				if !yield(nil, nil) {
					return 0, errStopped
				}
			}
			n := copy(p, d.in)
			d.in = d.in[n:]
			return n, nil
		}))
		buf := make([]byte, 32<<10)
		for err == nil {
			var n int
			if n, err = r.Read(buf); n > 0 && !yield(buf[:n], nil) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(nil, err)
		}
	}
}

// feed takes the next bytes, which it reads before it returns, and calls emit with what they become.
func (d *decoder) feed(p []byte, emit func([]byte)) error {
	d.in = p
	d.fed += int64(len(p))
	for {
		out, err, ok := d.next()
		switch {
		case err != nil:
			return fmt.Errorf("decoding a body: %w", err)
		case !ok || len(out) == 0:
			return nil
		}
		if d.made += int64(len(out)); d.made > freeOutput+maxRatio*d.fed {
			return fmt.Errorf("decoding a body: %w", errBomb)
		}
		emit(out)
	}
}

type readerFunc func([]byte) (int, error)

// Read implements io.Reader.
func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
