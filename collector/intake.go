package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	receipt, err := c.take(r, func(b *batch, body []byte) error {
		lines, err := c.cut(form, body)
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
		return nil
	})
	c.answer(w, receipt, err)
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
	if err := read(b, body); err != nil {
		return Receipt{}, err
	}
	return b.commit(r.Context())
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
	code := http.StatusAccepted
	var body any = receipt
	if err != nil {
		f := &failure{code: http.StatusInternalServerError, reason: "internal error"}
		if !errors.As(err, &f) {
			c.o.Log.Error().Str("error", c.clean(err.Error())).Msg("taking in events")
		}
		code, body = f.code, map[string]string{"error": c.clean(f.reason)}
		if f.retryAfter > 0 {
			seconds := int64((f.retryAfter + time.Second - 1) / time.Second)
			w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
		}
		if code == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="mcpwatch"`)
		}
	}
	c.metrics.requests.WithLabelValues(strconv.Itoa(code)).Inc()
	answer(w, code, body)
}
