//go:build unix

package tap

import (
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// passed are the signals that the server gets when the tap gets them.
func passed() []os.Signal {
	return []os.Signal{
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGALRM, syscall.SIGWINCH, syscall.SIGCONT,
	}
}

// swallowed are the signals that would end a Go program and that we see as errors
// instead: a closed pipe, a file over its limit. They are caught and not ignored, since
// the server would inherit what is ignored.
func swallowed() []os.Signal { return []os.Signal{syscall.SIGPIPE, syscall.SIGXFSZ} }

// terminate asks the server to end.
func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

// exitCode is the code that a shell would report.
func exitCode(state *os.ProcessState) int {
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return state.ExitCode()
}

// startCode is the exit code of a shell for a command that cannot be started.
func startCode(err error) int {
	if isAny(err, exec.ErrNotFound, os.ErrNotExist, syscall.ENOTDIR) {
		return 127
	}
	return 126
}

// readNow reads what is there without waiting; nothing gives 0, the end io.EOF.
func readNow(f *os.File, buf []byte) (n int, err error) {
	if err := f.SetReadDeadline(time.Time{}); err != nil {
		return 0, err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var readErr error
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, readErr = syscall.Read(int(fd), buf)
			if readErr != syscall.EINTR {
				return true
			}
		}
	})
	switch {
	case err != nil:
		return 0, err
	case readErr != nil:
		return 0, nil //nolint:nilerr // EAGAIN: the pipe is empty
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
