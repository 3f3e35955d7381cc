package match

// Hits is what scans found. It is reused, and then allocates nothing. It belongs to one goroutine;
// the zero value is to be Reset first.
type Hits struct {
	round uint32
	found []uint32 // by literal: the round in which it was last found
	ids   []int32
}

// Reset forgets what was found and makes room for a number of literals. It takes the same short
// time however many there are, unless their number grows.
func (h *Hits) Reset(literals int) {
	h.ids = h.ids[:0]
	h.round++
	if literals > len(h.found) {
		h.found, h.round = make([]uint32, literals), 1
	}
	if h.round == 0 { // after 2^32 rounds
		clear(h.found)
		h.round = 1
	}
}

// Has reports whether the literal was found.
func (h *Hits) Has(id int) bool { return h.found[id] == h.round }

// IDs are the literals found, each once, in the order of discovery. They are good until Reset.
func (h *Hits) IDs() []int32 { return h.ids }

func (h *Hits) add(id int32) {
	if h.found[id] != h.round {
		h.found[id] = h.round
		h.ids = append(h.ids, id)
	}
}

// cut takes back all but the first n ids.
func (h *Hits) cut(n int) {
	for _, id := range h.ids[n:] {
		h.found[id] = h.round - 1
	}
	h.ids = h.ids[:n]
}
