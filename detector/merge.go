package detector

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

// merge puts the observations of all partitions of mcp.events into one order, which hangs on
// what lies in mcp.events and not on who was faster: by At, then by the event's id. An
// observation's turn comes when all partitions have closed its time.
//
// What it has taken of a partition is always a beginning of what that partition causes, without
// gaps: each owner writes in order, from a commit on before which all was written. So what a new
// owner repeats, and what a former one that was paused writes late, is no further than what was
// taken, or follows it directly.
type merge struct {
	sources []source // by partition of mcp.events
	pending pendingHeap
	// bytes is about how much memory the pending take.
	bytes int
	// clock is up to where all partitions are closed, or to where it was hurried.
	clock  int64
	counts merged
}

// merged counts what became of notices.
type merged struct {
	Repeats uint64 // taken before
	Late    uint64 // behind the clock, which had been hurried: applied out of order
	Hurried uint64 // applied before all partitions had closed their time, for want of room
}

// source is what was taken of a partition of mcp.events.
type source struct {
	last place // nowhere: not known
	// watermark is up to where the partition is closed; 0 where it has not said.
	watermark int64
}

// pending is an observation that waits for its turn.
type pending struct {
	observation *Observation
	partition   int
	from        place
	offset      int64 // in mcp.observations
	size        int
}

// maxPendingBytes bounds what waits. It is reached where a partition of mcp.events is not read
// for minutes under full load; what waits longest is applied then.
const maxPendingBytes = 64 << 20

func newMerge(partitions int) *merge {
	m := &merge{sources: make([]source, partitions)}
	for i := range m.sources {
		m.sources[i] = source{last: nowhere()}
	}
	return m
}

// take takes the notice that lies at an offset of mcp.observations, size bytes long.
func (m *merge) take(n *notice, offset int64, size int) error {
	if n.partition < 0 || n.partition >= len(m.sources) {
		return errors.New("taking an observation: it comes from a partition that mcp.events does not have")
	}
	s := &m.sources[n.partition]
	if !s.last.before(n.from) {
		m.counts.Repeats++
		return nil
	}
	s.last = n.from
	if n.observation == nil {
		s.watermark = max(s.watermark, n.watermark)
		m.clock = max(m.clock, m.closed())
		return nil
	}
	if n.observation.At <= m.clock {
		m.counts.Late++
	}
	m.push(n, offset, size)
	return nil
}

// push has an observation wait.
func (m *merge) push(n *notice, offset int64, size int) {
	p := pending{n.observation, n.partition, n.from, offset, size}
	m.bytes += p.size
	heap.Push(&m.pending, p)
}

// closed is up to where all partitions are closed.
func (m *merge) closed() int64 {
	least := int64(math.MaxInt64)
	for _, s := range m.sources {
		least = min(least, s.watermark)
	}
	return least
}

// next gives the observation whose turn it is, if any.
func (m *merge) next() (*Observation, bool) {
	if len(m.pending) == 0 {
		return nil, false
	}
	if first := m.pending[0].observation; first.At > m.clock {
		if m.bytes <= maxPendingBytes {
			return nil, false
		}
		m.counts.Hurried++
		m.clock = first.At
	}
	p := heap.Pop(&m.pending).(pending)
	m.bytes -= p.size
	return p.observation, true
}

// mergeVersion is the version of what append writes.
const mergeVersion = 1

// append writes what was taken, and which offsets of mcp.observations wait. The clock is the
// manifest's.
func (m *merge) append(dst []byte) []byte {
	dst = binary.AppendUvarint(append(dst, mergeVersion), uint64(len(m.sources)))
	for _, s := range m.sources {
		dst = binary.AppendVarint(dst, s.last.offset)
		dst = binary.AppendVarint(dst, int64(s.last.ordinal))
		dst = binary.AppendVarint(dst, s.watermark)
	}
	offsets := make([]int64, len(m.pending))
	for i, p := range m.pending {
		offsets[i] = p.offset
	}
	slices.Sort(offsets)
	last := int64(0)
	for _, offset := range offsets {
		dst = binary.AppendUvarint(dst, uint64(offset-last))
		last = offset
	}
	return dst
}

var errMerge = errors.New("restoring the order of observations: the bytes are none of this version")

// restore reads what append wrote, and returns the offsets that wait, ascending.
func (m *merge) restore(src []byte) (waiting []int64, err error) {
	if len(src) == 0 || src[0] != mergeVersion {
		return nil, errMerge
	}
	src = src[1:]
	ok := true
	signed := func() int64 {
		v, n := binary.Varint(src)
		if ok = ok && n > 0; ok {
			src = src[n:]
		}
		return v
	}
	count, n := binary.Uvarint(src)
	if n <= 0 || count != uint64(len(m.sources)) {
		return nil, errMerge
	}
	src = src[n:]
	for i := range m.sources {
		m.sources[i] = source{place{signed(), int(signed())}, signed()}
	}
	last := int64(0)
	for ok && len(src) > 0 {
		delta, n := binary.Uvarint(src)
		if ok = n > 0; ok {
			src = src[n:]
			last += int64(delta) //nolint:gosec // what is no offset is found nowhere
			waiting = append(waiting, last)
		}
	}
	if !ok {
		return nil, errMerge
	}
	return waiting, nil
}

// pendingHeap is ordered by At, then by the event's id, then by where it comes from.
type pendingHeap []pending

func (h pendingHeap) Len() int      { return len(h) }
func (h pendingHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h pendingHeap) Less(i, j int) bool {
	a, b := &h[i], &h[j]
	return cmp.Or(
		cmp.Compare(a.observation.At, b.observation.At),
		cmp.Compare(a.observation.Sighting.Event, b.observation.Sighting.Event),
		cmp.Compare(a.partition, b.partition),
		cmp.Compare(a.from.offset, b.from.offset),
		cmp.Compare(a.from.ordinal, b.from.ordinal),
	) < 0
}

// Push implements heap.Interface.
func (h *pendingHeap) Push(x any) { *h = append(*h, x.(pending)) }

// Pop implements heap.Interface.
func (h *pendingHeap) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = pending{}
	*h = (*h)[:len(*h)-1]
	return last
}
