// Package collector takes events in over HTTP and writes them to Kafka.
//
// What it promises a shipper:
//
//   - 202 means that every line of the request is durable: an accepted one is acknowledged
//     by all in-sync replicas of mcp.events, a refused one is counted and, of the first hundred, listed
//     in the answer and lies, with its bytes, in mcp.deadletters.
//   - Any other status means that the shipper still owns the request: 429 and 503 carry
//     Retry-After. Sending a request again is always safe, since an event's id stays the same.
//   - Tenant and source come from the credential, never from the body.
//
// Memory is bounded by a few times Options.Requests times Options.BodyBytes: a request of
// more than Options.Lines events, or whose events and dead letters grow beyond that (each
// lifted message repeats its event's context), gets 413.
package collector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/collector/deadletter"
	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/collector/redact"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// Writer writes records durably. *kafka.Producer is the one there is.
type Writer interface {
	Produce(ctx context.Context, records []kafka.Record) error
}

// Options are what a collector is made of.
type Options struct {
	// Name of this collector, in each event's source.
	Name string
	// Events and DeadLetters write to the two topics.
	Events, DeadLetters Writer
	// Ready reports whether Kafka can be written to.
	Ready func(context.Context) error
	// Credentials says who may send.
	Credentials *credential.Keeper

	// Redaction says what is taken out of events before they are written; nil: nothing.
	Redaction *redact.Policy
	// Recipient is whom the bytes of dead letters are sealed for; nil leaves them open.
	Recipient *deadletter.Recipient

	// Limits of one event.
	Limits event.Limits
	// BodyBytes bounds a request's body after decompression.
	BodyBytes int64
	// Lines bounds how many events one request may hold.
	Lines int
	// Requests bounds how many requests are worked on at once, half of which one source may
	// have; further ones get 503.
	Requests int
	// Quota is how much a source may send that the credentials set none for.
	Quota credential.Quota

	Now      func() time.Time
	Log      zerolog.Logger
	Registry *prometheus.Registry
}

// DefaultOptions holds the bounds; the rest has no default.
func DefaultOptions() Options {
	return Options{
		Limits: event.DefaultLimits(), BodyBytes: 16 << 20, Lines: 20_000, Requests: 32,
		Quota: credential.Quota{Events: 50_000},
		Now:   time.Now, Log: zerolog.Nop(),
	}
}

func (o *Options) validate() error {
	var problems []error
	if o.Events == nil || o.DeadLetters == nil || o.Ready == nil || o.Registry == nil || o.Credentials == nil {
		problems = append(problems, errors.New("events, dead letters, ready, registry and credentials are needed"))
	}
	if o.Limits.Bytes <= 0 || o.Limits.Depth <= 0 || o.BodyBytes <= 0 || o.Lines <= 0 || o.Requests <= 0 {
		problems = append(problems, errors.New("every limit must be above 0"))
	}
	return errors.Join(problems...)
}

// Collector is the intake. It is an http.Handler, safe for concurrent use.
type Collector struct {
	o       Options
	mux     *http.ServeMux
	metrics *metrics

	sources sources
}

// New returns a collector.
func New(o Options) (*Collector, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("configuring the collector: %w", err)
	}
	c := &Collector{o: o, mux: http.NewServeMux(), metrics: newMetrics(o.Registry)}
	c.sources.of = map[sourceName]*source{}
	c.mux.HandleFunc("POST /v1/events", c.events)
	c.mux.HandleFunc("POST /v1/ingest/{format}", c.ingest)
	c.mux.HandleFunc("POST /v1/traces", c.telemetry(format.Traces))
	c.mux.HandleFunc("POST /v1/logs", c.telemetry(format.Logs))
	c.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, status{"ok"}) })
	c.mux.HandleFunc("GET /readyz", c.ready)
	c.mux.Handle("GET /metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{}))
	return c, nil
}

// ServeHTTP implements http.Handler.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.mux.ServeHTTP(w, r) }

type status struct {
	Status string `json:"status"`
}

// readyTimeout bounds the question to Kafka behind /readyz.
const readyTimeout = 2 * time.Second

func (c *Collector) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := c.o.Ready(ctx); err != nil {
		answer(w, http.StatusServiceUnavailable, status{"Kafka cannot be reached"})
		return
	}
	answer(w, http.StatusOK, status{"ready"})
}

// answer writes JSON. A client that is gone cannot be told so.
func answer(w http.ResponseWriter, code int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "encoding the answer failed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(append(data, '\n')) //nolint:gosec // it is JSON and says so
}

type metrics struct {
	events      *prometheus.CounterVec
	requests    *prometheus.CounterVec
	deadLetters prometheus.Counter
	bytes       prometheus.Counter
	lostTicks   prometheus.Counter
	produce     prometheus.Histogram
	refusals    *prometheus.CounterVec
	syslog      *prometheus.CounterVec
	topic       *prometheus.CounterVec
	redacted    *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mcpwatch_collector_events_total", Help: "Events and records taken in, by result: accepted, refused, lifted from another, or accepted and telling of nothing that MCP knows.",
		}, []string{"result"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mcpwatch_collector_requests_total", Help: "Requests to send events, by HTTP status, of gRPC by what it would be.",
		}, []string{"code"}),
		deadLetters: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mcpwatch_collector_dead_letters_total", Help: "Records written to mcp.deadletters.",
		}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mcpwatch_collector_bytes_total", Help: "Bytes of request bodies after decompression.",
		}),
		lostTicks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mcpwatch_collector_lost_ticks_total", Help: "Ticks that Kafka did not take in some partition.",
		}),
		produce: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "mcpwatch_collector_produce_seconds", Help: "Time until Kafka acknowledged a request's events.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
	}
	m.redacted = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mcpwatch_collector_redacted_total", Help: "Values taken out of events, by kind.",
	}, []string{"kind"})
	m.refusals = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mcpwatch_collector_credentials_refused_total", Help: "Requests whose credential was not taken, by reason.",
	}, []string{"reason"})
	m.syslog = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mcpwatch_collector_syslog_total", Help: "Syslog: messages taken in, messages lost as the collector stopped, connections refused.",
	}, []string{"what"})
	m.topic = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mcpwatch_collector_topic_records_total", Help: "Records of others' topics, read and durable, or expired before they were read.",
	}, []string{"topic", "what"})
	r.MustRegister(m.redacted, m.topic, m.syslog, m.refusals, m.events, m.requests, m.deadLetters, m.bytes, m.lostTicks, m.produce)
	return m
}
