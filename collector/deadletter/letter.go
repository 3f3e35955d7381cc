// Package deadletter says how what a collector refused is kept in mcp.deadletters: its bytes, sealed,
// and in the clear whose it is and why it was refused.
package deadletter

import (
	"encoding/binary"
	"slices"
	"strconv"
	"time"

	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// State is what became of a letter.
type State string

// The states. A letter is kept first; a redriven one has become events; one that was refused again
// may be redriven later.
const (
	Kept     State = "kept"
	Redriven State = "redriven"
	Refused  State = "refused_again"
)

// Letter is a refused record.
type Letter struct {
	// ID is the same however often the record is sent in the same batch.
	ID string
	// Origin is whose it is.
	Origin event.Origin
	// Format is what it was read as; "" is the way of POST /v1/events.
	Format   string
	Received time.Time
	// Ordinal counts the equal refused records before it in its batch.
	Ordinal int
	// Field and Reason say why it was refused. Secrets are taken out of them.
	Field, Reason string
	// Data is the record, sealed or not.
	Data   []byte
	Sealed bool
}

// New makes a letter of a record, sealed where there is a recipient.
func New(l Letter, record []byte, to *Recipient) (Letter, error) {
	l.ID = event.DeriveID(l.Origin, append([]byte(l.Format+"\x00"), record...), l.Ordinal)
	l.Data = record
	if to == nil {
		return l, nil
	}
	var err error
	l.Sealed = true
	l.Data, err = to.seal(record, l.bound())
	return l, err
}

// bound is what a seal holds together with the bytes: nobody can make another's of them.
func (l *Letter) bound() []byte {
	o := l.Origin
	var b []byte
	for _, part := range []string{
		l.ID, o.Tenant, o.Source, o.Agent, strconv.FormatBool(o.Principals), o.Address, l.Format, strconv.Itoa(l.Ordinal),
		l.Received.UTC().Format(time.RFC3339Nano),
	} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b
}

// partBytes is how many bytes one Kafka record holds.
const partBytes = kafka.MaxBatchBytes / 2

// Records are those of a letter: one, or several with the same key, numbered, where it is long.
func (l *Letter) Records() []kafka.Record {
	parts := max(1, (len(l.Data)+partBytes-1)/partBytes)
	records := make([]kafka.Record, 0, parts)
	for i := range parts {
		records = append(records, kafka.Record{
			Key:   l.key(),
			Value: l.Data[min(i*partBytes, len(l.Data)):min((i+1)*partBytes, len(l.Data))],
			Headers: headers(
				"state", string(Kept),
				"tenant", l.Origin.Tenant,
				"source", l.Origin.Source,
				"collector", l.Origin.Collector,
				"address", l.Origin.Address,
				"agent", l.Origin.Agent,
				"principals", strconv.FormatBool(l.Origin.Principals),
				"format", l.Format,
				"received", l.Received.UTC().Format(time.RFC3339Nano),
				"ordinal", strconv.Itoa(l.Ordinal),
				"field", l.Field,
				"reason", l.Reason,
				"sealed", strconv.FormatBool(l.Sealed),
				"part", strconv.Itoa(i+1),
				"parts", strconv.Itoa(parts),
			),
		})
	}
	return records
}

// Change is what became of a letter, and when.
type Change struct {
	State State
	At    time.Time
	// Reason says why it was refused again.
	Reason string
}

// Record says what became of the letter.
func (l *Letter) Record(c Change) kafka.Record {
	return kafka.Record{Key: l.key(), Value: []byte{}, Headers: headers(
		"state", string(c.State), "at", c.At.UTC().Format(time.RFC3339Nano), "reason", c.Reason,
	)}
}

func (l *Letter) key() []byte { return kafka.Key(l.Origin.Tenant, l.ID) }

func headers(pairs ...string) []kafka.Header {
	all := make([]kafka.Header, 0, len(pairs)/2)
	for pair := range slices.Chunk(pairs, 2) {
		all = append(all, kafka.Header{Key: pair[0], Value: []byte(pair[1])})
	}
	return all
}
