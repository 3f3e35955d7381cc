package tap

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// framesOf reads a whole stream the obvious way, as the HTML standard writes it down.
func framesOf(stream string) (frames []string) {
	stream = strings.TrimPrefix(stream, "\uFEFF")
	stream = strings.ReplaceAll(strings.ReplaceAll(stream, "\r\n", "\n"), "\r", "\n")
	var data []string
	name, id := "", ""
	dispatch := func() {
		if text := strings.Join(data, "\n"); strings.TrimSpace(text) != "" {
			frames = append(frames, fmt.Sprintf("%q %q %q", name, id, text))
		}
		data, name = nil, ""
	}
	for line := range strings.SplitSeq(stream, "\n") {
		if line == "" {
			dispatch()
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "data":
			data = append(data, value)
		case "event":
			name = value[:min(len(value), maxSSEText)]
		case "id":
			if value = value[:min(len(value), maxSSEText)]; !strings.Contains(value, "\x00") {
				id = value
			}
		}
	}
	dispatch()
	return frames
}

func framesIn(stream string, sizes []byte) (frames []string) {
	s := new(sse)
	emit := func(f frame) {
		frames = append(frames, fmt.Sprintf("%q %q %q", f.name, f.id, bytes.Clone(f.data.head)))
	}
	gap := func(n uint64) { frames = append(frames, fmt.Sprintf("gap of %d", n)) }
	rest := []byte(stream)
	for i := 0; len(rest) > 0; i++ {
		n := len(rest)
		if len(sizes) > 0 {
			n = min(n, 1+int(sizes[i%len(sizes)]))
		}
		s.feed(rest[:n], emit, gap)
		rest = rest[n:]
	}
	s.end(emit, gap)
	return frames
}

// FuzzSSE holds the parser against the obvious one, whatever the pieces.
func FuzzSSE(f *testing.F) {
	for _, seed := range []string{
		"data: a\n\n", "event: x\rid: 1\rdata:  a\r\rdata\r\n\r\n", "\uFEFFdata:a\ndata:b\n\nid\ndata:c", ": comment\n\nid: a\x00b\ndata: x\n\n",
		"dataa: x\nretry: 1\ndata:\n\ndata\ndata\n\nevent: endpoint\ndata: /x\n\n", "\uFEFF\ndata: a", "\r\n\r\ndata:x\r\n\r",
	} {
		f.Add(seed, []byte{0})
		f.Add(seed, []byte{2, 5, 0})
	}
	f.Fuzz(func(t *testing.T, stream string, sizes []byte) {
		got, want := framesIn(stream, sizes), framesOf(stream)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q in pieces of %v:\n got %v\nwant %v", stream, sizes, got, want)
		}
	})
}

func TestSSEGoesOnBehindAGap(t *testing.T) {
	var got []string
	emit := func(f frame) { got = append(got, string(f.data.head)) }
	gap := func(n uint64) { got = append(got, fmt.Sprintf("gap of %d", n)) }
	s := new(sse)
	s.feed([]byte("data: a\n\ndata: bb"), emit, gap)
	s.lose(10)
	s.feed([]byte("rest\ndata: cc\n\ndata: d\n\n"), emit, gap)
	s.lose(3)
	s.end(emit, gap)
	if want := []string{"a", "gap of 24", "d", "gap of 3"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzDecoder holds that no bytes make it fail otherwise than by an error.
func FuzzDecoder(f *testing.F) {
	f.Add("gzip", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"))
	f.Add("br", []byte("\x0b\x02\x80abcde\x03"))
	f.Add("zstd", []byte("\x28\xb5\x2f\xfd\x00\x00"))
	f.Add("deflate", []byte("x\x9c"))
	f.Fuzz(func(_ *testing.T, encoding string, data []byte) {
		d, err := newDecoder(encoding)
		if d == nil || err != nil {
			return
		}
		defer d.stop()
		for i := range data {
			if d.feed(data[i:i+1], func([]byte) {}) != nil {
				return
			}
		}
	})
}

// FuzzBearer holds that no header breaks the reader, and that a token is never in what it gives.
func FuzzBearer(f *testing.F) {
	f.Add("Bearer e30.eyJzdWIiOiJhIn0.c2ln")
	f.Add("bearer e30.eyJleHAiOjFlOTksImFjdCI6e319.x")
	f.Fuzz(func(t *testing.T, authorization string) {
		if p := bearer(authorization); p.Token != "" && len(p.Token) != len("sha256:")+64 {
			t.Errorf("token %q", p.Token)
		}
	})
}
