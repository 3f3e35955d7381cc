//go:build darwin || linux

package clickhouse

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/ch-go/proto"
)

// output is the body of one response: the engine's bytes, in ClickHouse's compressed frames when the client asked
// for them. Headers go out with the first byte, so an error before it is an ordinary HTTP error.
type output struct {
	w       http.ResponseWriter
	frames  *compress.Writer // nil: plain
	tag     string
	started bool
}

func newOutput(w http.ResponseWriter, q url.Values) *output {
	o := &output{w: w, tag: strings.ToLower(rand.Text()[:16])}
	if settingOn(q.Get("compress")) {
		method := compress.LZ4
		if strings.EqualFold(q.Get("network_compression_method"), "ZSTD") {
			method = compress.ZSTD
		}
		o.frames = compress.NewWriter(compress.LevelZero, method)
	}
	kind := "text/plain; charset=UTF-8"
	if q.Get("default_format") == "Native" {
		kind = "application/octet-stream"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff") // no browser shall read HTML into a result
	w.Header().Set("X-ClickHouse-Exception-Tag", o.tag)
	return o
}

// write sends a piece of the result. Frames are cut at 1 MiB: a reader must hold a whole one.
func (o *output) write(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	o.started = true
	if o.frames == nil {
		_, err := o.w.Write(p) //nolint:gosec // G705: the header above forbids taking it for HTML
		return err
	}
	for len(p) > 0 {
		n := min(len(p), 1<<20)
		if err := o.frames.Compress(p[:n]); err != nil {
			return fmt.Errorf("compressing a result: %w", err)
		}
		if _, err := o.w.Write(o.frames.Data); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// fail reports an error: as a status and a body if nothing was sent, else in ClickHouse's frame at the end of the
// body, always uncompressed, which is where clickhouse-go looks for it.
func (o *output) fail(err error) {
	e := asEngineError(err)
	if !o.started {
		writeError(o.w, e)
		return
	}
	msg := e.Error()
	if len(msg) > 8<<10 { // the client reads 16 KiB at most
		msg = msg[:8<<10]
	}
	msg += "\n"
	//nolint:gosec // G705: as in write. A client that is gone can't be told.
	_, _ = fmt.Fprintf(o.w, "\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n", o.tag, msg, len(msg), o.tag)
}

// decompress reads ClickHouse's compressed frames.
func decompress(r io.Reader) io.Reader {
	return io.LimitReader(&framesReader{r: compress.NewReader(r)}, maxInsert)
}

// framesReader restores the plain io.EOF that the frame reader wraps.
type framesReader struct{ r io.Reader }

func (f *framesReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && errors.Is(err, io.EOF) {
		err = io.EOF
	}
	return n, err
}

// helloSQL is what clickhouse-go asks first on a new connection.
const helloSQL = "SELECT displayName(), version(), revision(), timezone()"

// hello answers helloSQL. The client decodes this one answer with the protocol revision it sent and every later one
// with the revision it reads here. The engine writes Native as of revision 0, so this block alone is encoded with
// the client's revision, and says 0.
func (h *handler) hello(o *output, q url.Values) error {
	revision, err := strconv.Atoi(q.Get("client_protocol_version"))
	if err != nil || revision < 0 {
		return &engineError{Code: codeUnknownSetting, Message: "DB::Exception: client_protocol_version is not a number. (UNKNOWN_SETTING)"}
	}
	name, version, zone := new(proto.ColStr), new(proto.ColStr), new(proto.ColStr)
	name.Append("mcpwatch embedded")
	version.Append(h.version)
	zone.Append("UTC")

	var buf proto.Buffer
	block := proto.Block{Info: proto.BlockInfo{BucketNum: -1}, Columns: 4, Rows: 1}
	if err := block.EncodeBlock(&buf, revision, []proto.InputColumn{
		{Name: "displayName()", Data: name},
		{Name: "version()", Data: version},
		{Name: "revision()", Data: &proto.ColUInt32{0}},
		{Name: "timezone()", Data: zone},
	}); err != nil {
		return fmt.Errorf("encoding the greeting: %w", err)
	}
	return o.write(buf.Buf)
}
