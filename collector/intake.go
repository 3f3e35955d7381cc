package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/event"
)

// Receipt is the answer to a request that was taken.
type Receipt struct {
	// Accepted counts the lines or records that were read; each became one event or, in a format
	// that is not ours, as many as it tells of.
	Accepted int `json:"accepted"`
	// Events counts what the records of a format that is not ours told of; not given for events.
	Events int `json:"events,omitzero"`
	// RefusedCount counts those that were not; they are kept as dead letters. Refused lists the first
	// hundred of them.
	RefusedCount int       `json:"refused_count,omitzero"`
	Refused      []Refusal `json:"refused,omitempty"`
}

// maxRefusals bounds the list of an answer.
const maxRefusals = 100

// Refusal says which line was refused, and why.
type Refusal struct {
	// Index counts the request's lines or records from 0, empty lines left out.
	Index int `json:"index"`
	// Field is the dotted path of what is wrong, "" for the event as a whole.
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`
}

// failure is an answer that leaves the request with the shipper.
type failure struct {
	code       int
	reason     string
	retryAfter time.Duration
	// kept says that the batch's dead letters are written all the same.
	kept bool
}

func (f *failure) Error() string { return f.reason }

// events takes a body of events.
func (c *Collector) events(w http.ResponseWriter, r *http.Request) {
	receipt, err := c.take(r, func(b *batch, body []byte) error {
		lines, whole := split(body, c.o.Lines)
		if !whole {
			return c.tooMany()
		}
		if err := b.charge(len(lines), len(body)); err != nil {
			return err
		}
		decoder := event.NewDecoder(c.o.Limits)
		for i, l := range lines {
			if err := b.line(i, l, decoder); err != nil {
				return err
			}
		}
		return nil
	})
	c.answer(w, receipt, err)
}

// ingest takes a body in the format that the path names: that of a file that other software wrote.
func (c *Collector) ingest(w http.ResponseWriter, r *http.Request) {
	var form format.Format
	if err := form.UnmarshalText([]byte(r.PathValue("format"))); err != nil {
		c.answer(w, Receipt{}, &failure{code: http.StatusNotFound, reason: err.Error()})
		return
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	receipt, err := c.take(r, func(b *batch, body []byte) error {
		cut := func(body []byte) ([]line, error) { return c.cut(form, body) }
		if media == format.RecordsType {
			cut = c.cutKeyed
		}
		lines, err := cut(body)
		if err != nil {
			return err
		}
		if err := b.charge(len(lines), len(body)); err != nil {
			return err
		}
		b.format = form
		reader := format.NewReader(form, c.o.Limits)
		for i, l := range lines {
			if err := b.record(i, l, reader); err != nil {
				return err
			}
		}
		b.receipt.Events = b.events
		return nil
	})
	c.answer(w, receipt, err)
}

// cutKeyed takes a body of records with keys apart.
func (c *Collector) cutKeyed(body []byte) ([]line, error) {
	var lines []line
	for l := range bytes.Lines(body) {
		if l = bytes.TrimSpace(l); len(l) == 0 {
			continue
		}
		if len(lines) == c.o.Lines {
			return nil, c.tooMany()
		}
		key, record, err := format.ReadKeyed(l)
		if err != nil {
			lines = append(lines, line{data: l, problem: err.Error()})
			continue
		}
		lines = append(lines, line{data: record, key: key})
	}
	return lines, nil
}

// cut takes a body apart into the records of a format.
func (c *Collector) cut(form format.Format, body []byte) ([]line, error) {
	var lines []line
	add := func(l line) error {
		if len(lines) == c.o.Lines {
			return c.tooMany()
		}
		lines = append(lines, l)
		return nil
	}
	err := format.Cut(bytes.NewReader(body), form,
		func(record []byte) error { return add(line{data: bytes.Clone(record)}) },
		func(reason string) error { return add(line{problem: reason}) })
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = add(line{data: body, problem: "breaks off within an array or an object; what came before is taken"})
	}
	return lines, err
}

func (c *Collector) tooMany() error {
	return &failure{code: http.StatusRequestEntityTooLarge, reason: fmt.Sprintf("over %d events; send smaller batches", c.o.Lines)}
}

// take does one request, whose body is for read to add to the batch. A nil error means that all of
// it is durable.
func (c *Collector) take(r *http.Request, read func(b *batch, body []byte) error) (Receipt, error) {
	presented := credential.Presented{Authorization: r.Header.Get("Authorization")}
	if r.TLS != nil {
		presented.Chains = r.TLS.VerifiedChains
	}
	who, err := c.identify(r.Context(), presented)
	if err != nil {
		return Receipt{}, err
	}
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = ""
	}
	b, err := c.begin(who, address)
	if err != nil {
		return Receipt{}, err
	}
	defer b.end()
	body, err := readBody(r, c.o.BodyBytes)
	if err != nil {
		return Receipt{}, err
	}
	c.metrics.bytes.Add(float64(len(body)))
	return b.finish(r.Context(), read(b, body))
}

// identify says who sends, by what it presents; the error is a *failure.
func (c *Collector) identify(ctx context.Context, p credential.Presented) (credential.Identity, error) {
	who, err := c.o.Credentials.Set().Identify(ctx, p)
	if err == nil {
		return who, nil
	}
	if refusal, ok := errors.AsType[*credential.RefusedError](err); ok {
		c.metrics.refusals.WithLabelValues(refusal.Reason).Inc()
	}
	if credential.Temporary(err) {
		c.o.Log.Warn().Err(err).Msg("a credential cannot be checked")
		return credential.Identity{}, &failure{code: http.StatusServiceUnavailable, reason: "the credential cannot be checked now", retryAfter: issuerRetry}
	}
	c.o.Log.Debug().Str("error", c.clean(err.Error())).Msg("a credential is not taken")
	return credential.Identity{}, &failure{code: http.StatusUnauthorized, reason: "no valid bearer token or client certificate"}
}

// issuerRetry is what a shipper waits whose issuer's keys are not to be had.
const issuerRetry = 10 * time.Second

// clean takes secrets out of a text that may quote a request.
func (c *Collector) clean(s string) string {
	if c.o.Redaction == nil {
		return s
	}
	return c.o.Redaction.Redactor().Text(s)
}

// answer tells the shipper what became of its request.
func (c *Collector) answer(w http.ResponseWriter, receipt Receipt, err error) {
	if err != nil {
		f := c.failed(err)
		f.headers(w)
		answer(w, f.code, map[string]string{"error": c.clean(f.reason)})
		return
	}
	c.succeeded(http.StatusAccepted)
	answer(w, http.StatusAccepted, receipt)
}

// succeeded counts a request that was taken.
func (c *Collector) succeeded(code int) { c.metrics.requests.WithLabelValues(strconv.Itoa(code)).Inc() }

// failed counts a request that was not, and says what the shipper is told: of what went wrong in here
// only that.
func (c *Collector) failed(err error) *failure {
	f, known := errors.AsType[*failure](err)
	if !known {
		c.o.Log.Error().Str("error", c.clean(err.Error())).Msg("taking in events")
		f = &failure{code: http.StatusInternalServerError, reason: "internal error"}
	}
	c.metrics.requests.WithLabelValues(strconv.Itoa(f.code)).Inc()
	return f
}

// headers are those that go with a failure.
func (f *failure) headers(w http.ResponseWriter) {
	if f.retryAfter > 0 {
		seconds := int64((f.retryAfter + time.Second - 1) / time.Second)
		w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	if f.code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="mcpwatch"`)
	}
}
