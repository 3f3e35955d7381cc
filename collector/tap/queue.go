package tap

import (
	"math"
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

// stream is where bytes come from, in their order, and who observes them.
type stream struct {
	// observe is called by the observer for each chunk, with its bytes.
	observe func(c chunk, p []byte)
	// lost are bytes of which no chunk has told; the queue's mutex guards it.
	lost uint64
}

// note is what a chunk tells beside its bytes.
type note uint8

const (
	noteNone  note = iota
	noteBegin      // an exchange begins
	noteHead       // the head of its answer is there
	noteEnd        // the stream has ended
	noteCut        // the stream has ended before its end
)

// chunk describes the next n bytes of a block: one read of one stream, or none and a note.
type chunk struct {
	stream *stream
	n      int
	at     time.Time
	lost   uint64 // bytes of this stream that were lost just before
	note   note
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

// queue hands bytes from those who pass them on to the observer. It never blocks them: where
// the observer is too far behind, bytes are lost and the next chunk of that stream says
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
		closed      bool
	}
}

func newQueue(bytes int) *queue {
	return &queue{wake: make(chan struct{}, 1), done: make(chan struct{}), most: bytes / blockBytes}
}

// put copies p, at most blockBytes, into the queue. It wakes nobody: who put it does that
// with signal, after the bytes are passed on.
func (q *queue) put(from *stream, p []byte, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.roomLocked(len(p), q.most)
	if b == nil {
		from.lost += uint64(len(p))
		return
	}
	b.data = append(b.data, p...)
	b.addLocked(chunk{stream: from, n: len(p), at: at})
}

// begin puts the note that an exchange begins, unless the queue is full.
func (q *queue) begin(from *stream, at time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.roomLocked(0, q.most)
	if b == nil {
		return false
	}
	b.addLocked(chunk{stream: from, at: at, note: noteBegin})
	return true
}

// tell puts a note, however full the queue is: a stream has few, and as many streams are open
// as somebody has connections for.
func (q *queue) tell(from *stream, n note, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if b := q.roomLocked(0, math.MaxInt); b != nil {
		b.addLocked(chunk{stream: from, at: at, note: n})
	}
}

func (b *block) addLocked(c chunk) {
	c.lost, c.stream.lost = c.stream.lost, 0
	b.chunks = append(b.chunks, c)
}

// roomLocked is the last block or a new one, or nil where there are that many.
func (q *queue) roomLocked(bytes, most int) *block {
	if q.mu.last != nil && q.mu.last.fits(bytes) {
		return q.mu.last
	}
	if q.mu.closed || q.mu.blocks >= most {
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
	clear(b.chunks) // or their streams would be held
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
