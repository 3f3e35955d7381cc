//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// tryLock locks a file until it is closed or the process ends, or fails at once. Several may share it.
func tryLock(f *os.File, shared bool) error {
	how := unix.LOCK_EX
	if shared {
		how = unix.LOCK_SH
	}
	return unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
}
