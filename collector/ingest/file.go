package ingest

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/mcpwatch/mcpwatch/collector/format"
)

// file is one file that is sent.
type file struct {
	run    *run
	path   string
	origin string // the path under which it was found first
	handle *os.File
	info   os.FileInfo // as it was when it was looked at last

	fingerprint string
	packed      bool // compressed
	skip        bool // no text
	at          position
	kept        position // as it was saved
	pending     bool     // there is a last record that may go on

	grown time.Time // by our clock
}

// open takes up a file where it was left.
func (r *run) open(path, origin string) (*file, error) {
	handle, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening what to send: %w", err)
	}
	f := &file{run: r, path: path, origin: origin, handle: handle}
	if f.info, err = handle.Stat(); err == nil {
		err = f.begin()
	}
	if err != nil {
		f.close()
		return nil, err
	}
	if f.skip {
		r.sender.result.Skipped++
	} else {
		r.sender.result.Files++
	}
	return f, nil
}

func (f *file) close() {
	if f.handle != nil {
		_ = f.handle.Close()
		f.handle = nil
	}
}

// begin looks at the file as a new one.
func (f *file) begin() error {
	f.at, f.kept, f.fingerprint, f.pending = position{Path: f.origin}, position{}, "", false
	f.packed = compressed(f.handle) != ""
	h, err := headOf(f.handle, f.info.Size())
	if err != nil && !f.packed {
		return fmt.Errorf("reading %s: %w", f.path, err)
	}
	f.skip = h.binary()
	return f.resume(h)
}

// resume finds where an earlier run, or this one under another name, has left the file.
func (f *file) resume(h head) error {
	f.fingerprint = h.fingerprint()
	if f.fingerprint == "" {
		return nil
	}
	known := f.run.positions.of(f.fingerprint)
	slices.SortStableFunc(known, func(a, b position) int { return cmp.Compare(a.Offset, b.Offset) })
	tails := map[int64]string{}
	if f.packed {
		offsets := make([]int64, len(known))
		for i, q := range known {
			offsets[i] = q.Offset
		}
		tails = tailsOf(f.handle, f.info.Size(), offsets)
	}
	for _, q := range slices.Backward(known) { // the furthest that fits
		if !f.packed {
			tail, err := tailOf(f.handle, f.info.Size(), q.Offset)
			if err != nil && !errors.Is(err, errTruncated) {
				return err
			}
			tails[q.Offset] = tail
		}
		if tails[q.Offset] == q.Tail {
			f.at, f.kept = q, q
			f.at.Path = f.origin
			f.run.sender.result.Before += q.Offset
			return nil
		}
	}
	return nil
}

// pass sends what is new. final says that the file is not followed: its last record is whole, but
// read again next time, should it have grown after all. The error is errTruncated where the file
// is another by now.
func (f *file) pass(ctx context.Context, final bool) error {
	var err error
	if f.info, err = f.handle.Stat(); err != nil {
		return fmt.Errorf("looking at %s: %w", f.path, err)
	}
	h, err := headOf(f.handle, f.info.Size())
	if err != nil && !f.packed {
		return fmt.Errorf("reading %s: %w", f.path, err)
	}
	if f.fingerprint == "" {
		if err := f.resume(h); err != nil {
			return err
		}
	}
	in, err := from(f.handle, f.info.Size(), f.at.Offset)
	if err != nil && f.packed {
		f.run.sender.result.refuse(f.path + " cannot be decompressed")
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", f.path, err)
	}
	defer func() { _ = in.Close() }()
	var all io.Reader = in
	if f.packed {
		all = readerFunc(func(p []byte) (int, error) {
			n, err := in.Read(p)
			if err != nil && !errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF // whatever is wrong with it, here it ends
			}
			return n, err
		})
	}
	return f.cut(ctx, all, format.LayoutOf(h.start, h.whole, f.run.o.Format), final || f.packed)
}

