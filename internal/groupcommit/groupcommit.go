// Package groupcommit merges concurrent small writes into few large ones.
//
// While one commit is under way, further callers queue; the next commit takes all that
// wait, up to a weight. A lone caller is committed at once: nothing waits for a timer. A
// caller's items stay together and in order, commits follow one another, and a caller
// learns of the outcome of the commit that held its items.
package groupcommit

import (
	"context"
	"errors"
)

// ErrClosed is returned by Do after Close.
var ErrClosed = errors.New("closed")

// Committer merges the writes of its callers. It is safe for concurrent use.
type Committer[T any] struct {
	commit func(context.Context, []T) error
	weight func(T) int
	most   int

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
		commit: o.Commit, weight: o.Weight, most: o.Most,
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
			writes, items := c.gather(first)
			err := c.commit(ctx, items)
			for _, w := range writes {
				w.outcome <- err
			}
		}
	}
}

// gather takes what waits behind the first write, up to the weight.
func (c *Committer[T]) gather(first write[T]) ([]write[T], []T) {
	writes := []write[T]{first}
	weight := 0
	for _, item := range first.items {
		weight += c.weight(item)
	}
	count := len(first.items)
	for weight < c.most {
		select {
		case w := <-c.queue:
			writes = append(writes, w)
			count += len(w.items)
			for _, item := range w.items {
				weight += c.weight(item)
			}
			continue
		default:
		}
		break
	}
	if len(writes) == 1 {
		return writes, first.items
	}
	items := make([]T, 0, count)
	for _, w := range writes {
		items = append(items, w.items...)
	}
	return writes, items
}
