package event

// Seen remembers the ids of a stream, so that an event that lies at two offsets is taken
// once. It forgets by distance alone: an id is a repeat where it occurred, itself a repeat or
// not, at most a window of positions before. So the answer is a function of what came in
// that window, wherever Seen began. It belongs to one goroutine.
type Seen struct {
	last   map[string]int64
	order  []seenID // by age; an id that came again since is in it twice
	window int64
}

type seenID struct {
	id       string
	position int64
}

// NewSeen returns a Seen that remembers ids for that many positions.
func NewSeen(window int64) *Seen {
	return &Seen{last: make(map[string]int64), window: window}
}

// Add remembers that an id is at a position, and reports whether it is new. Each position is
// higher than the one before.
func (s *Seen) Add(position int64, id string) bool {
	for len(s.order) > 0 && position-s.order[0].position > s.window {
		if o := s.order[0]; s.last[o.id] == o.position {
			delete(s.last, o.id)
		}
		s.order = s.order[1:]
	}
	_, known := s.last[id]
	s.last[id] = position
	s.order = append(s.order, seenID{id, position})
	return !known
}
