//go:build unix

package tap

import "golang.org/x/sys/unix"

// limitFiles makes writes beyond a file size fail, as a full disk does.
func limitFiles(bytes uint64) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = bytes
	return unix.Setrlimit(unix.RLIMIT_FSIZE, &limit)
}
