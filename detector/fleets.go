package detector

import (
	"slices"
	"time"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// fleets is the second stage's work on a partition of mcp.observations.
type fleets struct {
	fleet *Fleet
	merge *merge
	// waiting are the offsets of what was taken and waits, as the checkpoint names them.
	waiting []int64

	reported merged
}

func newFleets(set *rule.Set, partitions int) *fleets {
	return &fleets{fleet: NewFleet(set), merge: newMerge(partitions)}
}

func (f *fleets) keeper() *keeper { return f.fleet.keeper }

func (f *fleets) swap(set *rule.Set) {
	f.fleet.Swap(set)
	f.merge.keep(f.fleet.knows)
}

func (f *fleets) changes(give func(entry []byte)) { give(f.merge.append(nil)) }

func (f *fleets) apply(entry []byte) (err error) {
	f.waiting, err = f.merge.restore(entry)
	return err
}

func (f *fleets) holdings() []holding {
	return append(f.fleet.keeper.holdings(), holding{"observations", f.merge.bytes, maxPendingBytes})
}

// restored implements work: what waits is read again from mcp.observations.
func (f *fleets) restored(clock, committed int64) int64 {
	f.fleet.keeper.restored(clock)
	f.merge.keep(f.fleet.knows)
	f.merge.clock = clock
	if len(f.waiting) > 0 {
		return f.waiting[0]
	}
	return committed
}

// decide implements work.
func (f *fleets) decide(r kafka.Record, before bool, out *outbox) error {
	if before {
		if _, waits := slices.BinarySearch(f.waiting, r.Offset); !waits {
			return nil
		}
	}
	n, err := readNotice(r)
	if err != nil {
		return err
	}
	if before {
		f.merge.push(&n, r.Offset, len(r.Value))
		return nil
	}
	if o := n.observation; o != nil && !f.fleet.knows(versionOf(o)) {
		f.fleet.keeper.counts.Superseded++
		return nil
	}
	if err := f.merge.take(&n, r.Offset, len(r.Value)); err != nil {
		return err
	}
	for {
		o, turn := f.merge.next()
		if !turn {
			break
		}
		ended := f.fleet.Tick(time.UnixMicro(o.At))
		found := f.fleet.Observe(o)
		if err := out.found(append(ended.Findings, found.Findings...)); err != nil {
			return err
		}
	}
	return out.found(f.fleet.Tick(time.UnixMicro(f.merge.clock)).Findings)
}

// report implements work.
func (f *fleets) report(m *metrics) {
	now, last := f.merge.counts, f.reported
	m.observationsAgain.Add(float64(now.Repeats - last.Repeats))
	m.observationsLate.Add(float64(now.Late - last.Late))
	m.observationsHurried.Add(float64(now.Hurried - last.Hurried))
	f.reported = now
}
