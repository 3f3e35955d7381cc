package window

// index finds slots by tag: open addressing with linear probing, at most three quarters
// full. A place is a tag and a slot in one word, 0 is free. The tag says where the search
// begins, so growing and removing look at no cell.
type index struct {
	places []uint64
	held   int
}

// indexBytes is what a slot takes of an index that has just grown: 8 / 0.375.
const indexBytes = 22

const firstPlaces = 16

func (x *index) add(tag, slot uint32) {
	if (x.held+1)*4 > len(x.places)*3 {
		x.grow()
	}
	x.held++
	x.put(uint64(tag)<<32 | uint64(slot))
}

func (x *index) put(place uint64) {
	mask := uint32(len(x.places) - 1)
	i := uint32(place>>32) & mask
	for x.places[i] != 0 {
		i = (i + 1) & mask
	}
	x.places[i] = place
}

func (x *index) grow() {
	old := x.places
	x.places = make([]uint64, max(2*len(old), firstPlaces))
	for _, place := range old {
		if place != 0 {
			x.put(place)
		}
	}
}

// remove closes the gap it makes: each place behind it moves there, unless its search begins
// after the gap.
func (x *index) remove(tag, slot uint32) {
	x.held--
	mask := uint32(len(x.places) - 1)
	gap := tag & mask
	for x.places[gap] != uint64(tag)<<32|uint64(slot) {
		gap = (gap + 1) & mask
	}
	for i := (gap + 1) & mask; x.places[i] != 0; i = (i + 1) & mask {
		start := uint32(x.places[i]>>32) & mask
		if (i-start)&mask >= (i-gap)&mask {
			x.places[gap] = x.places[i]
			gap = i
		}
	}
	x.places[gap] = 0
}
