package tap

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Why bytes or events were lost.
const (
	GapQueueFull = "queue_full" // the observer was too far behind
	GapSpoolFull = "spool_full" // the spool was over its bound, the oldest segment went
	GapDisk      = "disk"       // the spool could not be written
	GapTooLarge  = "too_large"  // the collector took a single event for too large
	GapDamaged   = "damaged"    // the spool could not be read back
	GapFault     = "fault"      // a fault of our own while an event was made
)

const (
	gapMark = "tap_gap"
	// maxGaps bounds the gaps that wait for their event; more are merged.
	maxGaps = 64
)

// gap says what was lost. Zero fields are unknown or do not apply.
type gap struct {
	reason      string
	instance    string // whose events, "" for several
	first, last uint64 // sequence numbers lost, both included
	events      uint64
	bytes       uint64
}

// extra is the gap as the extra field of its event.
func (g gap) extra() jsontext.Value {
	b := append([]byte(`{"tap_gap":{"reason":`), strconv.Quote(g.reason)...)
	if g.instance != "" {
		b = append(append(b, `,"instance":`...), strconv.Quote(g.instance)...)
	}
	for _, f := range []struct {
		name  string
		value uint64
	}{{"first", g.first}, {"last", g.last}, {"events", g.events}, {"bytes", g.bytes}} {
		if f.value > 0 {
			b = append(append(append(b, `,"`...), f.name...), `":`...)
			b = strconv.AppendUint(b, f.value, 10)
		}
	}
	return append(b, '}', '}')
}

// gaps collects what is to be declared. Gaps merge only where their numbers follow on
// each other, so that a range covers no event that exists; past maxGaps they merge
// regardless, and the count of events says how many of a range are lost.
type gaps []gap

func (gs *gaps) add(g gap) {
	list := *gs
	for i := range list {
		have := &list[i]
		if have.reason != g.reason || have.instance != g.instance {
			continue
		}
		if g.first == 0 || g.first == have.last+1 || len(list) >= maxGaps {
			have.merge(g)
			return
		}
	}
	if len(list) >= maxGaps {
		have := &list[len(list)-1]
		if have.instance != g.instance {
			have.instance, have.first, have.last = "", 0, 0
			g.first, g.last = 0, 0
		}
		have.merge(g)
		return
	}
	*gs = append(list, g)
}

func (g *gap) merge(other gap) {
	if g.first == 0 || other.first > 0 && other.first < g.first {
		g.first = other.first
	}
	g.last = max(g.last, other.last)
	g.events += other.events
	g.bytes += other.bytes
}
