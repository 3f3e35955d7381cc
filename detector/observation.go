package detector

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// Observation is an event that meets conditions of a rule whose key is not the actor's: what the
// second stage needs of it.
type Observation struct {
	// At is the observation's place in time, in microseconds since 1970: when the collector
	// received the event, or, of one that reached Kafka late, the first moment that its partition
	// had not closed by then (see Watermark).
	At       int64          `json:"at"`
	Rule     string         `json:"rule"`
	Version  string         `json:"version"`
	Key      []string       `json:"key"`
	Quiet    []string       `json:"quiet,omitempty"`
	Steps    uint32         `json:"steps"`
	Value    string         `json:"value,omitempty"`
	Number   float64        `json:"number,omitzero"`
	Sighting *rule.Sighting `json:"sighting"`

	// route are the parts of the key that say to which partition of mcp.observations it goes.
	route []string
}

func (h *hit) observation(p *rule.Program, at int64) Observation {
	return Observation{
		At: at, Rule: p.Rule.ID, Version: p.Version, Key: h.key, Quiet: h.quiet, Steps: h.steps,
		Value: h.value, Number: h.number, Sighting: h.sighting, route: p.Route(h.key),
	}
}

// Lateness is how much later than the collectors' clock a partition of mcp.events is closed: how
// late, against the clocks of other collectors, an event may reach Kafka and still be observed in
// its order.
const Lateness = 5 * time.Second

// place is where in a partition of mcp.events something comes from.
type place struct {
	offset  int64
	ordinal int // among what the record at the offset causes
}

// nowhere is before all places.
func nowhere() place { return place{offset: -1} }

func (p place) before(q place) bool {
	return p.offset < q.offset || p.offset == q.offset && p.ordinal < q.ordinal
}

// notice is a record of mcp.observations: an observation, or the watermark of a partition of
// mcp.events, which says that no observation of an earlier At follows from there.
type notice struct {
	partition   int // of mcp.events
	from        place
	watermark   int64
	observation *Observation // nil in a watermark
}

const headerFrom = "from"

// record is the notice as it lies in Kafka.
func (n *notice) record() (kafka.Record, error) {
	from := fmt.Appendf(nil, "%d/%d/%d", n.partition, n.from.offset, n.from.ordinal)
	r := kafka.Record{Headers: []kafka.Header{{Key: headerFrom, Value: from}}}
	if n.observation == nil {
		r.Value = strconv.AppendInt(nil, n.watermark, 10)
		return r, nil
	}
	r.Key = n.observation.recordKey()
	var err error
	if r.Value, err = json.Marshal(n.observation, json.Deterministic(true)); err != nil {
		return r, fmt.Errorf("encoding an observation for rule %s: %w", n.observation.Rule, err)
	}
	return r, nil
}

// recordKey says to which partition of mcp.observations it goes: by whose it is, the rule and those parts
// of the key that suppression goes by too, so that one partition sees all of a key and of a quiet time.
func (o *Observation) recordKey() []byte {
	key := keyOf(o.Sighting.Tenant, append([]string{o.Rule}, o.route...)...)
	return key[:]
}

// readNotice reads a record of mcp.observations.
func readNotice(r kafka.Record) (n notice, err error) {
	read := false
	for _, h := range r.Headers {
		if h.Key == headerFrom {
			n.partition, n.from, err = readFrom(string(h.Value))
			read = true
		}
	}
	switch {
	case err != nil:
		return n, fmt.Errorf("reading where an observation comes from: %w", err)
	case !read:
		return n, fmt.Errorf("reading an observation: it has no header %q", headerFrom)
	}
	if len(r.Key) == 0 {
		if n.watermark, err = strconv.ParseInt(string(r.Value), 10, 64); err != nil {
			return n, fmt.Errorf("reading a watermark: %w", err)
		}
		return n, nil
	}
	n.observation = &Observation{}
	if err := json.Unmarshal(r.Value, n.observation); err != nil {
		return n, fmt.Errorf("reading an observation: %w", err)
	}
	if n.observation.Sighting == nil {
		return n, fmt.Errorf("reading an observation for rule %s: it has no sighting", n.observation.Rule)
	}
	return n, nil
}

// readFrom reads PARTITION/OFFSET/ORDINAL.
func readFrom(text string) (partition int, from place, err error) {
	first, rest, _ := strings.Cut(text, "/")
	second, third, _ := strings.Cut(rest, "/")
	var wrong [3]error
	partition, wrong[0] = strconv.Atoi(first)
	from.offset, wrong[1] = strconv.ParseInt(second, 10, 64)
	from.ordinal, wrong[2] = strconv.Atoi(third)
	return partition, from, errors.Join(wrong[:]...)
}
