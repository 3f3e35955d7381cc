package collector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/collector/deadletter"
	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/collector/redact"
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

	parser   event.Parser
	redactor *redact.Redactor // nil where nothing is taken out
	format   format.Format    // of its records; "" where they are ours
	// repeats are the equal records so far, those without an id and those that were refused;
	// repeated are those that stood before the first of them, for a record that is redriven.
	repeats, refused map[string]int
	repeated         int

	events      int // added, what is lifted from them left out
	nothing     int // records that tell of nothing that MCP knows
	records     []kafka.Record
	bytes       int64 // of the records' and dead letters' values, with what each weighs beside
	deadLetters []kafka.Record
	redacted    redact.Counts
	receipt     Receipt
}

// begin takes a place for a batch of a source, which sends from an address.
func (c *Collector) begin(who credential.Identity, address string) (*batch, error) {
	if !c.enter(who) {
		return nil, &failure{code: http.StatusServiceUnavailable, reason: "too many requests at once", retryAfter: time.Second}
	}
	return c.batch(who, event.Origin{
		Tenant: who.Tenant, Source: who.Source, Collector: c.o.Name, Address: address,
		Agent: who.Agent, Principals: who.Principals,
	}, c.o.Now()), nil
}

func (c *Collector) batch(who credential.Identity, from event.Origin, received time.Time) *batch {
	b := &batch{
		collector: c, who: who, origin: from, received: received,
		repeats: map[string]int{}, refused: map[string]int{}, redacted: redact.Counts{},
	}
	if c.o.Redaction != nil {
		b.redactor = c.o.Redaction.Redactor()
	}
	return b
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
	e, err := b.read(l.data, decoder)
	if err != nil {
		return b.refuse(index, l.data, err)
	}
	b.receipt.Accepted++
	return b.add(e, l.data, b.ordinal(e, l.data))
}

// read is the event of a line, with secrets taken out of it before anything is made of it.
func (b *batch) read(data []byte, decoder *event.Decoder) (*event.Event, error) {
	root, err := decoder.Parse(data)
	if b.redactor == nil {
		if err != nil {
			return nil, err
		}
		e, _, err := decoder.Event()
		return e, err
	}
	if err != nil {
		return nil, b.unread(data, err, func(clean []byte) error { _, err := decoder.Parse(clean); return err })
	}
	if decoder.Mended() {
		e, _, err := decoder.Decode(b.redactor.Clean(data))
		if err != nil {
			return nil, err
		}
		return e, b.redact(e)
	}
	redacted, done := b.redactor.Document(data, root)
	if redacted != nil {
		if _, err := decoder.Parse(redacted); err != nil {
			return nil, err
		}
	}
	e, _, err := decoder.Event()
	if err != nil {
		return nil, err
	}
	done.Mark(e)
	b.count(done.Counts)
	return e, nil
}

// record adds a record of some format.
func (b *batch) record(index int, l line, reader *format.Reader) error {
	if l.problem != "" {
		return b.refuse(index, l.data, &event.FieldError{Reason: l.problem})
	}
	events, err := reader.Read(l.data)
	if err := b.take(l, events, reader); err != nil {
		return b.refuseField(index, l.data, err)
	}
	if err != nil {
		return b.refuse(index, l.data, b.unread(l.data, err, func(clean []byte) error { _, err := reader.Read(clean); return err }))
	}
	b.told(events)
	return nil
}

// told counts a record that was read, and tells of events.
func (b *batch) told(events []event.Event) {
	b.receipt.Accepted++
	if len(events) == 0 {
		b.nothing++
	}
}

// take adds the events of a line's record, or of a part of one, that a reader has read. The error may
// be a *event.FieldError, which is the record's.
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

// redact takes secrets out of an event.
func (b *batch) redact(e *event.Event) error {
	if b.redactor == nil {
		return nil
	}
	_, counts, err := b.redactor.Encode(nil, e)
	if err != nil {
		return &event.FieldError{Reason: err.Error()}
	}
	b.count(counts)
	return nil
}

func (b *batch) count(counts redact.Counts) {
	for kind, n := range counts {
		b.redacted[kind] += n
	}
}

// unread says why a record cannot be read. An error quotes the record, cut, and a secret that is cut
// is not known: so it is the error that the record has without its secrets.
func (b *batch) unread(record []byte, err error, read func(clean []byte) error) error {
	if b.redactor == nil || len(record) > b.collector.o.Limits.Bytes {
		return err
	}
	if err := read(b.redactor.Clean(record)); err != nil {
		return err
	}
	return &event.FieldError{Reason: "cannot be read"}
}

// ordinal counts the equal records before one that has no id.
func (b *batch) ordinal(e *event.Event, raw []byte) int {
	if e.ID != "" {
		return 0
	}
	n := b.repeats[string(raw)]
	b.repeats[string(raw)]++
	return b.repeated + n
}

// event takes secrets out of an event and adds it. The error is an *event.FieldError where that cannot
// be done.
func (b *batch) event(e *event.Event, raw []byte, ordinal int) error {
	if err := b.redact(e); err != nil {
		return err
	}
	return b.add(e, raw, ordinal)
}

// add adds an event that holds no secret any more, and what is lifted from it. raw and ordinal make its
// id where it has none.
func (b *batch) add(e *event.Event, raw []byte, ordinal int) error {
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
	refusal := b.refusal(index, err)
	letter, err := deadletter.New(deadletter.Letter{
		Origin: b.origin, Format: string(b.format), Received: b.received, Ordinal: b.refused[string(data)],
		Field: refusal.Field, Reason: refusal.Reason,
	}, data, b.collector.o.Recipient)
	if err != nil {
		return err
	}
	b.refused[string(data)]++
	b.bytes += int64(len(data)) + deadLetterOverhead
	b.receipt.RefusedCount++
	if len(b.receipt.Refused) < maxRefusals {
		b.receipt.Refused = append(b.receipt.Refused, refusal)
	}
	b.deadLetters = append(b.deadLetters, letter.Records()...)
	return b.bound()
}

// deadLetterOverhead is what a dead letter weighs beside its bytes, in memory, about.
const deadLetterOverhead = 1024

// maxField is the longest path in a refusal, in bytes.
const maxField = 200

// refusal says why a record was refused, with no secret of it.
func (b *batch) refusal(index int, err error) Refusal {
	refusal := Refusal{Index: index, Reason: err.Error()}
	if field, ok := errors.AsType[*event.FieldError](err); ok {
		refusal.Field, refusal.Reason = field.Field, field.Reason
	}
	if b.redactor != nil {
		refusal.Field, refusal.Reason = b.redactor.Text(refusal.Field), b.redactor.Text(refusal.Reason)
		if len(refusal.Field) > maxField {
			refusal.Field = "" // a name in it may be cut, and a cut secret is not known
		}
	}
	return refusal
}

// refuseField refuses a record for a *event.FieldError; any other error is the caller's.
func (b *batch) refuseField(index int, data []byte, err error) error {
	if _, refused := errors.AsType[*event.FieldError](err); refused {
		return b.refuse(index, data, err)
	}
	return err
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
	c.metrics.events.WithLabelValues("refused").Add(float64(b.receipt.RefusedCount))
	c.metrics.events.WithLabelValues("nothing").Add(float64(b.nothing))
	for kind, n := range b.redacted {
		c.metrics.redacted.WithLabelValues(kind).Add(float64(n))
	}
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
