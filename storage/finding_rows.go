package storage

import (
	"fmt"
	"time"

	"github.com/mcpwatch/mcpwatch/finding"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// findingRow is a finding as the table holds it, with where it lies in Kafka.
type findingRow struct {
	finding.Finding
	body      string
	partition int
	offset    int64
}

func decodeFinding(r kafka.Record) (findingRow, error) {
	f, err := finding.Decode(r.Value)
	if err != nil {
		return findingRow{}, fmt.Errorf("the record at %s/%d offset %d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	if f.Severity.Rank() == 0 {
		return findingRow{}, fmt.Errorf("the finding at %s/%d offset %d has severity %q, which is none of ours", r.Topic, r.Partition, r.Offset, f.Severity)
	}
	return findingRow{Finding: f, body: string(r.Value), partition: r.Partition, offset: r.Offset}, nil
}

// findingColumns are the columns of findings_raw in the order in which they are written.
func findingColumns() []column[findingRow] {
	return []column[findingRow]{
		text("finding_id", func(r *findingRow) string { return r.ID }),
		times("time", func(r *findingRow) time.Time { return r.Time }),
		times("received", func(r *findingRow) time.Time { return r.Received }),
		text("tenant", func(r *findingRow) string { return r.Tenant }),
		text("rule", func(r *findingRow) string { return r.Rule }),
		text("rule_version", func(r *findingRow) string { return r.RuleVersion }),
		text("control", func(r *findingRow) string { return r.Control }),
		text("title", func(r *findingRow) string { return r.Title }),
		text("severity", func(r *findingRow) string { return string(r.Severity) }),
		text("mode", func(r *findingRow) string { return string(r.Mode) }),
		numbers("risk", func(r *findingRow) uint8 { return uint8(min(max(r.Risk, 0), 100)) }),
		lists("tags", func(r *findingRow) []string { return r.Tags }),
		text("playbook", func(r *findingRow) string { return r.Playbook }),
		text("actor", func(r *findingRow) string { return r.Actor }),
		text("agent_id", func(r *findingRow) string { return r.Agent.ID }),
		text("agent_name", func(r *findingRow) string { return r.Agent.Name }),
		text("agent_host", func(r *findingRow) string { return r.Agent.Host }),
		text("agent_user", func(r *findingRow) string { return r.Agent.User }),
		text("server_id", func(r *findingRow) string { return r.Server.ID }),
		text("server_name", func(r *findingRow) string { return r.Server.Name }),
		text("session", func(r *findingRow) string { return r.Session }),
		text("trace", func(r *findingRow) string { return r.Trace }),
		text("method", func(r *findingRow) string { return r.Method }),
		text("name", func(r *findingRow) string { return r.Name }),
		lists("key", func(r *findingRow) []string { return r.Key }),
		lists("events", func(r *findingRow) []string { return r.Events }),
		text("body", func(r *findingRow) string { return r.body }),
		numbers("kafka_partition", func(r *findingRow) uint32 { return uint32(r.partition) }),
		numbers("kafka_offset", func(r *findingRow) uint64 { return uint64(r.offset) }),
		numbers("precedence", func(r *findingRow) uint64 { return precedence(r.Received, false) }),
	}
}
