//go:build unix

package main

import "syscall"

// detached makes a process outlive the group and terminal of the one that starts it.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
