package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// stages runs the parts of one process. They are added sinks first and stopped sources
// first.
type stages struct {
	stages []*stage
	failed chan error
	once   sync.Once
	err    error
}

type stage struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

func newStages() *stages { return &stages{failed: make(chan error, 16)} }

// add starts a part. Its context ends only when stop comes to it, not with ctx.
func (s *stages) add(ctx context.Context, name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	st := &stage{name: name, cancel: cancel, done: make(chan struct{})}
	s.stages = append(s.stages, st)
	go func() {
		defer close(st.done)
		if st.err = run(ctx); st.err != nil {
			s.failed <- fmt.Errorf("%s: %w", name, st.err)
		}
	}()
}

// watch reports the end of something that stages does not run.
func (s *stages) watch(ctx context.Context, name string, done <-chan struct{}, why func() error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	st := &stage{name: name, cancel: cancel, done: make(chan struct{})}
	s.stages = append(s.stages, st)
	go func() {
		defer close(st.done)
		select {
		case <-ctx.Done():
		case <-done:
			s.failed <- fmt.Errorf("%s ended: %w", name, why())
		}
	}()
}

// wait returns when ctx ends, or with the error of the first part that fails.
func (s *stages) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.failed:
		return err
	}
}

// stopLast ends the part that was added last.
func (s *stages) stopLast(patience time.Duration) {
	last := s.stages[len(s.stages)-1]
	last.cancel()
	select {
	case <-last.done:
	case <-time.After(patience):
	}
}

// stop ends the parts one after the other, the last added first, within stopTimeout.
func (s *stages) stop() error {
	s.once.Do(func() {
		deadline := time.After(stopTimeout - time.Second - drainTimeout)
		for _, st := range slices.Backward(s.stages) {
			st.cancel()
			select {
			case <-st.done:
			case <-deadline:
				s.err = errors.Join(s.err, fmt.Errorf("%s did not end in time; what it had not finished is done at the next start", st.name))
				return
			}
		}
	})
	return s.err
}
