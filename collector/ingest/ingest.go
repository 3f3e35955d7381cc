// Package ingest sends files of records to a collector, each record once, however often a file is
// sent, renamed, copied or compressed, and wherever the sending is cut short.
//
// A record's key is a digest of the file's records up to and with it: it stays what it is wherever
// the file goes, and two equal lines of a file have two. The collector makes event ids of keys. So
// sending again is always safe, and what is remembered of a file (see positions) only saves work.
// Files that begin with the same records share the events of those.
package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mcpwatch/mcpwatch/collector/format"
)

// Options say what is sent where.
type Options struct {
	// Targets are files, folders (with all below them, hidden ones left out) and "-", which is In.
	Targets []string
	In      io.Reader
	// Format of the records; "" finds it for each.
	Format format.Format
	// Follow reads on as files grow, are rotated and are made, until the context ends.
	Follow bool
	// Positions is the folder that remembers how far files were sent.
	Positions string

	// Target says where the collector is, each time anew. An error of the first time is final.
	Target func(context.Context) (endpoint, token string, err error)
	TLS    *tls.Config

	// Poll is how often a followed file is looked at.
	Poll time.Duration
	// Quiet is how long nothing is added to a file until its last record is taken for whole, where
	// further lines could belong to it.
	Quiet time.Duration
	// Linger is how long a file that was renamed or removed is still followed after it has grown.
	Linger time.Duration
	// RetryMin and RetryMax bound the wait before a batch is sent again.
	RetryMin, RetryMax time.Duration

	// Progress is told of how many bytes of how many are done; nil where nobody looks.
	Progress func(done, total int64)
	// Waiting is told why a batch must be sent again.
	Waiting func(error)
}

// DefaultOptions holds the bounds; the rest has no default.
func DefaultOptions() Options {
	return Options{
		Poll: 500 * time.Millisecond, Quiet: time.Second, Linger: 10 * time.Second,
		RetryMin: 250 * time.Millisecond, RetryMax: 15 * time.Second,
		Progress: func(int64, int64) {}, Waiting: func(error) {},
	}
}

// Result counts what became of the files.
type Result struct {
	Files int
	// Records were sent and read, and told of Events.
	Records, Events int
	// Refused were not read; Reasons are those of the first few.
	Refused int
	Reasons []string
	// Skipped files were not sent, being no text.
	Skipped int
	// Before is how many bytes had been sent by an earlier run.
	Before int64
}

// maxReasons bounds Result.Reasons.
const maxReasons = 5

func (r *Result) refuse(reason string) {
	r.Refused++
	if len(r.Reasons) < maxReasons {
		r.Reasons = append(r.Reasons, reason)
	}
}

// Run sends the targets and returns what became of them; with Follow, once ctx has ended, which is
// no error then. An error is one that waiting does not mend: a file that cannot be read, or a
// collector that will not have what is sent.
func Run(ctx context.Context, o Options) (Result, error) {
	p, err := openPositions(o.Positions)
	if err != nil {
		return Result{}, err
	}
	s := newSender(o)
	defer s.close()
	if _, _, err := o.Target(ctx); err != nil {
		return Result{}, err
	}
	r := &run{o: o, sender: s, positions: p}
	if o.Follow {
		err = r.follow(ctx)
	} else {
		err = r.once(ctx)
	}
	if o.Follow && ctx.Err() != nil {
		err = nil
	}
	return s.result, err
}

// run is one Run.
type run struct {
	o         Options
	sender    *sender
	positions *positions
	done      int64 // bytes of files that are done
}

// once sends what is there.
func (r *run) once(ctx context.Context) error {
	paths, err := expand(r.o.Targets)
	if err != nil {
		return err
	}
	var total int64
	for _, p := range paths {
		total += p.size
	}
	for _, p := range paths {
		before := r.done
		r.sender.progress = func(done int64) { r.o.Progress(before+min(done, p.size), total) }
		if err := r.whole(ctx, p.path); err != nil {
			return err
		}
		r.done += p.size
		r.o.Progress(r.done, total)
	}
	return nil
}

// whole sends one file to its present end.
func (r *run) whole(ctx context.Context, path string) error {
	if path == "-" {
		r.sender.result.Files++
		return (&file{run: r, path: "standard input"}).stream(ctx, r.o.In)
	}
	f, err := r.open(path, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // it has gone since it was listed
	case err != nil && !slices.Contains(r.o.Targets, path):
		r.sender.result.refuse(err.Error()) // nobody has named it
		return nil
	case err != nil:
		return err
	}
	defer f.close()
	for range maxRestarts {
		if f.skip {
			return nil
		}
		if err = f.pass(ctx, true); !errors.Is(err, errTruncated) {
			return err
		}
		if f.info, err = f.handle.Stat(); err == nil {
			err = f.begin()
		}
		if err != nil {
			return fmt.Errorf("beginning anew with %s: %w", path, err)
		}
	}
	return fmt.Errorf("sending %s: %w as it was read, several times", path, errTruncated)
}

// entry is a file that a target names.
type entry struct {
	path    string
	size    int64
	changed time.Time
}

// expand lists the files of targets, those of a folder from the oldest on. What is in a folder and
// cannot be looked at is left out: it may have gone.
func expand(targets []string) ([]entry, error) {
	var all []entry
	for _, target := range targets {
		if target == "-" {
			all = append(all, entry{path: target})
			continue
		}
		info, err := os.Stat(target)
		if err != nil {
			return nil, fmt.Errorf("looking for what to send: %w", err)
		}
		if !info.IsDir() {
			all = append(all, entry{target, info.Size(), info.ModTime()})
			continue
		}
		all = append(all, below(target)...)
	}
	return all, nil
}

func below(folder string) []entry {
	var found []entry
	_ = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // it may have gone
		case path != folder && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			found = append(found, entry{path, info.Size(), info.ModTime()})
		}
		return nil
	})
	slices.SortStableFunc(found, func(a, b entry) int { return a.changed.Compare(b.changed) })
	return found
}

// errTruncated says that a file is no longer what was read of it.
var errTruncated = errors.New("it was truncated")
