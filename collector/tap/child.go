package tap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"time"
)

// killAfter is how long a server may take to end after its context is done.
const killAfter = 5 * time.Second

// child is the running server with our ends of its pipes.
type child struct {
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *os.File
}

// start runs the command. An error comes with the exit code that a shell would give it.
// The calling goroutine must keep its thread until the server has ended (see attributes).
func start(ctx context.Context, o *Options) (*child, int, error) {
	cmd := exec.CommandContext(ctx, o.Command[0], o.Command[1:]...)
	if errors.Is(cmd.Err, exec.ErrDot) {
		cmd.Err = nil // found in the current directory: it would run without the tap
	}
	cmd.Env, cmd.Dir = o.Env, o.Dir
	cmd.SysProcAttr = attributes()
	cmd.Cancel = func() error { return terminate(cmd.Process) }
	cmd.WaitDelay = killAfter
	if o.Stderr != nil {
		cmd.Stderr = o.Stderr
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, 1, fmt.Errorf("making the server's input: %w", err)
	}
	defer theirIn.Close()
	out, theirOut, err := os.Pipe()
	if err != nil {
		_ = in.Close()
		return nil, 1, fmt.Errorf("making the server's output: %w", err)
	}
	defer theirOut.Close()
	cmd.Stdin, cmd.Stdout = theirIn, theirOut
	if err := cmd.Start(); err != nil {
		_ = in.Close()
		_ = out.Close()
		return nil, startCode(err), fmt.Errorf("starting the server: %w", err)
	}
	return &child{cmd: cmd, stdin: in, stdout: out}, 0, nil
}

// wait returns when the server has ended, whatever became of its own children.
func (c *child) wait() (int, error) {
	err := c.cmd.Wait()
	if c.cmd.ProcessState == nil {
		return 1, fmt.Errorf("waiting for the server: %w", err)
	}
	return exitCode(c.cmd.ProcessState), nil
}

// signals passes signals on until stop is called. Those that were ignored when the tap
// began stay ignored, for the server too.
type signals struct {
	ch   chan os.Signal
	done chan struct{}
}

func catchSignals() *signals {
	s := &signals{ch: make(chan os.Signal, 16), done: make(chan struct{})}
	for _, sig := range append(passed(), swallowed()...) {
		if !signal.Ignored(sig) {
			signal.Notify(s.ch, sig)
		}
	}
	return s
}

// passTo passes signals to the server. After its end one has nobody to go to, and calls
// hurry instead.
func (s *signals) passTo(p *os.Process, ended <-chan struct{}, hurry func()) {
	defer close(s.done)
	for sig := range s.ch {
		switch {
		case isOneOf(sig, swallowed()):
		case closed(ended):
			hurry()
		default:
			_ = p.Signal(sig) // it may have ended just now
		}
	}
}

// stop gives the signals back to their defaults, and waits for passTo to end.
func (s *signals) stop() {
	signal.Stop(s.ch)
	close(s.ch)
	<-s.done
}

// discard ends it before there was a server to pass signals to.
func (s *signals) discard() { signal.Stop(s.ch) }

func isOneOf(sig os.Signal, list []os.Signal) bool {
	return slices.Contains(list, sig)
}

func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}
