package window

// share is what one credential's keys hold.
type share struct {
	id    uint64
	bytes int
	// queue has the slots of the share's cells from the least to the most recently used, and 0
	// where one left for a place further back: a use is a write here and an append there,
	// and never waits for a neighbour's memory as it would in a linked list.
	queue   []uint32
	first   uint32 // nothing but 0 comes before
	waiting uint32 // how many are not 0
	// written is where the changed ones begin: at the end unless the share is dirty. Every use
	// is a change, so they are the newest.
	written uint32
	place   uint32 // in the heap
	dirty   uint32 // one more than the place among the dirty, 0 is none
}

// What a share takes itself: 72 bytes, about 30 in the map, and places in the heap and among
// the dirty; and a cell in its queue, which has three times the room when it has just grown.
const (
	shareBytes = 112
	queueBytes = 12
)

// close closes the gaps of a full queue, and makes room for as many cells again.
func (s *share) close() []uint32 {
	queue := s.queue[:0]
	if 2*int(s.waiting) > cap(s.queue) {
		queue = make([]uint32, 0, max(3*s.waiting, 4))
	}
	written := uint32(0)
	for i, slot := range s.queue {
		if slot == 0 {
			continue
		}
		if uint32(i) < s.written {
			written++
		}
		queue = append(queue, slot)
	}
	s.queue, s.first, s.written = queue, 0, written
	return queue
}

// shares are numbered from 1. The heap holds the numbers of those in use, the one that holds
// most on top. Of two that hold the same the lower id is the greater, so what is on top hangs
// on the content alone.
type shares struct {
	all   []share
	byID  map[uint64]uint32
	spare []uint32
	heap  []uint32
	dirty []uint32 // those that may have changed cells
}

func newShares() shares {
	return shares{all: make([]share, 1), byID: make(map[uint64]uint32)}
}

// get finds or makes a share.
func (s *shares) get(id uint64) (n uint32, fresh bool) {
	if n, ok := s.byID[id]; ok {
		return n, false
	}
	if last := len(s.spare) - 1; last >= 0 {
		n = s.spare[last]
		s.spare = s.spare[:last]
	} else {
		n = uint32(len(s.all))
		s.all = append(s.all, share{})
	}
	s.byID[id] = n
	s.all[n] = share{id: id, place: uint32(len(s.heap))}
	s.heap = append(s.heap, n)
	s.resize(n, shareBytes)
	return n, true
}

// drop gives a share back that has no cells.
func (s *shares) drop(n uint32) {
	s.clean(n)
	delete(s.byID, s.all[n].id)
	place, last := s.all[n].place, uint32(len(s.heap)-1)
	s.swap(place, last)
	s.heap = s.heap[:last]
	if place != last {
		s.fix(place)
	}
	s.all[n] = share{}
	s.spare = append(s.spare, n)
}

// resize counts bytes of a share.
func (s *shares) resize(n uint32, by int) {
	s.all[n].bytes += by
	s.fix(s.all[n].place)
}

// oldest is the slot of a share's least recently used cell, or 0.
func (s *shares) oldest(n uint32) uint32 {
	share := &s.all[n]
	if share.waiting == 0 {
		return 0
	}
	for share.queue[share.first] == 0 {
		share.first++
	}
	return share.queue[share.first]
}

// last reports whether a turn is the last of a share's queue.
func (s *shares) last(n, turn uint32) bool { return int(turn) == len(s.all[n].queue)-1 }

// leave takes a cell from a share's queue.
func (s *shares) leave(n, turn uint32) {
	s.all[n].queue[turn] = 0
	s.all[n].waiting--
}

// mark says that the newest cell of a share has changed.
func (s *shares) mark(n uint32) {
	share := &s.all[n]
	share.written = min(share.written, uint32(len(share.queue)-1))
	s.soil(n)
}

// unmark says that the newest cell of a share is as it was written. Behind one that has changed
// it is written again.
func (s *shares) unmark(n uint32) {
	if share := &s.all[n]; share.dirty == 0 {
		share.written = uint32(len(share.queue))
	}
}

// soil puts a share among the dirty.
func (s *shares) soil(n uint32) {
	if s.all[n].dirty == 0 {
		s.dirty = append(s.dirty, n)
		s.all[n].dirty = uint32(len(s.dirty))
	}
}

// clean takes a share from the dirty.
func (s *shares) clean(n uint32) {
	place := s.all[n].dirty
	if place == 0 {
		return
	}
	last := s.dirty[len(s.dirty)-1]
	s.dirty[place-1] = last
	s.all[last].dirty = place
	s.dirty = s.dirty[:len(s.dirty)-1]
	s.all[n].dirty = 0
}

// victim is the slot to evict for all: the least recently used of the share that holds most,
// or of the next one where that would be the slot to keep.
func (s *shares) victim(keep uint32) uint32 {
	slot := s.oldest(s.heap[0])
	if slot != keep {
		return slot
	}
	next := uint32(1)
	if len(s.heap) > 2 && s.greater(2, 1) {
		next = 2
	}
	return s.oldest(s.heap[next])
}

func (s *shares) greater(i, j uint32) bool {
	a, b := &s.all[s.heap[i]], &s.all[s.heap[j]]
	return a.bytes > b.bytes || a.bytes == b.bytes && a.id < b.id
}

func (s *shares) swap(i, j uint32) {
	s.heap[i], s.heap[j] = s.heap[j], s.heap[i]
	s.all[s.heap[i]].place, s.all[s.heap[j]].place = i, j
}

// fix moves what is at a place of the heap to where it belongs.
func (s *shares) fix(i uint32) {
	for i > 0 && s.greater(i, (i-1)/2) {
		s.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	for {
		child := 2*i + 1
		if child >= uint32(len(s.heap)) {
			return
		}
		if child+1 < uint32(len(s.heap)) && s.greater(child+1, child) {
			child++
		}
		if !s.greater(child, i) {
			return
		}
		s.swap(i, child)
		i = child
	}
}
