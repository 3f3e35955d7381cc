package clickhouse

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// placeVariable carries the place over the exec and says that the sandbox is up. It is no secret.
const placeVariable = "MCPWATCH_ENGINE_PLACE"

// enterSandbox reads where the engine lives and confines the process to it by Landlock: its data directory, its
// libraries, no other file, no TCP connection. The engine's scalar function file() reads whatever the process can,
// and no grant or setting of ClickHouse stops it.
//
// A domain binds the thread that asks for it and what that thread starts. The Go runtime has several threads by now,
// so one of them enters and becomes this program again; the engine's threads are then all born inside. A kernel
// without Landlock (before 5.19, or switched off) runs the engine without it, and the parent learns that.
func enterSandbox() (p place, sandboxed bool, err error) {
	if v, ok := os.LookupEnv(placeVariable); ok {
		if err := json.Unmarshal([]byte(v), &p); err != nil {
			return p, false, errors.New(placeVariable + " is not valid")
		}
		return p, true, nil
	}
	if err := readLine(os.Stdin, &p); err != nil {
		return p, false, err
	}
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 || abi < 2 { // the first version forbids every rename between directories
		return p, false, nil //nolint:nilerr // no Landlock is an answer and no failure
	}
	exe, err := os.Executable()
	if err != nil {
		return p, false, fmt.Errorf("confining the ClickHouse engine: %w", err)
	}
	v, err := json.Marshal(p)
	if err != nil {
		return p, false, fmt.Errorf("confining the ClickHouse engine: %w", err)
	}

	runtime.LockOSThread() // never unlocked: the exec below ends the thread, or the error the process
	if err := restrict(int(abi), p, exe); err != nil {
		return p, false, fmt.Errorf("confining the ClickHouse engine: %w", err)
	}
	//nolint:gosec // G702: it is this very program with its own arguments
	err = syscall.Exec(exe, os.Args, append(os.Environ(), placeVariable+"="+string(v)))
	return p, false, fmt.Errorf("confining the ClickHouse engine: %w", err)
}

const (
	mayRead = unix.LANDLOCK_ACCESS_FS_READ_FILE
	mayList = unix.LANDLOCK_ACCESS_FS_READ_DIR
	mayRun  = unix.LANDLOCK_ACCESS_FS_EXECUTE
)

// restrict puts the calling thread into a Landlock domain.
func restrict(abi int, p place, exe string) error {
	attr := unix.LandlockRulesetAttr{
		// The first thirteen rights, from EXECUTE to MAKE_SYM, are those of the first version.
		Handled_access_fs: unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1 | unix.LANDLOCK_ACCESS_FS_REFER,
	}
	if abi >= 3 {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= 4 {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if abi >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	r, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return fmt.Errorf("creating the Landlock rules: %w", errno)
	}
	ruleset := int(r)
	defer func() { _ = unix.Close(ruleset) }()

	if err := allow(ruleset, p.Data, attr.Handled_access_fs&^mayRun); err != nil {
		return err
	}
	for _, path := range []string{p.Library, exe} {
		if err := allow(ruleset, path, mayRead|mayRun); err != nil {
			return err
		}
	}
	for _, dir := range libraryDirs() {
		if err := allow(ruleset, dir, mayRead|mayList|mayRun); err != nil {
			return err
		}
	}
	// What the loader, the runtime and the engine ask about the machine. Some don't exist everywhere.
	for _, path := range []string{
		"/etc/ld.so.cache", "/dev/null", "/dev/urandom", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat",
		"/proc/self/status", "/proc/self/statm", "/proc/self/stat", "/proc/self/maps", "/proc/self/cgroup",
		"/proc/self/mountinfo",
	} {
		rights := uint64(mayRead)
		if path == "/dev/null" {
			rights |= unix.LANDLOCK_ACCESS_FS_WRITE_FILE
		}
		if err := allow(ruleset, path, rights); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for _, dir := range []string{"/sys/devices/system/cpu", "/sys/fs/cgroup", "/sys/kernel/mm"} {
		if err := allow(ruleset, dir, mayRead|mayList); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}

	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up new privileges: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(ruleset), 0, 0); errno != 0 {
		return fmt.Errorf("entering the Landlock domain: %w", errno)
	}
	return nil
}

func allow(ruleset int, path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("allowing %s: %w", path, err)
	}
	defer func() { _ = unix.Close(fd) }()
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("allowing %s: %w", path, errno)
	}
	return nil
}

// libraryDirs returns where this process's own shared libraries come from. The engine needs the same ones and their
// neighbours, and they live elsewhere on each distribution.
func libraryDirs() []string {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil
	}
	var dirs []string
	seen := map[string]bool{}
	for line := range strings.Lines(string(maps)) {
		i := strings.Index(line, "/")
		if i < 0 || !strings.Contains(line[i:], ".so") {
			continue
		}
		dir := filepath.Dir(strings.TrimSpace(line[i:]))
		if !seen[dir] {
			seen[dir] = true
			dirs = append(dirs, dir)
		}
	}
	return dirs
}
