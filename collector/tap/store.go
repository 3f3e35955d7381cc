package tap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/rs/zerolog"
)

const (
	batchEvents = 1000     // most events of one post
	batchBytes  = maxEvent // most bytes of one post, before compression and a last newline
)

// store is all that this tap has on disk: its own spool, and those it adopted from dead
// taps. The observer appends, the shippers read; whoever holds the mutex may touch files.
type store struct {
	dir          string
	segmentBytes int64
	spoolBytes   int64
	counters     *Counters
	log          zerolog.Logger
	dry          io.Writer // where events go in place of the disk, or nil
	// declare wakes the observer to make events of the gaps.
	declare func()

	own *spool
	mu  struct {
		sync.Mutex
		adopted []*spool // oldest first
		gaps    gaps
	}
}

// batch is a run of whole records of one segment.
type batch struct {
	spool  *spool
	start  position
	data   []byte // NDJSON; good until the next read into the same buffer
	events int
	full   bool // more would have been too much
}

// half cuts the batch to the first half of its events, at least one.
func (b batch) half() batch {
	want := max(1, b.events/2)
	end := 0
	for range want {
		end += bytes.IndexByte(b.data[end:], '\n') + 1
	}
	b.data, b.events = b.data[:end], want
	return b
}

func newStore(o *Options, instance string, counters *Counters, declare func()) *store {
	s := &store{
		dir: o.SpoolDir, segmentBytes: o.SegmentBytes, spoolBytes: o.SpoolBytes,
		counters: counters, log: o.Logger, dry: o.DryRun, declare: declare,
	}
	s.own = s.spoolOf(instance)
	return s
}

func (s *store) spoolOf(instance string) *spool {
	return &spool{dir: filepath.Join(s.dir, instance), instance: instance}
}

// append writes records, whole lines, to our own spool, and keeps the bound.
func (s *store) append(records []byte) error {
	if s.dry != nil {
		_, err := s.dry.Write(records)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.own.append(records, s.segmentBytes); err != nil {
		s.counters.spoolError.Add(1)
		return err
	}
	s.boundLocked()
	return nil
}

// boundLocked drops the oldest segments while there is too much: those of dead taps
// first, then our own, but never the one being written.
func (s *store) boundLocked() {
	total := s.own.bytes()
	for _, sp := range s.mu.adopted {
		total += sp.bytes()
	}
	for total > s.spoolBytes {
		victim := s.own
		for _, sp := range s.mu.adopted {
			if len(sp.segments) > 0 {
				victim = sp
				break
			}
		}
		if victim == s.own && len(s.own.segments) < 2 {
			return
		}
		total -= victim.segments[0].size
		s.dropLocked(victim, GapSpoolFull)
	}
}

// dropLocked gives up the unshipped rest of a spool's oldest segment.
func (s *store) dropLocked(sp *spool, reason string) {
	lost, declared := sp.unshipped()
	lost.reason = reason
	if err := sp.removeFirst(); err != nil {
		s.log.Warn().Err(err).Msg("dropping a segment of the spool")
		sp.segments = sp.segments[1:]
	}
	for _, g := range declared {
		s.mu.gaps.add(g)
	}
	s.lostLocked(lost)
}

// lostLocked counts a loss and has it declared.
func (s *store) lostLocked(g gap) {
	if g.bytes == 0 {
		return
	}
	switch g.reason {
	case GapSpoolFull:
		s.counters.spoolLost.Add(g.events)
	case GapTooLarge:
		s.counters.tooLarge.Add(g.events)
	case GapDamaged:
		s.counters.damaged.Add(g.bytes)
	}
	s.log.Warn().Str("reason", g.reason).Str("instance", g.instance).Uint64("first", g.first).Uint64("last", g.last).
		Uint64("events", g.events).Uint64("bytes", g.bytes).Msg("events lost from the spool")
	s.mu.gaps.add(g)
	s.declare()
}

// takeGaps returns what is to be declared, and forgets it.
func (s *store) takeGaps() gaps {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.mu.gaps
	s.mu.gaps = nil
	return g
}

// next returns the next batch of a spool, of at most that many bytes unless its first
// record alone is longer; none (events is 0) means that all is shipped. buf needs room
// for the longest record.
func (s *store) next(sp *spool, buf []byte, most int) (batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		data, last, err := sp.read(buf)
		if errors.Is(err, fs.ErrNotExist) {
			s.dropLocked(sp, GapDamaged)
			sp.forget()
			continue
		}
		if err != nil || len(data) == 0 {
			return batch{}, err
		}
		b := batch{spool: sp, start: sp.pos}
		b.cut(data, most)
		b.full = b.full || !last
		if b.events > 0 {
			return b, nil
		}
		if err := s.skipLocked(sp, data, last); err != nil {
			return batch{}, err
		}
	}
}

