package tap

import "sync/atomic"

// Stats are the counts of one run, since its start.
type Stats struct {
	Bytes     uint64 // passed on, both directions
	Events    uint64 // made, gap events among them
	NotJSON   uint64 // lines that were no JSON
	Truncated uint64 // lines cut because they were too long

	Gaps       uint64 // gap events made
	QueueLost  uint64 // bytes not observed because the queue was full
	DiskLost   uint64 // events lost because the spool could not be written
	SpoolLost  uint64 // events dropped because the spool was over its bound
	TooLarge   uint64 // events that the collector won't take for their size
	Damaged    uint64 // bytes of the spool that could not be read back
	FaultLost  uint64 // lines lost to a fault of our own
	SpoolError uint64 // failed writes of the spool

	Batches  uint64 // taken by the collector
	Shipped  uint64 // events in those, refused ones among them
	Refused  uint64 // events that the collector refused and keeps as dead letters
	Failures uint64 // attempts to ship that failed
	Adopted  uint64 // spools of dead taps shipped to their end
}

// Counters keep Stats while a tap runs. They may be read from any goroutine.
type Counters struct {
	bytes, events, notJSON, truncated                                              atomic.Uint64
	gaps, queueLost, diskLost, spoolLost, tooLarge, damaged, faultLost, spoolError atomic.Uint64
	batches, shipped, refused, failures, adopted                                   atomic.Uint64
}

// Snapshot returns the counts as they are now; they are read one after the other.
func (c *Counters) Snapshot() Stats {
	return Stats{
		Bytes: c.bytes.Load(), Events: c.events.Load(), NotJSON: c.notJSON.Load(), Truncated: c.truncated.Load(),
		Gaps: c.gaps.Load(), QueueLost: c.queueLost.Load(), DiskLost: c.diskLost.Load(), SpoolLost: c.spoolLost.Load(),
		TooLarge: c.tooLarge.Load(), Damaged: c.damaged.Load(), FaultLost: c.faultLost.Load(), SpoolError: c.spoolError.Load(),
		Batches: c.batches.Load(), Shipped: c.shipped.Load(), Refused: c.refused.Load(),
		Failures: c.failures.Load(), Adopted: c.adopted.Load(),
	}
}
