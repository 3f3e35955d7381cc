package tap

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"
)

// waiterFile is locked by the one Ship that waits for its turn.
const waiterFile = "waiter.lock"

// Leave puts records, whole lines of at most 16 MiB together, into the spool as what a tap of that
// instance left behind: the next tap or Ship ships them. Several processes may do so at once. One
// that is killed meanwhile leaves nothing or records that are whole.
func Leave(dir, instance string, records []byte) error {
	if !isInstance(instance) {
		return fmt.Errorf("leaving events in the spool: %q is not 1 to 64 letters and digits", instance)
	}
	if len(records) > batchBytes {
		return fmt.Errorf("leaving events in the spool: %d bytes, at most %d are taken", len(records), batchBytes)
	}
	s := &spool{dir: filepath.Join(dir, instance), instance: instance}
	defer s.forget()
	return s.append(records, math.MaxInt64)
}

// Awaited reports whether a Ship waits for its turn that will ship what is in the spool now.
func Awaited(dir string) bool {
	waiter, err := lockWaiter(dir)
	if err != nil {
		return true // the lock is held, or there is no spool
	}
	_ = waiter.Close()
	return false
}

// Ship ships what taps that have ended, and Leave, have left in the spool, and ends when there is
// nothing more, or at the first attempt that fails. It waits for whoever does the same, but
// not behind another one that waits: that one will ship all that is there now. After a
// failure it tries once more, patience later, and is the one that waits until then; 0 is not at
// all. Of the options, those that Run ships by are used.
func Ship(ctx context.Context, o Options, patience time.Duration) error {
	if o.Counters == nil {
		o.Counters = new(Counters)
	}
	if o.Client == nil {
		o.Client = newClient(o.TLS)
	}
	defer o.Client.CloseIdleConnections()
	for {
		waiter, err := lockWaiter(o.SpoolDir)
		if err != nil { // another waits, or there is no spool
			return nil
		}
		whole, err := shipWaiting(ctx, &o, waiter)
		if err != nil || whole || patience == 0 {
			return err
		}
		if waiter, err = lockWaiter(o.SpoolDir); err != nil { // another waits
			return nil
		}
		err = pause(ctx, patience, nil, nil)
		_ = waiter.Close()
		if err != nil {
			return err
		}
		patience = 0
	}
}

// shipWaiting waits for its turn, gives up the waiter's place, and ships; whole says that nothing
// is left.
func shipWaiting(ctx context.Context, o *Options, waiter *os.File) (whole bool, err error) {
	defer waiter.Close()
	instance, err := o.instance()
	if err != nil {
		return false, err
	}
	lock, err := os.OpenFile(filepath.Join(o.SpoolDir, adopterFile), os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		return false, fmt.Errorf("shipping the spool: %w", err)
	}
	defer lock.Close()
	if err := flock(lock, true); err != nil {
		return false, fmt.Errorf("shipping the spool: %w", err)
	}
	_ = waiter.Close() // from here on others wait behind us: what they leave may not be seen
	st := newStore(o, instance, o.Counters, func() {})
	a := adopter{store: st, shipper: newShipper(o, st, o.Counters), counters: o.Counters, log: o.Logger}
	enough := make(chan struct{})
	close(enough)
	whole = a.ship(ctx, enough)
	return whole, leaveGaps(o, st, instance)
}

// leaveGaps declares what was lost, to be shipped the next time.
func leaveGaps(o *Options, st *store, instance string) error {
	gaps := st.takeGaps()
	if len(gaps) == 0 {
		return nil
	}
	observer := newObserver(o, instance, st, st.counters, func() {})
	observer.base.Session, observer.base.Transport = "", ""
	for _, g := range gaps {
		observer.gaps.add(g)
	}
	observer.flush()
	return st.closeOwn()
}

// lockWaiter takes the place of the one that waits.
func lockWaiter(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, waiterFile), os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		return nil, fmt.Errorf("opening the waiter's lock: %w", err)
	}
	if err := flock(f, false); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("taking the waiter's lock: %w", err)
	}
	return f, nil
}