// cut takes whole records from data.
func (b *batch) cut(data []byte, most int) {
	end := 0
	for b.events < batchEvents {
		n := bytes.IndexByte(data[end:], '\n') + 1
		if n == 0 {
			break
		}
		if b.events > 0 && end+n > most {
			b.full = true
			break
		}
		end += n
		b.events++
	}
	b.data = data[:end]
	b.full = b.full || b.events == batchEvents
}

// skipLocked passes over bytes that are no whole record: the last one of a tap that was
// killed while it wrote, or a damaged file.
func (s *store) skipLocked(sp *spool, data []byte, last bool) error {
	if last {
		s.log.Info().Str("instance", sp.instance).Int("bytes", len(data)).Msg("passing over an unfinished record of the spool")
	} else {
		s.lostLocked(gap{reason: GapDamaged, instance: sp.instance, bytes: uint64(len(data))})
	}
	return sp.advance(position{sp.pos.Segment, sp.pos.Offset + int64(len(data))})
}

// commit notes that the collector has taken a batch. A batch whose segment was dropped
// meanwhile is passed over.
func (s *store) commit(b batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passLocked(b)
}

// giveUp drops a batch of one event that the collector will never take.
func (s *store) giveUp(b batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := readRecord(b.data).Source.Sequence; s.passLocked(b) {
		s.lostLocked(gap{reason: GapTooLarge, instance: b.spool.instance, first: n, last: n, events: 1, bytes: uint64(len(b.data))})
	}
}

func (s *store) passLocked(b batch) bool {
	if b.spool.pos != b.start {
		return false
	}
	if err := b.spool.advance(position{b.start.Segment, b.start.Offset + int64(len(b.data))}); err != nil {
		s.counters.spoolError.Add(1)
		s.log.Warn().Err(err).Str("instance", b.spool.instance).Msg("the spool's position is not kept")
	}
	return true
}

// closeOwn ends our own spool: it is removed if all is shipped, and left to the next tap
// otherwise.
func (s *store) closeOwn() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.own
	if own.lock == nil {
		return nil
	}
	own.closeFile()
	data, _, err := own.read(make([]byte, 1))
	if err == nil && len(data) == 0 {
		return own.remove(own.lock)
	}
	if err2 := own.lock.Close(); err == nil && err2 != nil {
		err = fmt.Errorf("unlocking the spool %s: %w", own.instance, err2)
	}
	return err
}

// adopt finds the spools of dead taps and takes them under our bound, oldest first. The
// caller holds the adopter's lock, so that nobody else does the same.
func (s *store) adopt() ([]*spool, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("looking for spools of dead taps: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.adopted = nil
	for _, entry := range entries { // sorted by name, hence by age
		if !entry.IsDir() || !isInstance(entry.Name()) || entry.Name() == s.own.instance {
			continue
		}
		sp := s.spoolOf(entry.Name())
		if dead, err := s.deadLocked(sp); err != nil {
			s.log.Warn().Err(err).Msg("a spool cannot be adopted")
		} else if dead {
			s.mu.adopted = append(s.mu.adopted, sp)
		}
	}
	s.boundLocked()
	return s.mu.adopted, nil
}

// deadLocked loads a spool if no tap holds it. One without events is removed at once; one
// without a lock file belongs to a tap that is just starting.
func (s *store) deadLocked(sp *spool) (bool, error) {
	lock, err := os.OpenFile(filepath.Join(sp.dir, lockFile), os.O_RDWR, filePerm)
	if errors.Is(err, fs.ErrNotExist) {
		_ = os.Remove(sp.dir) // what a removal that was cut short left; only if it is empty
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("opening the lock of spool %s: %w", sp.instance, err)
	}
	if err := flock(lock, false); err != nil {
		_ = lock.Close()
		return false, nil //nolint:nilerr // it is held: the tap is alive
	}
	if err := sp.load(); err != nil {
		_ = lock.Close()
		return false, err
	}
	if len(sp.segments) == 0 {
		return false, sp.remove(lock)
	}
	return true, lock.Close()
}

// bury removes an adopted spool that is shipped to its end.
func (s *store) bury(sp *spool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	lock, err := os.OpenFile(filepath.Join(sp.dir, lockFile), os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		return fmt.Errorf("opening the lock of spool %s: %w", sp.instance, err)
	}
	return sp.remove(lock)
}
