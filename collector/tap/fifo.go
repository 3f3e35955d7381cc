package tap

// fifo is a map that forgets its oldest keys.
type fifo[K comparable, V any] struct {
	most int
	held map[K]V
	// order has the keys as they came, those that were removed too.
	order []K
}

func newFIFO[K comparable, V any](most int) *fifo[K, V] {
	return &fifo[K, V]{most: most, held: make(map[K]V)}
}

func (f *fifo[K, V]) put(k K, v V) {
	if _, known := f.held[k]; !known {
		if len(f.order) >= f.most {
			delete(f.held, f.order[0])
			f.order = f.order[1:]
		}
		f.order = append(f.order, k)
	}
	f.held[k] = v
}

func (f *fifo[K, V]) get(k K) (V, bool) {
	v, ok := f.held[k]
	return v, ok
}

// remove forgets a key. Where it comes again, it may be forgotten early.
func (f *fifo[K, V]) remove(k K) { delete(f.held, k) }
