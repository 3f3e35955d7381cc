package storage

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// eventRow is an event as the table holds it, with where it lies in Kafka.
type eventRow struct {
	event.Event
	parsed    parsedMessage
	partition int
	offset    int64
	// restated rows come from the detector, which knows more than the source did.
	restated bool
}

// parsedMessage is what the columns take out of the message.
type parsedMessage struct {
	kind             event.Kind
	method, id       string
	name             string
	errorCode        int64
	isError          bool
	request, extra   string
	requestedByEvent string
}

// eventDecoder turns Kafka records into rows. It belongs to one goroutine.
type eventDecoder struct {
	events *event.Decoder
}

func (d *eventDecoder) decode(r kafka.Record) (eventRow, error) {
	e, m, err := d.events.Decode(r.Value)
	if err != nil {
		return eventRow{}, fmt.Errorf("decoding the event at %s/%d offset %d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	if e.ID == "" || e.Tenant == "" || e.Received.IsZero() {
		return eventRow{}, fmt.Errorf("the event at %s/%d offset %d has no id, tenant or received: no collector wrote it", r.Topic, r.Partition, r.Offset)
	}
	row := eventRow{Event: e.Clone(), partition: r.Partition, offset: r.Offset}
	row.parsed, err = parsed(e, m)
	return row, err
}

func parsed(e *event.Event, m *event.Message) (parsedMessage, error) {
	p := parsedMessage{kind: m.Kind, method: m.Method, id: m.ID, name: m.Name(), errorCode: m.ErrorCode, extra: string(e.Extra)}
	p.isError = m.Kind == event.KindError || m.Result.Get("isError").Bool()
	if r := e.Request; r != nil {
		data, err := json.Marshal(r)
		if err != nil {
			return p, fmt.Errorf("encoding the request of event %s: %w", e.ID, err)
		}
		p.request, p.requestedByEvent = string(data), r.Event
		if p.method == "" {
			p.method, p.name = r.Method, r.Name
		}
	}
	return p, nil
}

// named is the name where the method is one of these.
func (r *eventRow) named(methods ...string) string {
	if slices.Contains(methods, r.parsed.method) {
		return r.parsed.name
	}
	return ""
}

// identityTime is the source's own time, which a resent event repeats whatever the
// collectors made of it; 1970 where the source gave none.
func (r *eventRow) identityTime() time.Time {
	switch {
	case r.HasMark("time_missing"):
		return time.Unix(0, 0).UTC()
	case !r.ClaimedTime.IsZero():
		return clampTime(r.ClaimedTime)
	default:
		return r.Time
	}
}

// clampTime keeps a time within what DateTime64(6) holds.
func clampTime(t time.Time) time.Time {
	first, last := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2261, 12, 31, 0, 0, 0, 0, time.UTC)
	switch {
	case t.Before(first):
		return first
	case t.After(last):
		return last
	default:
		return t.UTC()
	}
}

// precedence makes the row that was received first win over its repeats, and a restated
// one over the one that it restates.
func precedence(received time.Time, restated bool) uint64 {
	p := 2 * (math.MaxInt64 - uint64(max(received.UnixMicro(), 0)))
	if restated {
		p++
	}
	return p
}

