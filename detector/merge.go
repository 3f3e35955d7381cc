package detector

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
)

// merge puts the observations of all partitions of mcp.events into one order, which hangs on
// what lies in mcp.events and not on who was faster: by At, then by the event's id. An
// observation's turn comes when all partitions have closed its time.
//
// What it has taken of a rule's observations in a partition, in one version of the rule, is always a
// beginning of what the partition causes, without gaps: each owner writes in order, from a commit on
// before which all was written. So what a new owner repeats, and what a former one that was paused
// writes late, is no further than what was taken, or follows it directly. Each version of a rule
// has its own place, since owners with different rule sets cause different things.
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
	last map[ruleVersion]place // of observations
	// closed is where the last watermark came from: up to watermark the partition is closed.
	closed    place
	watermark int64 // 0 where it has not said
}

// ruleVersion is a rule in one version.
type ruleVersion struct{ rule, version string }

func versionOf(o *Observation) ruleVersion { return ruleVersion{o.Rule, o.Version} }

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
		m.sources[i] = source{last: map[ruleVersion]place{}, closed: nowhere()}
	}
	return m
}

// take takes the notice that lies at an offset of mcp.observations, size bytes long.
func (m *merge) take(n *notice, offset int64, size int) error {
	if n.partition < 0 || n.partition >= len(m.sources) {
		return errors.New("taking an observation: it comes from a partition that mcp.events does not have")
	}
	s := &m.sources[n.partition]
	if n.observation == nil {
		if s.closed.before(n.from) {
			s.closed, s.watermark = n.from, max(s.watermark, n.watermark)
			m.clock = max(m.clock, m.closed())
		}
		return nil
	}
	of := versionOf(n.observation)
	if last, known := s.last[of]; known && !last.before(n.from) {
		m.counts.Repeats++
		return nil
	}
	s.last[of] = n.from
	if n.observation.At <= m.clock {
		m.counts.Late++
	}
	m.push(n, offset, size)
	return nil
}

// keep forgets the places of rules that is does not know in their version: what they observed is
// taken no more.
func (m *merge) keep(is func(ruleVersion) bool) {
	for i := range m.sources {
		maps.DeleteFunc(m.sources[i].last, func(of ruleVersion, _ place) bool { return !is(of) })
	}
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
		dst = binary.AppendVarint(appendPlace(dst, s.closed), s.watermark)
		dst = binary.AppendUvarint(dst, uint64(len(s.last)))
		for _, of := range slices.SortedFunc(maps.Keys(s.last), compareVersions) {
			dst = appendPlace(appendText(appendText(dst, of.rule), of.version), s.last[of])
		}
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

func compareVersions(a, b ruleVersion) int {
	return cmp.Or(cmp.Compare(a.rule, b.rule), cmp.Compare(a.version, b.version))
}

func appendPlace(dst []byte, p place) []byte {
	return binary.AppendVarint(binary.AppendVarint(dst, p.offset), int64(p.ordinal))
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// restore reads what append wrote, and returns the offsets that wait, ascending.
func (m *merge) restore(src []byte) (waiting []int64, err error) {
	if len(src) == 0 || src[0] != mergeVersion {
		return nil, errMerge
	}
	r := mergeReader{rest: src[1:], ok: true}
	if r.unsigned() != uint64(len(m.sources)) {
		return nil, errMerge
	}
	for i := range m.sources {
		s := source{last: map[ruleVersion]place{}, closed: r.place(), watermark: r.signed()}
		for n := r.unsigned(); n > 0 && r.ok; n-- {
			of := ruleVersion{r.text(), r.text()}
			s.last[of] = r.place()
		}
		m.sources[i] = s
	}
	last := int64(0)
	for r.ok && len(r.rest) > 0 {
		last += int64(r.unsigned())
		waiting = append(waiting, last)
	}
	if !r.ok {
		return nil, errMerge
	}
	return waiting, nil
}

// mergeReader reads what append wrote; ok says that all so far was there.
type mergeReader struct {
	rest []byte
	ok   bool
}

func (r *mergeReader) took(n int) {
	if r.ok = r.ok && n > 0; r.ok {
		r.rest = r.rest[n:]
	}
}

func (r *mergeReader) signed() int64 {
	v, n := binary.Varint(r.rest)
	r.took(n)
	return v
}

func (r *mergeReader) unsigned() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.took(n)
	return v
}

func (r *mergeReader) place() place { return place{r.signed(), int(r.signed())} }

func (r *mergeReader) text() string {
	n := r.unsigned()
	if r.ok = r.ok && n <= uint64(len(r.rest)); !r.ok {
		return ""
	}
	text := string(r.rest[:n])
	r.rest = r.rest[n:]
	return text
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
		cmp.Compare(a.observation.Rule, b.observation.Rule),
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
