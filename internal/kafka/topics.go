package kafka

import (
	"fmt"
	"strconv"
	"time"
)

// The topics. Each record of events and findings is keyed by tenant and actor, so that all
// that one actor does lies in one partition, in order.
const (
	Events   = "mcp.events"
	Findings = "mcp.findings"
	// Annotations holds events as the detector restates them, knowing more than their source.
	Annotations = "mcp.annotations"
	DeadLetters = "mcp.deadletters"
	// State holds the detector's checkpoints: partition n those of partition n of events.
	State = "mcp.state"
	// Observations goes from the detector's first stage to its second, keyed by what is observed.
	Observations = "mcp.observations"
	// Control holds what changes decisions: one partition, so that all see it in one order.
	Control = "mcp.control"
)

// Layout says how topics are made.
type Layout struct {
	// Partitions of each topic but mcp.control, fixed at creation.
	Partitions int
	// Replication factor; 3 is usual on a cluster.
	Replication int
	// Retention of events, findings, state and observations; dead letters are kept four times as long.
	Retention time.Duration
}

// Topics lists the topics as they must be.
func (l Layout) Topics() []Topic {
	topic := func(name string, retention time.Duration) Topic {
		return Topic{Name: name, Partitions: l.Partitions, Replication: l.Replication, Retention: retention, MaxBytes: 4 * MaxBatchBytes}
	}
	state, control := topic(State, l.Retention), topic(Control, 0)
	state.Compact, control.Compact = true, true
	control.Partitions = 1
	return []Topic{
		topic(Events, l.Retention), topic(Findings, l.Retention), topic(Annotations, l.Retention),
		topic(DeadLetters, 4*l.Retention), topic(Observations, l.Retention), state, control,
	}
}

// Key is a record's key: tenant and actor, with a byte between that neither can hold.
func Key(tenant, actor string) []byte {
	key := append([]byte(tenant), 0)
	return append(key, actor...)
}

// Annotation restates the record r: the same key, a new value, and where r lies.
func Annotation(r Record, value []byte) Record {
	return Record{Key: r.Key, Value: value, Headers: []Header{
		{Key: headerPartition, Value: strconv.AppendInt(nil, int64(r.Partition), 10)},
		{Key: headerOffset, Value: strconv.AppendInt(nil, r.Offset, 10)},
	}}
}

// Annotated says where the record lies that an annotation restates.
func Annotated(r Record) (partition int, offset int64, err error) {
	found := 0
	for _, h := range r.Headers {
		var n int64
		switch h.Key {
		case headerPartition, headerOffset:
			if n, err = strconv.ParseInt(string(h.Value), 10, 64); err != nil {
				return 0, 0, fmt.Errorf("reading the header %s of the annotation at %s/%d offset %d: %w", h.Key, r.Topic, r.Partition, r.Offset, err)
			}
			found++
		}
		switch h.Key {
		case headerPartition:
			partition = int(n)
		case headerOffset:
			offset = n
		}
	}
	if found != 2 {
		return 0, 0, fmt.Errorf("the record at %s/%d offset %d does not say what it restates", r.Topic, r.Partition, r.Offset)
	}
	return partition, offset, nil
}

const (
	headerPartition = "partition"
	headerOffset    = "offset"
)
