package ingest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"

	"github.com/mcpwatch/mcpwatch/collector/format"
)

// Bounds of a batch: whichever is reached first. A record that is larger goes alone.
const (
	batchRecords = 2_000
	batchBytes   = 1 << 20
)

const (
	postTimeout = 60 * time.Second
	maxAnswer   = 4 << 20 // bytes of a collector's answer that are read
	maxWait     = time.Minute
)

// record is one of a file, or the reason why there is none.
type record struct {
	key     string
	data    []byte
	problem string
}

// identity is what the record's key is made of.
func (r record) identity() []byte {
	if r.problem != "" {
		return []byte(r.problem)
	}
	return r.data
}

// sender sends records in batches, one after the other: their order stays. It belongs to one
// goroutine.
type sender struct {
	o        Options
	client   *http.Client
	encoder  *zstd.Encoder
	result   Result
	progress func(done int64)

	records []record
	bytes   int
}

func newSender(o Options) *sender {
	encoder, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1)) // its options are right
	return &sender{
		o: o, encoder: encoder, progress: func(int64) {},
		client: &http.Client{
			Timeout: postTimeout,
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second, TLSClientConfig: o.TLS, ForceAttemptHTTP2: true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (s *sender) close() {
	s.client.CloseIdleConnections()
	_ = s.encoder.Close()
}

func (s *sender) count() int { return len(s.records) }

func (s *sender) full() bool { return len(s.records) >= batchRecords || s.bytes >= batchBytes }

// add keeps a copy of the record.
func (s *sender) add(r record) {
	r.data = bytes.Clone(r.data)
	s.records = append(s.records, r)
	s.bytes += len(r.data)
}

// keep drops all but the first n records of the batch.
func (s *sender) keep(n int) {
	for _, r := range s.records[n:] {
		s.bytes -= len(r.data)
	}
	s.records = s.records[:n]
}

// flush sends the batch, however long it takes, until ctx ends.
func (s *sender) flush(ctx context.Context) error {
	var whole []record
	for _, r := range s.records {
		if r.problem != "" {
			s.result.refuse(r.problem)
			continue
		}
		whole = append(whole, r)
	}
	s.keep(0)
	return s.send(ctx, whole)
}

// send sends records, and those that are too much at once in halves.
func (s *sender) send(ctx context.Context, records []record) error {
	if len(records) == 0 {
		return nil
	}
	body := s.encode(records)
	for wait := s.o.RetryMin; ; wait = min(2*wait, s.o.RetryMax) {
		after, err := s.post(ctx, body)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errTooLarge) && len(records) > 1:
			half := len(records) / 2
			return errors.Join(s.send(ctx, records[:half]), s.send(ctx, records[half:]))
		case errors.Is(err, errTooLarge):
			s.result.refuse(fmt.Sprintf("a record of %d bytes is too large for the collector", len(records[0].data)))
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("sending records: %w", ctx.Err())
		}
		if final, ok := errors.AsType[*finalError](err); ok {
			return final
		}
		s.o.Waiting(err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("sending records: %w", ctx.Err())
		case <-time.After(max(after, wait)):
		}
	}
}

func (s *sender) encode(records []record) []byte {
	var body []byte
	for _, r := range records {
		body = append(body, `{"key":"`...)
		body = append(body, r.key...)
		if utf8.Valid(r.data) {
			body = append(body, `","record":`...)
			body, _ = jsontext.AppendQuote(body, r.data) // it is UTF-8
			body = append(body, "}\n"...)
			continue
		}
		body = append(body, `","bytes":"`...)
		body = base64.StdEncoding.AppendEncode(body, r.data)
		body = append(body, "\"}\n"...)
	}
	return s.encoder.EncodeAll(body, nil)
}

// errTooLarge says that a batch is more than the collector takes at once.
var errTooLarge = errors.New("the collector finds the batch too large")

// finalError says that sending the same again is of no use.
type finalError struct{ reason string }

func (f *finalError) Error() string { return f.reason }

// receipt is the collector's answer.
type receipt struct {
	Accepted int `json:"accepted"`
	Events   int `json:"events"`
	Refused  []struct {
		Field  string `json:"field"`
		Reason string `json:"reason"`
	} `json:"refused"`
	Error string `json:"error"`
}

// post makes one attempt, and says what the collector asks to wait.
func (s *sender) post(ctx context.Context, body []byte) (after time.Duration, err error) {
	endpoint, token, err := s.o.Target(ctx)
	if err != nil {
		return 0, err
	}
	name := string(s.o.Format)
	if name == "" {
		name = format.Auto
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(endpoint, "/")+"/v1/ingest/"+url.PathEscape(name), bytes.NewReader(body))
	if err != nil {
		return 0, &finalError{"sending records: the collector's address is no URL"}
	}
	request.Header.Set("Content-Type", format.RecordsType)
	request.Header.Set("Content-Encoding", "zstd")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("sending records: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var got receipt
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err == nil {
		err = json.Unmarshal(data, &got)
	}
	switch code := response.StatusCode; {
	case code == http.StatusAccepted:
		if err == nil { // else all is taken, and how much is not known
			s.taken(got)
		}
		return 0, nil
	case code == http.StatusRequestEntityTooLarge:
		return 0, errTooLarge
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		after = min(time.Duration(max(seconds, 0))*time.Second, maxWait)
		return after, fmt.Errorf("the collector answers %d: %s", code, got.Error)
	default:
		return 0, &finalError{fmt.Sprintf("the collector answers %d: %s", code, got.Error)}
	}
}

func (s *sender) taken(got receipt) {
	s.result.Records += got.Accepted
	s.result.Events += got.Events
	for _, r := range got.Refused {
		s.result.refuse(strings.TrimSpace(r.Field + " " + r.Reason))
	}
}
