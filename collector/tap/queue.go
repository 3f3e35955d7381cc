package tap

import (
	"sync"
	"time"
)

const (
	// blockBytes is the unit of the queue's memory and the most a pump reads at once. It
	// equals a pipe's usual capacity, so that one read can empty it.
	blockBytes = 64 << 10
	// blockChunks bounds the chunks of a block, so that a flood of single bytes cannot make
	// the book-keeping larger than the bytes.
	blockChunks = 512
	// freeBlocks is how many emptied blocks are kept for reuse.
	freeBlocks = 8
)

// chunk describes the next n bytes of a block: one read of one pump.
type chunk struct {
	way  int
	n    int
	at   time.Time
	lost uint64 // bytes of this direction that were lost just before
}

// block holds chunks in the order they were read.
type block struct {
	data   []byte
	chunks []chunk
	next   *block
}

func (b *block) fits(n int) bool {
	return len(b.data)+n <= cap(b.data) && len(b.chunks) < cap(b.chunks)
}

// queue hands bytes from the pumps to the observer. It never blocks a pump: where the
// observer is too far behind, bytes are lost and the next chunk of that direction says
// how many. Memory is counted in whole blocks.
type queue struct {
	wake chan struct{} // holds a value when there may be something to take
	done chan struct{} // closed with the queue
	most int           // blocks

	mu struct {
		sync.Mutex
		first, last *block
		free        *block
		frees       int
		blocks      int // in the queue or with the observer
		lost        [directions]uint64
		closed      bool
	}
}

func newQueue(bytes int) *queue {
	return &queue{wake: make(chan struct{}, 1), done: make(chan struct{}), most: bytes / blockBytes}
}

// put copies p, at most blockBytes, into the queue. It wakes nobody: the pump does that
// with signal, after it has passed the bytes on.
func (q *queue) put(way int, p []byte, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.mu.last
	if b == nil || !b.fits(len(p)) {
		if b = q.addBlockLocked(); b == nil {
			q.mu.lost[way] += uint64(len(p))
			return
		}
	}
	b.data = append(b.data, p...)
	b.chunks = append(b.chunks, chunk{way: way, n: len(p), at: at, lost: q.mu.lost[way]})
	q.mu.lost[way] = 0
}

func (q *queue) addBlockLocked() *block {
	if q.mu.closed || q.mu.blocks >= q.most {
		return nil
	}
	b := q.mu.free
	if b != nil {
		q.mu.free, b.next = b.next, nil
		q.mu.frees--
	} else {
		b = &block{data: make([]byte, 0, blockBytes), chunks: make([]chunk, 0, blockChunks)}
	}
	q.mu.blocks++
	if q.mu.last == nil {
		q.mu.first = b
	} else {
		q.mu.last.next = b
	}
	q.mu.last = b
	return b
}

// signal wakes the observer. It never blocks.
func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// gather waits, but not past the end of the queue.
func (q *queue) gather(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-q.done:
	}
}

// take removes the oldest block, or returns nil. closed means that no more will come.
func (q *queue) take() (b *block, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b = q.mu.first
	if b == nil {
		return nil, q.mu.closed
	}
	q.mu.first, b.next = b.next, nil
	if q.mu.first == nil {
		q.mu.last = nil
	}
	return b, false
}

// recycle takes back a block that the observer is done with.
func (q *queue) recycle(b *block) {
	b.data, b.chunks = b.data[:0], b.chunks[:0]
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.blocks--
	if q.mu.frees < freeBlocks {
		b.next, q.mu.free = q.mu.free, b
		q.mu.frees++
	}
}

// close ends the queue, once; what is put afterwards is lost. Taking goes on until it is empty.
func (q *queue) close() {
	q.mu.Lock()
	q.mu.closed = true
	q.mu.Unlock()
	close(q.done)
	q.signal()
}

// rest returns the bytes lost that no chunk has told of.
func (q *queue) rest() [directions]uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.lost
}
