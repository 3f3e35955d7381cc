package collector

import (
	"strconv"
	"time"

	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// deadLetterOverhead is what a dead letter weighs beside its bytes, in memory, about.
const deadLetterOverhead = 1024

// deadLetterPart is how many bytes of a refused line one record holds.
const deadLetterPart = kafka.MaxBatchBytes / 2

// deadLetter keeps a refused line with all its bytes: in one record, or in several with
// the same key, numbered, where it is long.
func deadLetter(o event.Origin, received time.Time, refusal Refusal, data []byte) []kafka.Record {
	parts := max(1, (len(data)+deadLetterPart-1)/deadLetterPart)
	id := event.DeriveID(o, data, 0)
	records := make([]kafka.Record, 0, parts)
	for i := range parts {
		part := data[min(i*deadLetterPart, len(data)):min((i+1)*deadLetterPart, len(data))]
		records = append(records, kafka.Record{
			Key:   kafka.Key(o.Tenant, id),
			Value: part,
			Headers: []kafka.Header{
				{Key: "tenant", Value: []byte(o.Tenant)},
				{Key: "source", Value: []byte(o.Source)},
				{Key: "collector", Value: []byte(o.Collector)},
				{Key: "received", Value: []byte(received.UTC().Format(time.RFC3339Nano))},
				{Key: "field", Value: []byte(refusal.Field)},
				{Key: "reason", Value: []byte(refusal.Reason)},
				{Key: "part", Value: []byte(strconv.Itoa(i + 1))},
				{Key: "parts", Value: []byte(strconv.Itoa(parts))},
			},
		})
	}
	return records
}
