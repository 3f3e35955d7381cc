package tap

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	lockFile     = "lock"
	positionFile = "position"
	segmentExt   = ".ndjson"
	filePerm     = 0o600
	dirPerm      = 0o700
)

// spool is the directory of one tap instance. It holds
//
//   - lock: held by the living tap, with flock;
//   - 00000001.ndjson, 00000002.ndjson, …: segments, one event a line, oldest first;
//   - position: where the shipper is; missing means at the start of the oldest segment.
//
// Only the last segment of a living tap's spool grows. A spool has no lock of its own in
// memory: the store guards it.
type spool struct {
	dir      string
	instance string
	segments []segment
	pos      position
	// lock and file are of our own spool only: the lock file, and the last segment, open.
	lock, file *os.File
}

type segment struct {
	number uint64
	size   int64 // bytes written whole
}

// position is the first byte that the collector has not taken yet.
type position struct {
	Segment uint64 `json:"segment"`
	Offset  int64  `json:"offset"`
}

func (s *spool) path(number uint64) string {
	return filepath.Join(s.dir, fmt.Sprintf("%08d%s", number, segmentExt))
}

// create makes the directory and takes its lock. An adopter that takes us for dead, since
// the lock file was not yet locked, may remove it again under our hands: hence the check
// and the repeat.
func (s *spool) create() error {
	for range 10 {
		if err := os.MkdirAll(s.dir, dirPerm); err != nil {
			return fmt.Errorf("making the spool: %w", err)
		}
		f, err := os.OpenFile(filepath.Join(s.dir, lockFile), os.O_RDWR|os.O_CREATE, filePerm)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("making the spool's lock: %w", err)
		}
		if err := flock(f, true); err != nil {
			_ = f.Close()
			return fmt.Errorf("locking the spool %s: %w", s.instance, err)
		}
		ours, err1 := f.Stat()
		there, err2 := os.Stat(f.Name())
		if err1 == nil && err2 == nil && os.SameFile(ours, there) {
			s.lock = f
			return nil
		}
		_ = f.Close()
	}
	return fmt.Errorf("making the spool %s: it was removed again and again", s.instance)
}

// load reads what a dead tap left: its segments and its position.
func (s *spool) load() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("reading the spool %s: %w", s.instance, err)
	}
	s.segments = s.segments[:0]
	for _, entry := range entries {
		digits, ok := strings.CutSuffix(entry.Name(), segmentExt)
		number, err := strconv.ParseUint(digits, 10, 64)
		if !ok || err != nil || number == 0 {
			continue
		}
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		s.segments = append(s.segments, segment{number: number, size: info.Size()})
	}
	slices.SortFunc(s.segments, func(a, b segment) int { return int(int64(a.number) - int64(b.number)) })
	if data, err := os.ReadFile(filepath.Join(s.dir, positionFile)); err == nil {
		if json.Unmarshal(data, &s.pos) != nil || s.pos.Offset < 0 {
			s.pos = position{} // damaged: ship from the start, under the same ids
		}
	}
	return nil
}

func (s *spool) bytes() (n int64) {
	for _, seg := range s.segments {
		n += seg.size
	}
	return n
}

// append writes whole records to the last segment, beginning a new one when it is full.
// After an error nothing of the records counts as written.
func (s *spool) append(records []byte, segmentBytes int64) error {
	if s.lock == nil {
		if err := s.create(); err != nil {
			return err
		}
	}
	if s.file != nil && s.segments[len(s.segments)-1].size+int64(len(records)) > segmentBytes {
		s.closeFile()
	}
	if s.file == nil {
		if err := s.begin(); err != nil {
			return err
		}
	}
	last := &s.segments[len(s.segments)-1]
	if _, err := s.file.WriteAt(records, last.size); err != nil {
		// Take back what was written of it, or else leave the segment as it is: its reader
		// stops at its size in memory, and after a crash at a record without its newline.
		if s.file.Truncate(last.size) != nil {
			s.closeFile()
		}
		return fmt.Errorf("writing the spool: %w", err)
	}
	last.size += int64(len(records))
	return nil
}

func (s *spool) begin() error {
	number := max(s.pos.Segment, 1)
	if n := len(s.segments); n > 0 {
		number = s.segments[n-1].number + 1
	}
	f, err := os.OpenFile(s.path(number), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, filePerm)
	if err != nil {
		return fmt.Errorf("beginning a segment of the spool: %w", err)
	}
	s.file = f
	s.segments = append(s.segments, segment{number: number})
	return nil
}

func (s *spool) closeFile() {
	if s.file != nil {
		_ = s.file.Close()
		s.file = nil
	}
}

