//go:build darwin

package clickhouse

import "os"

// enterSandbox reads the child's place; this system has no sandbox a process can enter by itself.
func enterSandbox() (place, bool, error) {
	var p place
	err := readLine(os.Stdin, &p)
	return p, false, err
}
