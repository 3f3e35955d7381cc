package collector

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// Receipt is the answer to a request that was taken.
type Receipt struct {
	// Accepted counts the lines that became events.
	Accepted int `json:"accepted"`
	// Refused lists those that did not; they are kept as dead letters.
	Refused []Refusal `json:"refused,omitempty"`
}

// Refusal says which line was refused, and why.
type Refusal struct {
	// Index counts the request's events from 0, empty lines left out.
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

func (c *Collector) events(w http.ResponseWriter, r *http.Request) {
	receipt, err := c.take(r)
	code := http.StatusAccepted
	var body any = receipt
	if err != nil {
		f := &failure{code: http.StatusInternalServerError, reason: "internal error"}
		if !errors.As(err, &f) {
			c.o.Log.Error().Err(err).Msg("taking in events")
		}
		code, body = f.code, map[string]string{"error": f.reason}
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

// take does one request. A nil error means that each of its lines is durable.
func (c *Collector) take(r *http.Request) (Receipt, error) {
	who, known := c.o.Tokens.identify(r)
	if !known {
		return Receipt{}, &failure{code: http.StatusUnauthorized, reason: "no valid bearer token"}
	}
	if !c.enter(who) {
		return Receipt{}, &failure{code: http.StatusServiceUnavailable, reason: "too many requests at once", retryAfter: time.Second}
	}
	defer c.leave(who)
	body, err := readBody(r, c.o.BodyBytes)
	if err != nil {
		return Receipt{}, err
	}
	c.metrics.bytes.Add(float64(len(body)))
	lines, whole := split(body, c.o.Lines)
	if !whole {
		return Receipt{}, &failure{
			code: http.StatusRequestEntityTooLarge, reason: fmt.Sprintf("over %d events; send smaller batches", c.o.Lines),
		}
	}
	if err := c.charge(who, len(lines)); err != nil {
		return Receipt{}, err
	}
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = ""
	}
	b := batch{
		origin:   event.Origin{Tenant: who.Tenant, Source: who.Source, Collector: c.o.Name, Address: address},
		received: c.o.Now(),
		decoder:  event.NewDecoder(c.o.Limits),
		repeats:  map[string]int{},
	}
	for i, line := range lines {
		if err := b.add(i, line); err != nil {
			return Receipt{}, err
		}
		if most := expansion * c.o.BodyBytes; b.bytes > most {
			return Receipt{}, &failure{
				code:   http.StatusRequestEntityTooLarge,
				reason: fmt.Sprintf("the events and what is lifted from them are over %d bytes; send smaller batches", most),
			}
		}
	}
	if err := c.write(r.Context(), &b); err != nil {
		return Receipt{}, err
	}
	return b.receipt, nil
}

// charge counts n events against the source's rate.
func (c *Collector) charge(who Identity, n int) error {
	now := c.o.Now()
	reservation := c.limiter(who).ReserveN(now, n)
	if !reservation.OK() {
		return &failure{
			code:   http.StatusRequestEntityTooLarge,
			reason: fmt.Sprintf("%d events are more than source %s may send at once, which is %d", n, who.Source, c.o.RateBurst),
		}
	}
	if wait := reservation.DelayFrom(now); wait > 0 {
		reservation.CancelAt(now)
		return &failure{
			code: http.StatusTooManyRequests, retryAfter: wait,
			reason: fmt.Sprintf("source %s is over its rate of %g events a second", who.Source, c.o.Rate),
		}
	}
	return nil
}

// write makes a batch durable: dead letters first, so that a shipper that is told of a
// refusal can rely on it.
func (c *Collector) write(ctx context.Context, b *batch) error {
	began := c.o.Now()
	if len(b.deadLetters) > 0 {
		if err := c.o.DeadLetters.Produce(ctx, b.deadLetters); err != nil {
			return c.unavailable(ctx, err)
		}
	}
	if len(b.records) > 0 {
		if err := c.o.Events.Produce(ctx, b.records); err != nil {
			return c.unavailable(ctx, err)
		}
	}
	c.metrics.produce.Observe(c.o.Now().Sub(began).Seconds())
	c.metrics.events.WithLabelValues("accepted").Add(float64(b.receipt.Accepted))
	c.metrics.events.WithLabelValues("refused").Add(float64(len(b.receipt.Refused)))
	c.metrics.events.WithLabelValues("lifted").Add(float64(len(b.records) - b.receipt.Accepted))
	c.metrics.deadLetters.Add(float64(len(b.deadLetters)))
	return nil
}

// unavailable leaves the request with the shipper. One that has hung up is no news of Kafka.
func (c *Collector) unavailable(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		c.o.Log.Warn().Err(err).Msg("Kafka did not acknowledge")
	}
	return &failure{code: http.StatusServiceUnavailable, reason: "Kafka did not acknowledge; send it again", retryAfter: 2 * time.Second}
}

// expansion is how many times a body's bound its events may weigh together. One event
// alone, with its most lifted messages, stays below.
const expansion = 4

// batch is one request on its way to Kafka.
type batch struct {
	origin   event.Origin
	received time.Time

	decoder *event.Decoder
	parser  event.Parser
	repeats map[string]int // equal lines without an id so far

	records     []kafka.Record
	bytes       int64 // of the records' and dead letters' values, with what each weighs beside
	deadLetters []kafka.Record
	receipt     Receipt
}

func (b *batch) add(index int, l line) error {
	if l.problem != "" {
		b.refuse(index, l.data, &event.FieldError{Reason: l.problem})
		return nil
	}
	e, _, err := b.decoder.Decode(l.data)
	if err != nil {
		b.refuse(index, l.data, err)
		return nil
	}
	ordinal := 0
	if e.ID == "" {
		ordinal = b.repeats[string(l.data)]
		b.repeats[string(l.data)]++
	}
	taken := b.parser.Take(event.Shipment{Event: *e, Origin: b.origin, Received: b.received, Raw: l.data, Ordinal: ordinal})
	for i := range taken {
		value, err := event.Encode(nil, &taken[i])
		if err != nil {
			return err
		}
		b.bytes += int64(len(value))
		b.records = append(b.records, kafka.Record{Key: kafka.Key(taken[i].Tenant, taken[i].Actor), Value: value})
	}
	b.receipt.Accepted++
	return nil
}

func (b *batch) refuse(index int, data []byte, err error) {
	refusal := Refusal{Index: index, Reason: err.Error()}
	if field, ok := errors.AsType[*event.FieldError](err); ok {
		refusal.Field, refusal.Reason = field.Field, field.Reason
	}
	b.bytes += int64(len(data)) + deadLetterOverhead
	b.receipt.Refused = append(b.receipt.Refused, refusal)
	b.deadLetters = append(b.deadLetters, deadLetter(b.origin, b.received, refusal, data)...)
}
