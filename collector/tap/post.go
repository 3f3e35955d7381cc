package tap

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/gzip"
)

const (
	postTimeout   = 30 * time.Second
	maxAnswer     = 1 << 20     // bytes of a collector's answer that are read
	maxRetryAfter = time.Minute // longest wait that a collector can ask for
	compressFrom  = 1 << 10     // bytes; a smaller batch is sent as it is
	maxLogged     = 200         // bytes of a text from outside in a log field
)

// verdict is what became of an attempt to post a batch.
type verdict int

const (
	taken    verdict = iota // the collector has it
	tooLarge                // fewer events may fit
	later                   // 429, 5xx, network: back off and try again
	unfit                   // 401, 403, other 4xx: a retry alone won't help
)

// outcome is a verdict with what is known about it.
type outcome struct {
	verdict verdict
	status  int           // HTTP status, 0 if there was no answer
	after   time.Duration // what Retry-After asks for
	err     error
	refused int // of its lines
	first   []refusal
}

// refusal is one event that the collector refused for good.
type refusal struct {
	Index  int    `json:"index"`
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

// poster sends batches. It belongs to one goroutine. Each request has a body of its own:
// the transport may go on reading one after it has returned.
type poster struct {
	client *http.Client
	target func(context.Context) (endpoint, token string, err error)
	gzip   *gzip.Writer
}

// post makes one attempt. It never fails otherwise than by its outcome.
func (p *poster) post(ctx context.Context, data []byte) outcome {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	request, err := p.request(ctx, data)
	if err != nil {
		return outcome{verdict: later, err: err}
	}
	response, err := p.client.Do(request)
	if err != nil {
		return outcome{verdict: later, err: fmt.Errorf("posting events: %w", err)}
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	o := judge(response)
	if o.verdict == taken && err == nil {
		o.refused, o.first = refusals(answer)
	}
	return o
}

func (p *poster) request(ctx context.Context, data []byte) (*http.Request, error) {
	endpoint, token, err := p.target(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking for the collector: %w", err)
	}
	encoding := ""
	if len(data) < compressFrom {
		data = bytes.Clone(data)
	} else if data, err = p.compress(data); err != nil {
		return nil, err
	} else {
		encoding = "gzip"
	}
	url := strings.TrimSuffix(endpoint, "/") + "/v1/events"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(data))
	if err != nil {
		return nil, errors.New("making the request: the collector's endpoint is no URL")
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	if encoding != "" {
		request.Header.Set("Content-Encoding", encoding)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return request, nil
}

func (p *poster) compress(data []byte) ([]byte, error) {
	if p.gzip == nil {
		w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		if err != nil {
			return nil, fmt.Errorf("compressing events: %w", err)
		}
		p.gzip = w
	}
	var body bytes.Buffer
	p.gzip.Reset(&body)
	if _, err := p.gzip.Write(data); err != nil {
		return nil, fmt.Errorf("compressing events: %w", err)
	}
	if err := p.gzip.Close(); err != nil {
		return nil, fmt.Errorf("compressing events: %w", err)
	}
	return body.Bytes(), nil
}

func judge(response *http.Response) outcome {
	o := outcome{status: response.StatusCode}
	switch s := response.StatusCode; {
	case s >= 200 && s < 300:
		return o
	case s == http.StatusRequestEntityTooLarge:
		o.verdict = tooLarge
	case s == http.StatusTooManyRequests, s == http.StatusRequestTimeout, s >= 500:
		o.verdict = later
		o.after = retryAfter(response.Header.Get("Retry-After"), response.Header.Get("Date"))
	default: // redirects too: the token goes nowhere but to the target
		o.verdict = unfit
	}
	o.err = fmt.Errorf("posting events: the collector answers %d", response.StatusCode)
	return o
}

// retryAfter reads seconds, or a date measured against the answer's own Date; 0 is none.
func retryAfter(value, date string) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	at, err1 := http.ParseTime(value)
	now, err2 := http.ParseTime(date)
	if err1 != nil || err2 != nil {
		return 0
	}
	return max(0, min(at.Sub(now), maxRetryAfter))
}

// refusals reads the collector's answer: how many lines it refused, and the first of them. One that cannot be read refuses nothing: the
// status has said that the batch was taken.
func refusals(answer []byte) (count int, first []refusal) {
	var a struct {
		Count   int       `json:"refused_count"`
		Refused []refusal `json:"refused"`
	}
	if json.Unmarshal(answer, &a) != nil {
		return 0, nil
	}
	return max(a.Count, len(a.Refused)), a.Refused
}

// newClient is the client of our own: no redirects, few idle connections.
func newClient(secure *tls.Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			MaxIdleConnsPerHost: 2,
			IdleConnTimeout:     time.Minute,
			TLSHandshakeTimeout: 10 * time.Second,
			TLSClientConfig:     secure,
			ForceAttemptHTTP2:   true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// clip shortens a text from outside for a log field.
func clip(s string) string {
	if len(s) > maxLogged {
		s = s[:maxLogged]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
