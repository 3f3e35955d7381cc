package event

// ring is a queue that uses its memory again and again.
type ring[T any] struct {
	items []T // a power of two
	first int
	count int
}

// at is the item so many places behind the first, of which there are count.
func (r *ring[T]) at(n int) *T { return &r.items[(r.first+n)&(len(r.items)-1)] }

func (r *ring[T]) push(item T) {
	if r.count == len(r.items) {
		grown := make([]T, max(2*r.count, 16))
		for n := range r.count {
			grown[n] = *r.at(n)
		}
		r.items, r.first = grown, 0
	}
	r.count++
	*r.at(r.count - 1) = item
}

// pop drops the first item.
func (r *ring[T]) pop() {
	var none T
	*r.at(0) = none // it may point to memory
	r.first, r.count = (r.first+1)&(len(r.items)-1), r.count-1
}
