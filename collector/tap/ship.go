package tap

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
)

// adopterFile is locked by the one that ships what others left.
const adopterFile = "adopter.lock"

// pace is the least time between two posts of a shipper that don't fill a batch, so that
// a busy connection is shipped in batches. After a quiet time the first event goes at once.
const pace = 20 * time.Millisecond

// errHurry ends a drain that was told to hurry, at the first attempt that fails.
var errHurry = errors.New("shipping ends: the collector does not take events and the time is up")

// shipper moves batches from a spool to the collector. It belongs to one goroutine; our
// own spool and the adopted ones have a shipper each.
type shipper struct {
	store    *store
	poster   poster
	counters *Counters
	log      zerolog.Logger

	retryMin, retryMax, retrySlow time.Duration

	// stop, where it is set, ends a drain after the batch that is under way.
	stop <-chan struct{}

	buf    []byte
	most   int // bytes of a batch, less after a 413
	failed int // attempts in a row
	state  outcome
}

func newShipper(o *Options, store *store, counters *Counters) *shipper {
	return &shipper{
		store: store, counters: counters, log: o.Logger,
		poster:   poster{client: o.Client, target: o.Target},
		retryMin: o.RetryMin, retryMax: o.RetryMax, retrySlow: o.RetrySlow,
		most: batchBytes,
	}
}

// run ships our own spool as it grows. It ends when ending is closed and all is shipped
// or an attempt fails, and when ctx is done.
func (s *shipper) run(ctx context.Context, wake, ending <-chan struct{}) {
	for {
		last := closed(ending)
		if s.drain(ctx, s.store.own, ending) != nil || last {
			return
		}
		select {
		case <-wake:
		case <-ending:
		case <-ctx.Done():
			return
		}
	}
}

// buffer is made on first use: the adopter's shipper usually has nothing to do.
func (s *shipper) buffer() []byte {
	if s.buf == nil {
		s.buf = make([]byte, batchBytes+1)
	}
	return s.buf
}

// drain ships a spool until it is empty (nil) or shipping has to end. A closed hurry cuts
// every wait short and makes the next failure the last.
func (s *shipper) drain(ctx context.Context, sp *spool, hurry <-chan struct{}) error {
	for {
		b, err := s.store.next(sp, s.buffer(), s.most)
		if err == nil && b.events == 0 {
			return nil
		}
		if closed(s.stop) {
			return errHurry
		}
		wait := time.Duration(0)
		if err != nil {
			wait = s.failure(outcome{verdict: later, err: err})
		} else {
			wait = s.ship(ctx, b)
		}
		if s.failed > 0 && closed(hurry) {
			return errHurry
		}
		if err := pause(ctx, wait, hurry, s.stop); err != nil {
			return err
		}
	}
}

// ship makes one attempt and says how long to wait before the next.
func (s *shipper) ship(ctx context.Context, b batch) time.Duration {
	o := s.poster.post(ctx, b.data)
	switch {
	case ctx.Err() != nil && o.verdict != taken:
		return 0
	case o.verdict == taken:
		s.store.commit(b)
		s.success(b, o)
		if b.full {
			return 0
		}
		return pace
	case o.verdict == tooLarge && b.events > 1:
		s.most = len(b.half().data)
		return 0
	case o.verdict == tooLarge:
		s.store.giveUp(b)
		return 0
	}
	return s.failure(o)
}

func (s *shipper) success(b batch, o outcome) {
	if s.failed > 0 {
		s.log.Info().Int("attempts", s.failed).Msg("the collector takes events again")
	}
	s.failed, s.state = 0, outcome{}
	s.most = min(2*s.most, batchBytes)
	s.counters.batches.Add(1)
	s.counters.shipped.Add(uint64(b.events))
	if n := o.refused; n > 0 {
		s.counters.refused.Add(uint64(n))
		var first refusal
		if len(o.first) > 0 {
			first = o.first[0]
		}
		s.log.Warn().Int("refused", n).Int("of", b.events).Str("field", clip(first.Field)).Str("reason", clip(first.Reason)).
			Msg("the collector refused events; the first is shown")
	}
}

// failure counts a failed attempt, logs it if it is of a new kind, and says how long to
// wait: exponentially longer with jitter, or the slow way where a retry won't help.
func (s *shipper) failure(o outcome) time.Duration {
	s.counters.failures.Add(1)
	s.failed++
	if s.failed == 1 || s.state.verdict != o.verdict || s.state.status != o.status {
		s.log.Warn().Int("status", o.status).Str("error", clip(o.err.Error())).
			Msg("events stay in the spool: the collector does not take them")
	}
	s.state = o
	if o.verdict == unfit {
		return jitter(s.retrySlow)
	}
	wait := s.retryMax
	if shift := s.failed - 1; shift < 30 && s.retryMin<<shift < s.retryMax {
		wait = s.retryMin << shift
	}
	return max(jitter(wait), o.after)
}

// jitter spreads a wait over its upper half, so that taps don't come back all at once.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) } //nolint:gosec // it spreads load and guards nothing

// pause waits, less long if hurry or stop is closed. It fails if ctx is done.
func pause(ctx context.Context, d time.Duration, hurry, stop <-chan struct{}) error {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-hurry:
		case <-stop:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// adopter ships what dead taps left. One tap at a time holds the adopter's lock; the
// others ask for it again now and then, so that no spool waits for a tap to be started.
type adopter struct {
	store    *store
	shipper  *shipper
	counters *Counters
	every    time.Duration
	log      zerolog.Logger
}

// run adopts until its shipper's stop is closed.
func (a *adopter) run(ctx context.Context) {
	for !closed(a.shipper.stop) {
		a.round(ctx)
		if pause(ctx, a.every, nil, a.shipper.stop) != nil {
			return
		}
	}
}

// round ships the spools there are, if no other tap does. While the collector is away it
// ends after a while, so that the next round finds what has died since and bounds it too.
func (a *adopter) round(ctx context.Context) {
	lock, err := os.OpenFile(filepath.Join(a.store.dir, adopterFile), os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		return // there is no SpoolDir yet, so there are no spools
	}
	defer lock.Close()
	if flock(lock, false) != nil {
		return
	}
	enough := make(chan struct{})
	timer := time.AfterFunc(a.every, func() { close(enough) })
	defer timer.Stop()
	a.ship(ctx, enough)
}

// ship ships the spools there are and removes them; it reports false if some are left. When enough is
// closed, the next failure is the last. The caller holds the adopter's lock.
func (a *adopter) ship(ctx context.Context, enough <-chan struct{}) bool {
	spools, err := a.store.adopt()
	if err != nil {
		a.log.Warn().Err(err).Msg("adopting spools")
		return false
	}
	for _, sp := range spools {
		if a.shipper.drain(ctx, sp, enough) != nil {
			return false
		}
		if err := a.store.bury(sp); err != nil {
			a.log.Warn().Err(err).Msg("removing an adopted spool")
			continue
		}
		a.counters.adopted.Add(1)
		a.log.Info().Str("instance", sp.instance).Msg("shipped the spool of a dead tap")
	}
	return true
}
