package tap

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// processors is how many goroutines at least the runtime may run at once. The observer,
// two shippers and the garbage collector can keep as many busy; on a machine of two cores
// a pump would then wait for one of them to be preempted, for milliseconds, where the
// kernel would let it run at once, ahead of them (see background).
const processors = 8

// usage is the exit code of a call that cannot work.
const usage = 64

// Run starts the server, stands between it and the agent until the server ends, ships
// what it can within Options.Linger and returns the server's exit code: 128+N if signal N
// ended it, 127 if the command does not exist, 126 if it cannot be started, 64 if the
// options are wrong. An error means that the server did not run, or that its end is unknown.
//
// Run passes signals on by itself; ctx must not be cancelled by them. When ctx is done the
// server is asked to end (SIGTERM) and killed five seconds later.
//
// The tap is meant to be the only work of its process: Run raises GOMAXPROCS to eight.
// While Stdin is a blocking file, which cannot be woken, a goroutine that reads it outlives
// Run; the caller is expected to exit.
func Run(ctx context.Context, o Options) (int, error) {
	if err := o.validate(o.problemsOfCommand()...); err != nil {
		return usage, err
	}
	instance, err := o.instance()
	if err != nil {
		return usage, err
	}
	runtime.GOMAXPROCS(max(processors, runtime.GOMAXPROCS(0)))
	// The server lives as long as the thread that started it, see attributes.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	signals := catchSignals()
	c, code, err := start(ctx, &o)
	if err != nil {
		signals.discard()
		return code, err
	}
	w := newWatch(&o, instance)
	pipes := newPipes(w.observer, o.Command)
	w.start(ctx)
	conn := connect(c, &o, w, pipes)
	ended := make(chan struct{})
	go signals.passTo(c.cmd.Process, ended, func() {
		conn.abandon()
		w.hurry()
	})

	code, err = c.wait()
	close(ended)
	o.Logger.Debug().Str("instance", instance).Int("code", code).Msg("the server has ended")
	conn.finish()
	for _, p := range pipes {
		w.queue.tell(&p.stream, noteEnd, o.Now())
	}
	w.finish(o.Linger)
	signals.stop()
	return code, err
}

// connection is the two pumps between agent and server.
type connection struct {
	child     *child
	options   *Options
	in, out   chan struct{} // closed when the pump to the server, to the agent, has ended
	abandoned chan struct{}
	once      sync.Once
}

func connect(c *child, o *Options, w *watch, pipes [directions]*pipe) *connection {
	conn := &connection{
		child: c, options: o,
		in: make(chan struct{}), out: make(chan struct{}), abandoned: make(chan struct{}),
	}
	go func() {
		defer close(conn.in)
		p := pump{way: toServer, stream: &pipes[toServer].stream, src: o.Stdin, dst: c.stdin, queue: w.queue, counters: w.counters, now: o.Now}
		if p.run() != nil {
			_ = o.Stdin.Close() // the agent's next write fails as it would without us
		}
		_ = c.stdin.Close()
	}()
	go func() {
		defer close(conn.out)
		p := pump{way: toClient, stream: &pipes[toClient].stream, src: c.stdout, dst: o.Stdout, queue: w.queue, counters: w.counters, now: o.Now}
		_ = p.run() // an agent that no longer reads: the server's next write fails
		_ = c.stdout.Close()
		_ = o.Stdout.Close()
	}()
	return conn
}

// abandon gives up what the agent has not read.
func (c *connection) abandon() { c.once.Do(func() { close(c.abandoned) }) }

// finish ends the pumps after the server's end. What the server wrote is passed on for as
// long as the agent takes to read it; what the agent still writes has no reader.
func (c *connection) finish() {
	_ = c.child.stdin.Close()
	past := time.Unix(1, 0)
	wakeable := c.options.Stdin.SetReadDeadline(past) == nil
	if c.child.stdout.SetReadDeadline(past) != nil {
		// No deadlines on this system: the pipe's end comes by itself, unless a grandchild
		// holds it open.
		timer := time.AfterFunc(time.Second, c.abandon)
		defer timer.Stop()
	}
	select {
	case <-c.out:
	case <-c.abandoned:
	}
	if wakeable {
		<-c.in
	}
}

// watch is all that observes and ships: the queue and the goroutines behind it.
type watch struct {
	queue    *queue
	counters *Counters
	store    *store
	observer *observer
	options  *Options

	grown    chan struct{} // holds a value when the spool has grown
	observed chan struct{} // closed when the observer has ended
	ending   chan struct{} // closed when no more events will come
	shipping sync.WaitGroup
	cancel   context.CancelFunc // ends the shipping
}

func newWatch(o *Options, instance string) *watch {
	if o.Counters == nil {
		o.Counters = new(Counters)
	}
	if o.Client == nil {
		o.Client = newClient(o.TLS)
	}
	w := &watch{
		queue: newQueue(o.QueueBytes), counters: o.Counters, options: o, grown: make(chan struct{}, 1),
		observed: make(chan struct{}), ending: make(chan struct{}),
	}
	w.store = newStore(o, instance, w.counters, w.queue.signal)
	w.observer = newObserver(o, instance, w.store, w.counters, func() {
		select {
		case w.grown <- struct{}{}:
		default:
		}
	})
	return w
}

// start begins to observe and to ship. Shipping outlives ctx: what the server says while it ends is
// shipped too.
func (w *watch) start(ctx context.Context) {
	o := w.options
	ctx, w.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(w.observed)
		background()
		w.observer.run(w.queue)
	}()
	if o.DryRun != nil {
		return
	}
	w.shipping.Go(func() {
		background()
		newShipper(o, w.store, w.counters).run(ctx, w.grown, w.ending)
	})
	w.shipping.Go(func() {
		background()
		a := adopter{
			store: w.store, shipper: newShipper(o, w.store, w.counters), counters: w.counters,
			every: o.AdoptEvery, log: o.Logger,
		}
		a.shipper.stop = w.ending
		a.run(ctx)
	})
}

// hurry ends the shipping at once.
func (w *watch) hurry() { w.cancel() }

// finish lets the observer empty the queue and the shipper most of the spool, then leaves
// the rest to the next tap.
func (w *watch) finish(linger time.Duration) {
	w.queue.close()
	<-w.observed
	close(w.ending)
	timer := time.AfterFunc(linger, w.cancel)
	w.shipping.Wait()
	timer.Stop()
	w.cancel()
	w.observer.flush() // gaps that shipping has found since; its goroutine has ended
	if err := w.store.closeOwn(); err != nil {
		w.options.Logger.Warn().Err(err).Msg("ending the spool")
	}
	w.options.Client.CloseIdleConnections()
}