// eventColumns are the columns of events_raw in the order in which they are written.
func eventColumns() []column[eventRow] {
	return []column[eventRow]{
		text("event_id", func(r *eventRow) string { return r.ID }),
		text("parent_id", func(r *eventRow) string { return r.Parent }),
		text("tenant", func(r *eventRow) string { return r.Tenant }),
		times("time", func(r *eventRow) time.Time { return r.Time }),
		times("received", func(r *eventRow) time.Time { return r.Received }),
		times("claimed_time", (*eventRow).identityTime),
		text("actor", func(r *eventRow) string { return r.Actor }),
		text("agent_id", func(r *eventRow) string { return r.Agent.ID }),
		text("agent_name", func(r *eventRow) string { return r.Agent.Name }),
		text("agent_version", func(r *eventRow) string { return r.Agent.Version }),
		text("agent_host", func(r *eventRow) string { return r.Agent.Host }),
		text("agent_user", func(r *eventRow) string { return r.Agent.User }),
		text("server_id", func(r *eventRow) string { return r.Server.ID }),
		text("server_name", func(r *eventRow) string { return r.Server.Name }),
		text("server_version", func(r *eventRow) string { return r.Server.Version }),
		text("server_url", func(r *eventRow) string { return r.Server.URL }),
		text("server_command", func(r *eventRow) string { return r.Server.Command }),
		text("principal_subject", func(r *eventRow) string { return r.Principal.Subject }),
		text("principal_issuer", func(r *eventRow) string { return r.Principal.Issuer }),
		text("principal_client_id", func(r *eventRow) string { return r.Principal.ClientID }),
		text("principal_audience", func(r *eventRow) string { return r.Principal.Audience }),
		lists("principal_scopes", func(r *eventRow) []string { return r.Principal.Scopes }),
		text("principal_token", func(r *eventRow) string { return r.Principal.Token }),
		text("session", func(r *eventRow) string { return r.Session }),
		text("trace", func(r *eventRow) string { return r.Trace }),
		text("transport", func(r *eventRow) string { return r.Transport }),
		text("direction", func(r *eventRow) string { return string(r.Direction) }),
		text("kind", func(r *eventRow) string { return string(r.parsed.kind) }),
		text("method", func(r *eventRow) string { return r.parsed.method }),
		text("rpc_id", func(r *eventRow) string { return r.parsed.id }),
		text("tool", func(r *eventRow) string { return r.named("tools/call") }),
		text("prompt", func(r *eventRow) string { return r.named("prompts/get") }),
		text("resource", func(r *eventRow) string {
			return r.named("resources/read", "resources/subscribe", "resources/unsubscribe", "notifications/resources/updated")
		}),
		text("request_event", func(r *eventRow) string { return r.parsed.requestedByEvent }),
		numbers("error_code", func(r *eventRow) int64 { return r.parsed.errorCode }),
		numbers("is_error", func(r *eventRow) bool { return r.parsed.isError }),
		numbers("size", func(r *eventRow) uint32 { return uint32(len(r.Message) + len(r.Raw)) }),
		text("activity", func(r *eventRow) string { return r.Activity }),
		text("outcome", func(r *eventRow) string { return r.Outcome.Status }),
		text("outcome_reason", func(r *eventRow) string { return r.Outcome.Reason }),
		lists("marks", func(r *eventRow) []string { return r.Marks }),
		numbers("http_status", func(r *eventRow) uint16 { return uint16(min(max(r.HTTP.Status, 0), math.MaxUint16)) }),
		text("http_method", func(r *eventRow) string { return r.HTTP.Method }),
		text("client_ip", func(r *eventRow) string { return r.HTTP.ClientIP }),
		maps("http_headers", func(r *eventRow) map[string]string { return r.HTTP.Headers }),
		text("source_format", func(r *eventRow) string { return r.Source.Format }),
		text("source_name", func(r *eventRow) string { return r.Source.Name }),
		text("collector", func(r *eventRow) string { return r.Source.Collector }),
		text("tap_instance", func(r *eventRow) string { return r.Source.Instance }),
		numbers("tap_sequence", func(r *eventRow) uint64 { return r.Source.Sequence }),
		lists("completeness", func(r *eventRow) []string { return r.Source.Completeness }),
		text("message", func(r *eventRow) string { return string(r.Message) }),
		text("raw", func(r *eventRow) string { return r.Raw }),
		text("request", func(r *eventRow) string { return r.parsed.request }),
		text("extra", func(r *eventRow) string { return r.parsed.extra }),
		numbers("kafka_partition", func(r *eventRow) uint32 { return uint32(r.partition) }),
		numbers("kafka_offset", func(r *eventRow) uint64 { return uint64(r.offset) }),
		numbers("precedence", func(r *eventRow) uint64 { return precedence(r.Received, r.restated) }),
	}
}