// stream sends what comes from a pipe, each time when no more is there.
func (f *file) stream(ctx context.Context, in io.Reader) error {
	first := bufio.NewReaderSize(in, headBytes)
	if _, err := first.Peek(1); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading %s: %w", f.path, err)
	}
	start, _ := first.Peek(first.Buffered())
	paced := readerFunc(func(p []byte) (int, error) {
		if first.Buffered() == 0 {
			if err := f.run.sender.flush(ctx); err != nil {
				return 0, err
			}
		}
		return first.Read(p)
	})
	return f.cut(ctx, paced, format.LayoutOf(start, false, f.run.o.Format), true)
}

type readerFunc func(p []byte) (int, error)

// Read implements io.Reader.
func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// cut sends the records of in, which begins at the file's position.
func (f *file) cut(ctx context.Context, in io.Reader, l format.Layout, final bool) error {
	s := f.run.sender
	base, running, safe, sure := f.at.Offset, f.at.Chain, f.at, 0
	f.pending = false
	send := func(end bool) error {
		sure = 0
		return f.send(ctx, safe, end)
	}
	add := func(e record) error {
		if s.full() {
			if err := send(false); err != nil {
				return err
			}
		}
		running = running.next(e.identity())
		e.key = running.key()
		s.add(e)
		return nil
	}
	mark := func(at int64, e format.Ending) error {
		if e == format.Quiet && f.quiet() {
			e = format.Ended
		}
		switch {
		case e == format.Ended:
			safe.Offset, safe.Chain, sure = base+at, running, s.count()
		case !final:
			f.pending = e == format.Quiet && s.count() > sure
			s.keep(sure)
		}
		return nil
	}
	err := format.CutFrom(in, l,
		func(data []byte) error { return add(record{data: data}) },
		func(reason string) error { return add(record{problem: reason}) }, mark)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
		if final {
			err = add(record{problem: "breaks off at the end of the file"})
		} else {
			s.keep(sure)
		}
	}
	if err != nil {
		s.keep(0)
		return err
	}
	return send(true)
}

// quiet reports whether nothing was added to the file for a while.
func (f *file) quiet() bool {
	return f.run.o.Follow && f.handle != nil && time.Since(f.grown) >= f.run.o.Quiet
}

// send sends what was cut and remembers the position after it. A compressed file is as it is: its
// position is remembered at its end alone.
func (f *file) send(ctx context.Context, safe position, end bool) error {
	s := f.run.sender
	if err := f.check(); err != nil {
		s.keep(0)
		return err
	}
	remember := f.handle != nil && f.fingerprint != "" && safe.Offset != f.at.Offset && (!f.packed || end)
	if remember { // before it is sent: the file may be truncated as soon as it is
		var err error
		if safe.Tail, err = tailOf(f.handle, f.info.Size(), safe.Offset); err != nil {
			s.keep(0)
			return err
		}
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	s.progress(safe.Offset)
	if !remember {
		return nil
	}
	f.at = safe
	if err := f.run.positions.save(f.fingerprint, f.kept, safe); err != nil {
		return err
	}
	f.kept = safe
	return nil
}

// check reports errTruncated where the file is no longer the one that was read.
func (f *file) check() error {
	if f.handle == nil || f.packed {
		return nil
	}
	info, err := f.handle.Stat()
	if err != nil {
		return fmt.Errorf("looking at %s: %w", f.path, err)
	}
	if f.at.Offset > 0 {
		tail, err := tailOf(f.handle, info.Size(), f.at.Offset)
		if err == nil && tail != f.at.Tail {
			err = errTruncated
		}
		return err
	}
	if info.Size() < f.info.Size() {
		return errTruncated
	}
	h, err := headOf(f.handle, info.Size())
	if err != nil {
		return fmt.Errorf("reading %s: %w", f.path, err)
	}
	if f.fingerprint != "" && h.fingerprint() != f.fingerprint {
		return errTruncated
	}
	return nil
}
