package kafka

import "time"

// The topics. Each record of events and findings is keyed by tenant and actor, so that all
// that one actor does lies in one partition, in order.
const (
	Events      = "mcp.events"
	Findings    = "mcp.findings"
	DeadLetters = "mcp.deadletters"
)

// Layout says how topics are made.
type Layout struct {
	// Partitions of each topic, fixed at creation.
	Partitions int
	// Replication factor; 3 is usual on a cluster.
	Replication int
	// Retention of events and findings; dead letters are kept four times as long.
	Retention time.Duration
}

// Topics lists the topics as they must be.
func (l Layout) Topics() []Topic {
	topic := func(name string, retention time.Duration) Topic {
		return Topic{Name: name, Partitions: l.Partitions, Replication: l.Replication, Retention: retention, MaxBytes: 4 * MaxBatchBytes}
	}
	return []Topic{topic(Events, l.Retention), topic(Findings, l.Retention), topic(DeadLetters, 4*l.Retention)}
}

// Key is a record's key: tenant and actor, with a byte between that neither can hold.
func Key(tenant, actor string) []byte {
	key := append([]byte(tenant), 0)
	return append(key, actor...)
}
