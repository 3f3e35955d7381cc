// Package groupcommit merges concurrent small writes into few large ones.
//
// While one commit is under way, further callers queue; the next commit takes all that
// wait, up to a weight. A lone caller is committed at once, unless a linger is set. A
// caller's items stay together and in order, commits follow one another, and a caller
// learns of the outcome of the commit that held its items.
package groupcommit

import (
	"context"
	"errors"
	"time"
)

// ErrClosed is returned by Do after Close.
var ErrClosed = errors.New("closed")

// Committer merges the writes of its callers. It is safe for concurrent use.
type Committer[T any] struct {
	commit func(context.Context, []T) error
	weight func(T) int
	most   int
	linger time.Duration

	queue  chan write[T]
	cancel context.CancelFunc
	ended  chan struct{} // closed when nothing runs and no outcome comes any more
}

type write[T any] struct {
	items   []T
	outcome chan error
}

// Options describe a Committer.
type Options[T any] struct {
	// Commit writes items durably. Its context ends when the Committer is closed.
	Commit func(context.Context, []T) error
	// Weight is an item's share of Most.
	Weight func(T) int
	// Most is the weight at which a commit takes no further callers; a single caller may exceed it.
	Most int
	// Linger is how long a commit waits for more after its first items. 0 waits not at all,
	// which is right where each item is urgent; larger commits are what it buys.
	Linger time.Duration
	// Queue is how many callers may wait before Do itself blocks; 64 if 0.
	Queue int
}

// New starts a Committer. Close ends it.
func New[T any](o Options[T]) *Committer[T] {
	if o.Queue == 0 {
		o.Queue = 64
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Committer[T]{
		commit: o.Commit, weight: o.Weight, most: o.Most, linger: o.Linger,
		queue: make(chan write[T], o.Queue), cancel: cancel, ended: make(chan struct{}),
	}
	go c.run(ctx)
	return c
}

// Do writes items and returns when they are durable or have failed. If ctx ends first Do
// returns its error, and the items may or may not be written: they must not be changed.
func (c *Committer[T]) Do(ctx context.Context, items []T) error {
	w := write[T]{items: items, outcome: make(chan error, 1)}
	select {
	case c.queue <- w:
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ended:
		return ErrClosed
	}
	select {
	case err := <-w.outcome:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ended:
	}
	select {
	case err := <-w.outcome: // that of the last commit
		return err
	default:
		return ErrClosed
	}
}

// Close stops the commit under way, fails what waits, and returns when nothing runs.
func (c *Committer[T]) Close() {
	c.cancel()
	<-c.ended
}

func (c *Committer[T]) run(ctx context.Context) {
	defer close(c.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-c.queue:
			writes, items := c.gather(ctx, first)
			err := c.commit(ctx, items)
			for _, w := range writes {
				w.outcome <- err
			}
		}
	}
}

// gather takes what waits behind the first write, and what comes within the linger, up to
// the weight.
func (c *Committer[T]) gather(ctx context.Context, first write[T]) ([]write[T], []T) {
	writes := []write[T]{first}
	weight := c.weightOf(first)
	patience := c.patience()
	for weight < c.most {
		var w write[T]
		select {
		case w = <-c.queue:
		default:
			select {
			case w = <-c.queue:
			case <-patience:
				return writes, itemsOf(writes)
			case <-ctx.Done():
				return writes, itemsOf(writes)
			}
		}
		writes = append(writes, w)
		weight += c.weightOf(w)
	}
	return writes, itemsOf(writes)
}

// patience ends after the linger; at once without one.
func (c *Committer[T]) patience() <-chan time.Time {
	if c.linger > 0 {
		return time.After(c.linger)
	}
	over := make(chan time.Time)
	close(over)
	return over
}

func (c *Committer[T]) weightOf(w write[T]) int {
	weight := 0
	for _, item := range w.items {
		weight += c.weight(item)
	}
	return weight
}

func itemsOf[T any](writes []write[T]) []T {
	if len(writes) == 1 {
		return writes[0].items
	}
	var items []T
	for _, w := range writes {
		items = append(items, w.items...)
	}
	return items
}
