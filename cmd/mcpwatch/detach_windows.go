package main

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// detached makes a process outlive the group and console of the one that starts it.
func detached() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP, HideWindow: true}
}
