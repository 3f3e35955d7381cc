package main

import (
	"errors"
	"syscall"
)

// isAddressInUse reports whether a port is taken.
func isAddressInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
