package event

// Seen remembers the last ids of a stream, so that an event that lies at two offsets is
// taken once. It holds at most a fixed number of ids and forgets the oldest first. It
// belongs to one goroutine.
type Seen struct {
	ids  map[string]struct{}
	ring []string
	next int
}

// NewSeen returns a Seen that holds that many ids.
func NewSeen(most int) *Seen {
	return &Seen{ids: make(map[string]struct{}), ring: make([]string, most)}
}

// Add remembers an id and reports whether it was new.
func (s *Seen) Add(id string) bool {
	if _, known := s.ids[id]; known {
		return false
	}
	if len(s.ids) == len(s.ring) {
		delete(s.ids, s.ring[s.next])
	}
	s.ring[s.next] = id
	s.ids[id] = struct{}{}
	s.next = (s.next + 1) % len(s.ring)
	return true
}
