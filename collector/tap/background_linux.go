package tap

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// niceness gives a tenth of the processor time of a full thread where others want it all:
// enough to go on observing on a machine that somebody keeps busy.
const niceness = 10

// background gives the calling goroutine a thread of its own for good, and gives that
// thread way to all others: on a busy machine the pumps come first.
func background() {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), niceness)
}