// read fills buf from the position on. It removes segments that are shipped to their end,
// and returns the bytes there are, with last set if they reach the segment's end; none
// means that all is shipped. A segment that somebody deleted gives fs.ErrNotExist.
func (s *spool) read(buf []byte) (data []byte, last bool, err error) {
	for len(s.segments) > 0 {
		seg := s.segments[0]
		offset := int64(0)
		if s.pos.Segment == seg.number {
			offset = s.pos.Offset
		}
		if s.pos.Segment > seg.number || offset >= seg.size {
			if len(s.segments) == 1 && s.file != nil {
				return nil, false, nil // it still grows
			}
			if err := s.removeFirst(); err != nil {
				return nil, false, err
			}
			continue
		}
		s.pos = position{seg.number, offset}
		f, err := os.Open(s.path(seg.number))
		if err != nil {
			return nil, false, fmt.Errorf("opening a segment of the spool: %w", err)
		}
		defer f.Close()
		n := int(min(int64(len(buf)), seg.size-offset))
		if _, err := f.ReadAt(buf[:n], offset); err != nil {
			return nil, false, fmt.Errorf("reading the spool: %w", err)
		}
		return buf[:n], int64(n) == seg.size-offset, nil
	}
	return nil, false, nil
}

// advance moves the position past what was shipped and makes that durable. Where it
// cannot, what was shipped is shipped again after a crash, under the same ids.
func (s *spool) advance(to position) error {
	s.pos = to
	data, err := json.Marshal(to)
	if err != nil {
		return fmt.Errorf("writing the spool's position: %w", err)
	}
	name := filepath.Join(s.dir, positionFile)
	if err := os.WriteFile(name+".new", data, filePerm); err != nil {
		return fmt.Errorf("writing the spool's position: %w", err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		return fmt.Errorf("writing the spool's position: %w", err)
	}
	return nil
}

// removeFirst deletes the oldest segment and moves the position behind it.
func (s *spool) removeFirst() error {
	number := s.segments[0].number
	if err := os.Remove(s.path(number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a segment of the spool: %w", err)
	}
	s.segments = s.segments[1:]
	if s.pos.Segment <= number {
		s.pos = position{Segment: number + 1}
	}
	return nil
}

// unshipped says what is lost with the oldest segment: its events that were not shipped,
// and before those the gaps that some of them declared, which must be declared again.
func (s *spool) unshipped() (lost gap, declared []gap) {
	lost = gap{instance: s.instance}
	seg := s.segments[0]
	data, err := os.ReadFile(s.path(seg.number))
	if err != nil || int64(len(data)) < seg.size {
		lost.bytes = uint64(seg.size)
		return lost, nil
	}
	data = data[:seg.size]
	if s.pos.Segment == seg.number {
		data = data[min(s.pos.Offset, seg.size):]
	}
	lost.bytes = uint64(len(data))
	for line := range bytes.Lines(data) {
		r := readRecord(line)
		lost.events++
		if n := r.Source.Sequence; n > 0 {
			lost.last = n
			if lost.first == 0 {
				lost.first = n
			}
		}
		if g := r.Gap; g.Reason != "" {
			declared = append(declared, gap{g.Reason, cmp.Or(g.Instance, s.instance), g.First, g.Last, g.Events, g.Bytes})
		}
	}
	return lost, declared
}

// record is what of an event in the spool is of interest to the spool.
type record struct {
	Source struct {
		Sequence uint64 `json:"sequence"`
	} `json:"source"`
	Gap struct {
		Reason   string `json:"reason"`
		Instance string `json:"instance"`
		First    uint64 `json:"first"`
		Last     uint64 `json:"last"`
		Events   uint64 `json:"events"`
		Bytes    uint64 `json:"bytes"`
	} `json:"tap_gap"`
}

// readRecord reads a line of a segment; what cannot be read is zero.
func readRecord(line []byte) (r record) {
	if json.Unmarshal(line, &r, jsontext.AllowDuplicateNames(true)) != nil {
		return record{}
	}
	return r
}

// forget gives up files that are gone from the disk, so that the next append makes new ones.
func (s *spool) forget() {
	s.closeFile()
	if s.lock != nil {
		_ = s.lock.Close()
		s.lock = nil
	}
}

// remove deletes a spool that is shipped to its end. The lock file goes while it is held,
// which is what create's check relies on.
func (s *spool) remove(lock *os.File) error {
	s.closeFile()
	for len(s.segments) > 0 {
		if err := s.removeFirst(); err != nil {
			return err
		}
	}
	var errs []error
	for _, name := range []string{positionFile, positionFile + ".new", lockFile} {
		if err := os.Remove(filepath.Join(s.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	_ = lock.Close()
	if err := os.Remove(s.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing the spool %s: %w", s.instance, err)
	}
	return nil
}
