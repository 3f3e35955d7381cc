package tap

import "syscall"

// attributes make the kernel kill the server when the thread that started it ends, as it
// does when the tap is killed. Agents kill servers that don't end by themselves; killing
// the tap must reach them.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
