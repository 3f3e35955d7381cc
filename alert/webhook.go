package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"golang.org/x/sync/errgroup"

	"github.com/mcpwatch/mcpwatch/finding"
)

// Webhook is a receiver of findings over HTTP, signed as Standard Webhooks says
// (headers webhook-id, webhook-timestamp, webhook-signature).
type Webhook struct {
	// Name of the receiver; its place in the stream is kept under this name.
	Name string
	URL  string
	// Secret is "whsec_" and the base64 of 24 to 64 random bytes.
	Secret string

	signer *standardwebhooks.Webhook
	client *http.Client
}

// Bounds of a delivery.
const (
	deliveryTimeout  = 15 * time.Second
	deliveriesAtOnce = 4
	// abandonAfter is when a delivery is given up: before the stream forgets the finding, so
	// that it can be said.
	abandonAfter = ledger - 24*time.Hour
)

var receiverName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (w *Webhook) prepare() error {
	var problems []error
	if !receiverName.MatchString(w.Name) {
		problems = append(problems, errors.New("the name must be 1 to 64 letters, digits, _ or -"))
	}
	if u, err := url.Parse(w.URL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		problems = append(problems, errors.New("the URL must begin with http:// or https://"))
	}
	signer, err := standardwebhooks.NewWebhook(w.Secret)
	if err != nil || w.Secret == "" {
		problems = append(problems, errors.New("the secret must be whsec_ and base64"))
	}
	w.signer = signer
	w.client = &http.Client{
		Timeout:       deliveryTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return errors.Join(problems...)
}

// message is a webhook's body.
type message struct {
	Type      string         `json:"type"`
	Timestamp time.Time      `json:"timestamp"`
	Data      jsontext.Value `json:"data"`
}

// MessageType is the type of a message that tells of a finding.
const MessageType = "finding.created"

// deliver carries the stream to one webhook until ctx ends, whatever becomes of NATS, the
// stream or the consumer on the way.
func (a *Alerter) deliver(ctx context.Context, w *Webhook) {
	for ctx.Err() == nil {
		if err := a.consume(ctx, w); err != nil && ctx.Err() == nil {
			a.retrying(err)
			a.ensureStream(ctx)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// consume delivers until ctx ends (nil) or the consumer does.
func (a *Alerter) consume(ctx context.Context, w *Webhook) error {
	attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	consumer, err := a.stream.CreateOrUpdateConsumer(attempt, Stream, jetstream.ConsumerConfig{
		Durable: "webhook-" + w.Name, Description: "Deliveries to the webhook " + w.Name,
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: 2 * deliveryTimeout,
		MaxDeliver: -1, MaxAckPending: 4096, DeliverPolicy: jetstream.DeliverAllPolicy,
	})
	if err != nil {
		return fmt.Errorf("making the JetStream consumer of webhook %s: %w", w.Name, err)
	}
	var deliveries errgroup.Group
	deliveries.SetLimit(deliveriesAtOnce)
	consuming, err := consumer.Consume(func(m jetstream.Msg) {
		deliveries.Go(func() error { a.settle(ctx, w, m); return nil })
	}, jetstream.PullMaxMessages(4*deliveriesAtOnce))
	if err != nil {
		return fmt.Errorf("consuming the stream for webhook %s: %w", w.Name, err)
	}
	select {
	case <-ctx.Done():
		consuming.Stop()
		<-consuming.Closed()
		err = nil
	case <-consuming.Closed():
		err = fmt.Errorf("the JetStream consumer of webhook %s ended", w.Name)
	}
	_ = deliveries.Wait() // they return nothing, and end with ctx
	return err
}

// settle tries one delivery, and tells the stream how it went.
func (a *Alerter) settle(ctx context.Context, w *Webhook, m jetstream.Msg) {
	meta, err := m.Metadata()
	if err != nil {
		a.retrying(fmt.Errorf("reading a message of the stream: %w", err))
		return
	}
	f, err := finding.Decode(m.Data())
	if err != nil {
		a.metrics.undecodable.Inc()
		_ = m.Term()
		return
	}
	result := "delivered"
	settle := m.Ack
	if err := w.post(ctx, &f, m.Data()); err != nil {
		result = "failed"
		settle = func() error { return m.NakWithDelay(retryDelay(meta.NumDelivered)) }
		level := zerolog.WarnLevel
		if time.Since(meta.Timestamp) > abandonAfter {
			result, settle, level = "abandoned", m.Term, zerolog.ErrorLevel
		}
		a.o.Log.WithLevel(level).Err(err).Str("receiver", w.Name).Str("finding", f.ID).Uint64("attempt", meta.NumDelivered).Str("result", result).Msg("webhook delivery")
	}
	if ctx.Err() != nil && result != "delivered" {
		return // the stream gives it out again
	}
	a.metrics.deliveries.WithLabelValues(w.Name, result).Inc()
	if err := settle(); err != nil {
		a.retrying(fmt.Errorf("settling the delivery of %s to %s: %w", f.ID, w.Name, err))
	}
}

// retryDelay grows from a second to an hour with the number of attempts made.
func retryDelay(attempts uint64) time.Duration {
	delays := []time.Duration{
		time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour,
	}
	return delays[min(max(attempts, 1), uint64(len(delays)))-1]
}

// post delivers a finding. Any answer but 2xx is an error.
func (w *Webhook) post(ctx context.Context, f *finding.Finding, data []byte) error {
	body, err := json.Marshal(message{Type: MessageType, Timestamp: f.Time, Data: data})
	if err != nil {
		return fmt.Errorf("encoding the message: %w", err)
	}
	now := time.Now()
	signature, err := w.signer.Sign(f.ID, now, body)
	if err != nil {
		return fmt.Errorf("signing the message: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "mcpwatch")
	request.Header.Set(standardwebhooks.HeaderWebhookID, f.ID)
	request.Header.Set(standardwebhooks.HeaderWebhookTimestamp, fmt.Sprint(now.Unix()))
	request.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	response, err := w.client.Do(request)
	if err != nil {
		return fmt.Errorf("posting: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10) // so that the connection can be used again
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("the receiver answered %s", response.Status)
	}
	return nil
}
