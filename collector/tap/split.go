package tap

import "bytes"

const (
	// maxEvent is the longest event that a collector takes, in bytes of JSON.
	maxEvent = 1 << 20
	// rawEnd is what is kept of each end of a line that is too long.
	rawEnd = 64 << 10
)

// line is one line without its ending. Of a line longer than maxEvent only the ends are
// there: head and tail; otherwise head is all of it. Both point into memory that the next
// feed overwrites.
type line struct {
	head, tail []byte
	size       int // true length in bytes
}

func (l *line) long() bool { return l.size > len(l.head) }

// splitter cuts a stream into lines. It holds at most maxEvent bytes of an unfinished
// line, or the two ends of a longer one.
type splitter struct {
	part []byte // the unfinished line, or its first rawEnd bytes once it is long
	tail []byte // the last bytes of a long line, rawEnd of them and up to as many again
	size int    // of the unfinished line
	long bool
}

// feed takes the next bytes and calls emit for each line that ends in them. Lines end
// with "\n" or "\r\n"; lines with nothing but white space are skipped.
func (s *splitter) feed(p []byte, emit func(line)) {
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		if s.size == 0 && i <= maxEvent {
			deliver(p[:i], emit) // the usual case: nothing to keep, nothing to copy
		} else {
			s.add(p[:i])
			s.end(emit)
		}
		p = p[i+1:]
	}
	s.add(p)
}

// end delivers the unfinished line, as at the end of the stream.
func (s *splitter) end(emit func(line)) {
	if s.size == 0 {
		return
	}
	if s.long {
		tail := s.tail[max(0, len(s.tail)-rawEnd):]
		emit(line{head: s.part, tail: tail, size: s.size})
	} else {
		deliver(s.part, emit)
	}
	s.reset()
}

// drop forgets the unfinished line and returns how many bytes it had.
func (s *splitter) drop() int {
	n := s.size
	s.reset()
	return n
}

func (s *splitter) add(p []byte) {
	s.size += len(p)
	if !s.long {
		s.part = append(s.part, p...)
		if len(s.part) <= maxEvent {
			return
		}
		s.long = true
		s.tail = append(s.tail[:0], s.part[len(s.part)-rawEnd:]...)
		s.part = s.part[:rawEnd]
		return
	}
	if len(p) > rawEnd {
		p = p[len(p)-rawEnd:]
	}
	s.tail = append(s.tail, p...)
	if len(s.tail) > 2*rawEnd {
		kept := copy(s.tail, s.tail[len(s.tail)-rawEnd:])
		s.tail = s.tail[:kept]
	}
}

func (s *splitter) reset() {
	if s.long {
		s.part = nil // a long line's memory is not held for the short ones to come
	}
	s.part, s.tail, s.size, s.long = s.part[:0], s.tail[:0], 0, false
}

func deliver(p []byte, emit func(line)) {
	p = bytes.TrimSuffix(p, []byte{'\r'})
	if len(bytes.TrimSpace(p)) > 0 {
		emit(line{head: p, size: len(p)})
	}
}

// held is how many bytes of memory the unfinished line takes.
func (s *splitter) held() int { return len(s.part) + len(s.tail) }
