package tap

import (
	"errors"
	"io"
	"os"
	"time"
)

// pump copies one direction until it ends. It owns nothing but its buffer.
type pump struct {
	way      int
	stream   *stream
	src, dst *os.File
	queue    *queue
	counters *Counters
	now      func() time.Time
}

// run copies until src ends, is closed or passes its deadline (nil), or until dst no
// longer takes bytes (the error).
//
// The copy for the observer is made before the bytes are passed on: otherwise an answer
// could be queued before its request. It costs one memory copy under a lock that is never
// held for long. Waking the observer, which costs more, comes after.
func (p *pump) run() error {
	buf := make([]byte, blockBytes)
	for {
		n, err := p.src.Read(buf)
		if n > 0 {
			if err := p.pass(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && p.way == toClient {
			return p.rest(buf)
		}
		if err != nil {
			return nil //nolint:nilerr // however src ended, it has ended
		}
	}
}

func (p *pump) pass(b []byte) error {
	p.queue.put(p.stream, b, p.now())
	_, err := p.dst.Write(b)
	p.queue.signal()
	p.counters.bytes.Add(uint64(len(b)))
	return err
}

// rest passes on what is in the pipe at the end of the process that wrote to it, and no
// more: a grandchild may keep the pipe open, and even go on writing, for ever.
func (p *pump) rest(buf []byte) error {
	const maxPipe = 1 << 20 // no pipe holds more
	for passed := 0; passed < maxPipe; {
		n, err := readNow(p.src, buf)
		if n > 0 {
			if err := p.pass(buf[:n]); err != nil {
				return err
			}
			passed += n
		}
		if errors.Is(err, io.EOF) || n <= 0 {
			return nil
		}
	}
	return nil
}
