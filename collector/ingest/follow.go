package ingest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// maxOpen bounds the followed files that are held open. One that is not is opened again when it has
// changed; its last lines are found by its fingerprint should it be renamed meanwhile.
const maxOpen = 256

// follow sends what is there and what comes, until ctx ends.
func (r *run) follow(ctx context.Context) error {
	var followed []*file
	defer func() {
		for _, f := range followed {
			f.close()
		}
	}()
	if slices.Contains(r.o.Targets, "-") {
		return errors.New("standard input is read as it comes: leave --follow out")
	}
	for {
		paths, err := expand(r.o.Targets)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a file that is rotated is away for a moment
			return err
		}
		if followed, err = r.look(ctx, followed, paths); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(r.o.Poll):
		}
	}
}

// look sends what is new in the files followed and in those at paths that are not yet.
func (r *run) look(ctx context.Context, followed []*file, paths []entry) ([]*file, error) {
	named := map[*file]bool{}
	var more []string // files whose rest is elsewhere by now
	for _, p := range paths {
		info, err := os.Stat(p.path)
		if err != nil {
			continue // it has gone
		}
		i := slices.IndexFunc(followed, func(f *file) bool { return os.SameFile(f.info, info) })
		if i >= 0 {
			followed[i].path = p.path
			named[followed[i]] = true
			continue
		}
		f, err := r.open(p.path, p.path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil && slices.Contains(r.o.Targets, p.path) {
			return followed, err
		}
		if err != nil { // nobody has named it: it is tried again when it has changed
			r.sender.result.refuse(err.Error())
			f = &file{run: r, path: p.path, origin: p.path, info: info, grown: time.Now(), skip: true}
		}
		followed = append(followed, f)
		named[f] = true
		if slices.Contains(r.o.Targets, p.path) {
			more = append(more, p.path)
		}
	}
	for _, f := range followed {
		truncated, err := f.look(ctx)
		if err != nil {
			return followed, err
		}
		if truncated {
			more = append(more, f.path)
		}
	}
	for _, path := range more {
		rest, err := r.rests(path, followed)
		followed = append(followed, rest...)
		if err != nil {
			return followed, err
		}
		for _, f := range rest {
			if _, err := f.look(ctx); err != nil {
				return followed, err
			}
		}
	}
	return r.leave(ctx, followed, named)
}

// look sends what is new in a file, and reports whether it was truncated, and so is a new one.
func (f *file) look(ctx context.Context) (truncated bool, err error) {
	if f.handle == nil {
		if info, err := os.Stat(f.path); err != nil || info.Size() == f.info.Size() && info.ModTime().Equal(f.info.ModTime()) {
			return false, nil //nolint:nilerr // it has gone, as far as anybody can see
		}
		if f.handle, err = os.Open(f.path); err != nil {
			return false, nil //nolint:nilerr // likewise
		}
		if f.skip { // it may be readable by now
			if err := f.begin(); err != nil {
				return false, err
			}
		}
	}
	info, err := f.handle.Stat()
	if err != nil {
		return false, fmt.Errorf("looking at %s: %w", f.path, err)
	}
	if info.Size() != f.info.Size() || !info.ModTime().Equal(f.info.ModTime()) || f.grown.IsZero() {
		f.grown = time.Now()
	} else if !f.pending || !f.quiet() {
		return false, nil
	}
	if f.packed && !f.quiet() { // it may still be written
		f.info, f.pending = info, true
		return false, nil
	}
	for range maxRestarts {
		if err = f.check(); err == nil && !f.skip {
			err = f.pass(ctx, false)
		}
		if !errors.Is(err, errTruncated) {
			return truncated, err
		}
		truncated = true
		if f.info, err = f.handle.Stat(); err == nil {
			err = f.begin()
		}
		if err != nil {
			return truncated, err
		}
	}
	return truncated, nil // and again at the next look
}

// maxRestarts bounds how often a look begins anew with a file that is truncated as it is read.
const maxRestarts = 3

// rests finds the files in a path's folder, under other names, that were sent in part when they had
// that path: what a rotation has left to read.
func (r *run) rests(path string, followed []*file) ([]*file, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("looking for rotated files: %w", err)
	}
	var rest []*file
	for _, e := range entries {
		other := filepath.Join(filepath.Dir(path), e.Name())
		info, err := os.Stat(other)
		same := func(f *file) bool { return os.SameFile(f.info, info) }
		if err != nil || !info.Mode().IsRegular() || slices.ContainsFunc(followed, same) || !r.known(other, path) {
			continue
		}
		f, err := r.open(other, path)
		if err != nil {
			continue // it has gone
		}
		if f.at.Offset == 0 {
			f.close()
			continue
		}
		rest = append(rest, f)
	}
	return rest, nil
}

// known reports whether a file has begun to be sent from a path.
func (r *run) known(name, path string) bool {
	handle, err := os.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = handle.Close() }()
	info, err := handle.Stat()
	if err != nil {
		return false
	}
	h, err := headOf(handle, info.Size())
	if err != nil {
		return false
	}
	fingerprint := h.fingerprint()
	return fingerprint != "" && slices.ContainsFunc(r.positions.of(fingerprint), func(q position) bool { return q.Path == path })
}

// leave lets go of files that have no name any more and have not grown for a while, after a last
// look, and closes those that are open beyond maxOpen.
func (r *run) leave(ctx context.Context, followed []*file, named map[*file]bool) ([]*file, error) {
	var kept []*file
	open := 0
	for i, f := range followed {
		if !named[f] && time.Since(f.grown) >= r.o.Linger {
			err := error(nil)
			if f.handle != nil && !f.skip {
				err = f.pass(ctx, true)
			}
			f.close()
			if err != nil && !errors.Is(err, errTruncated) {
				return append(kept, followed[i+1:]...), err
			}
			continue
		}
		if f.handle != nil {
			open++
		}
		kept = append(kept, f)
	}
	byAge := slices.Clone(kept)
	slices.SortFunc(byAge, func(a, b *file) int { return a.grown.Compare(b.grown) })
	for _, f := range byAge {
		if open <= maxOpen {
			break
		}
		if f.handle != nil {
			f.close()
			open--
		}
	}
	return kept, nil
}
