package event

// Seen remembers the ids of a stream, so that an event that lies at two offsets is taken
// once. It forgets by distance alone: an id is a repeat where it occurred, itself a repeat or
// not, at most a window of positions before. So the answer is a function of what came in
// that window, wherever Seen began. It belongs to one goroutine.
type Seen struct {
	last   map[string]seenID
	order  ring[seenID] // by age; an id that came again since is in it twice
	window int64
	arena  arena // of the ids
}

type seenID struct {
	id       string
	position int64
}

// NewSeen returns a Seen that remembers ids for that many positions.
func NewSeen(window int64) *Seen {
	return &Seen{last: make(map[string]seenID), window: window}
}

// seenBytes is about what an id takes beside its text: its places in the map and in the order.
const seenBytes = 96

// Bytes is about how much memory is taken. It looks at all ids.
func (s *Seen) Bytes() int {
	bytes := s.order.count * seenBytes
	for id := range s.last {
		bytes += len(id)
	}
	return bytes
}

// SeenBytes bounds Bytes for a window, where ids are no longer than so many bytes.
func SeenBytes(window int64, longest int) int { return int(window+1) * (seenBytes + longest) }

// Add remembers that an id, of which it keeps a copy, is at a position, and reports whether it is
// new. Each position is higher than the one before.
func (s *Seen) Add(position int64, id []byte) bool {
	for s.order.count > 0 && position-s.order.at(0).position > s.window {
		if o := *s.order.at(0); s.last[o.id].position == o.position {
			delete(s.last, o.id)
		}
		s.order.pop()
	}
	at, known := s.last[string(id)]
	if !known {
		at.id = s.arena.keep(append(s.arena.take(len(id)), id...))
	}
	at.position = position
	s.last[at.id] = at
	s.order.push(at)
	return !known
}
