//go:build unix

package tap

import (
	"os"

	"golang.org/x/sys/unix"
)

// flock locks a file for this process, until it is closed or the process ends. Without
// wait it fails at once if somebody else holds it.
func flock(f *os.File, wait bool) error {
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	for {
		err := unix.Flock(int(f.Fd()), how)
		if err != unix.EINTR {
			return err
		}
	}
}
