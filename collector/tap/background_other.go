//go:build !linux

package tap

// background does nothing: here priorities are not given to threads.
func background() {}
