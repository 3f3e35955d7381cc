package collector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// expansion is how many times a body's bound its events may weigh together. One event
// alone, with its most lifted messages, stays below.
const expansion = 4

// batch is what a source sends at once, on its way to Kafka: begin, charge, add what there is,
// commit, end. It belongs to one goroutine.
type batch struct {
	collector *Collector
	who       credential.Identity
	origin    event.Origin
	received  time.Time

	parser  event.Parser
	repeats map[string]int // equal records without an id so far

	events      int // added, what is lifted from them left out
	nothing     int // records that tell of nothing that MCP knows
	records     []kafka.Record
	bytes       int64 // of the records' and dead letters' values, with what each weighs beside
	deadLetters []kafka.Record
	receipt     Receipt
}

// begin takes a place for a batch of a source, which sends from an address.
func (c *Collector) begin(who credential.Identity, address string) (*batch, error) {
	if !c.enter(who) {
		return nil, &failure{code: http.StatusServiceUnavailable, reason: "too many requests at once", retryAfter: time.Second}
	}
	return &batch{
		collector: c, who: who,
		origin: event.Origin{
			Tenant: who.Tenant, Source: who.Source, Collector: c.o.Name, Address: address,
			Agent: who.Agent, Principals: who.Principals,
		},
		received: c.o.Now(),
		repeats:  map[string]int{},
	}, nil
}

// end gives the place back.
func (b *batch) end() { b.collector.leave(b.who) }

// charge counts records and their bytes against the source's quota.
func (b *batch) charge(records, bytes int) error { return b.collector.charge(b.who, records, bytes) }

// line adds a line that is an event.
func (b *batch) line(index int, l line, decoder *event.Decoder) error {
	if l.problem != "" {
		return b.refuse(index, l.data, &event.FieldError{Reason: l.problem})
	}
	e, _, err := decoder.Decode(l.data)
	if err != nil {
		return b.refuse(index, l.data, err)
	}
	b.receipt.Accepted++
	return b.event(e, l.data, b.ordinal(e, l.data))
}

// record adds a record of some format.
func (b *batch) record(index int, l line, reader *format.Reader) error {
	if l.problem != "" {
		return b.refuse(index, l.data, &event.FieldError{Reason: l.problem})
	}
	events, err := reader.Read(l.data)
	if err := b.take(l, events, reader); err != nil {
		return err
	}
	if err != nil {
		return b.refuse(index, l.data, err)
	}
	b.read(events)
	return nil
}

// read counts a record that was read.
func (b *batch) read(events []event.Event) {
	b.receipt.Accepted++
	if len(events) == 0 {
		b.nothing++
	}
}

// take adds the events of a line's record, or of a part of one, that a reader has read.
func (b *batch) take(l line, events []event.Event, reader *format.Reader) error {
	for i := range events {
		l.complete(&events[i])
		raw, ordinal := []byte(l.key), i
		if l.key == "" {
			raw = reader.Raw(i)
			ordinal = b.ordinal(&events[i], raw)
		}
		if err := b.event(&events[i], raw, ordinal); err != nil {
			return err
		}
	}
	return nil
}

// ordinal counts the equal records before one that has no id.
func (b *batch) ordinal(e *event.Event, raw []byte) int {
	if e.ID != "" {
		return 0
	}
	n := b.repeats[string(raw)]
	b.repeats[string(raw)]++
	return n
}

// event adds an event and what is lifted from it. raw and ordinal make its id where it has none.
func (b *batch) event(e *event.Event, raw []byte, ordinal int) error {
	b.events++
	taken := b.parser.Take(event.Shipment{Event: *e, Origin: b.origin, Received: b.received, Raw: raw, Ordinal: ordinal})
	for i := range taken {
		value, err := event.Encode(nil, &taken[i])
		if err != nil {
			return fmt.Errorf("encoding an event: %w", err)
		}
		b.bytes += int64(len(value))
		b.records = append(b.records, kafka.Record{Key: kafka.Key(taken[i].Tenant, taken[i].Actor), Value: value})
	}
	return b.bound()
}

// refuse adds a record that cannot be read as a dead letter.
func (b *batch) refuse(index int, data []byte, err error) error {
	refusal := Refusal{Index: index, Reason: err.Error()}
	if field, ok := errors.AsType[*event.FieldError](err); ok {
		refusal.Field, refusal.Reason = field.Field, field.Reason
	}
	b.bytes += int64(len(data)) + deadLetterOverhead
	b.receipt.Refused = append(b.receipt.Refused, refusal)
	b.deadLetters = append(b.deadLetters, deadLetter(b.origin, b.received, refusal, data)...)
	return b.bound()
}

// bound refuses a batch that has grown too large.
func (b *batch) bound() error {
	if most := expansion * b.collector.o.BodyBytes; b.bytes > most {
		return &failure{
			code:   http.StatusRequestEntityTooLarge,
			reason: fmt.Sprintf("the events and what is lifted from them are over %d bytes; send smaller batches", most),
		}
	}
	return nil
}

// finish commits a batch that was read, or tells why it was not.
func (b *batch) finish(ctx context.Context, err error) (Receipt, error) {
	if err == nil {
		return b.commit(ctx)
	}
	if f, ok := errors.AsType[*failure](err); ok && f.kept {
		if _, err := b.commit(ctx); err != nil {
			return Receipt{}, err
		}
	}
	return Receipt{}, err
}

// commit makes the batch durable: dead letters first, so that a shipper that is told of a
// refusal can rely on it.
func (b *batch) commit(ctx context.Context) (Receipt, error) {
	c := b.collector
	began := c.o.Now()
	if len(b.deadLetters) > 0 {
		if err := c.o.DeadLetters.Produce(ctx, b.deadLetters); err != nil {
			return Receipt{}, c.unavailable(ctx, err)
		}
	}
	if len(b.records) > 0 {
		if err := c.o.Events.Produce(ctx, b.records); err != nil {
			return Receipt{}, c.unavailable(ctx, err)
		}
	}
	c.metrics.produce.Observe(c.o.Now().Sub(began).Seconds())
	c.metrics.events.WithLabelValues("accepted").Add(float64(b.receipt.Accepted))
	c.metrics.events.WithLabelValues("refused").Add(float64(len(b.receipt.Refused)))
	c.metrics.events.WithLabelValues("nothing").Add(float64(b.nothing))
	c.metrics.events.WithLabelValues("lifted").Add(float64(len(b.records) - b.events))
	c.metrics.deadLetters.Add(float64(len(b.deadLetters)))
	return b.receipt, nil
}

// unavailable leaves the request with the shipper. One that has hung up is no news of Kafka.
func (c *Collector) unavailable(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		c.o.Log.Warn().Err(err).Msg("Kafka did not acknowledge")
	}
	return &failure{code: http.StatusServiceUnavailable, reason: "Kafka did not acknowledge; send it again", retryAfter: 2 * time.Second}
}
