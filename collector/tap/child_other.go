//go:build !linux

package tap

import "syscall"

// attributes are none: here a server whose tap is killed sees only the end of its input.
func attributes() *syscall.SysProcAttr { return nil }
