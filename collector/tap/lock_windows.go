package tap

import (
	"os"

	"golang.org/x/sys/windows"
)

// flock locks a file for this process, until it is closed or the process ends. Without
// wait it fails at once if somebody else holds it.
func flock(f *os.File, wait bool) error {
	how := uint32(windows.LOCKFILE_EXCLUSIVE_LOCK)
	if !wait {
		how |= windows.LOCKFILE_FAIL_IMMEDIATELY
	}
	return windows.LockFileEx(windows.Handle(f.Fd()), how, 0, 1, 0, new(windows.Overlapped))
}
