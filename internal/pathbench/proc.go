package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU time in /proc, fixed on Linux.
const tick = 10 * time.Millisecond

// usage is what processes have used.
type usage struct {
	cpu      time.Duration
	resident int // bytes
	share    int // bytes, a shared page counted in part; 0 where it cannot be read
}

// processes are those of an `up`: itself, and its children, which are ClickHouse.
type processes struct {
	up, clickhouse usage
}

func (p processes) resident() int { return p.up.resident + p.clickhouse.resident }

// processesOf reads a process and all below it.
func processesOf(pid int) (processes, error) {
	var all processes
	parents, err := parentsOf()
	if err != nil {
		return all, err
	}
	if all.up, err = usageOf(pid); err != nil {
		return all, err
	}
	for child := range parents {
		if child == pid || !below(parents, child, pid) {
			continue
		}
		u, err := usageOf(child)
		if err != nil {
			return all, err
		}
		all.clickhouse.cpu += u.cpu
		all.clickhouse.resident += u.resident
		all.clickhouse.share += u.share
	}
	return all, nil
}

func below(parents map[int]int, pid, ancestor int) bool {
	for pid > 1 {
		if pid == ancestor {
			return true
		}
		pid = parents[pid]
	}
	return false
}

// parentsOf lists the parent of each process there is.
func parentsOf() (map[int]int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	parents := make(map[int]int, len(files))
	for _, file := range files {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			continue
		}
		if fields, err := stat(pid); err == nil { // it may have ended just now
			parents[pid], _ = strconv.Atoi(fields[1])
		}
	}
	return parents, nil
}

// stat returns the fields of /proc/PID/stat from the third on: state, parent and so on.
func stat(pid int) ([]string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	text := string(data)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:]) // the name may hold anything
	if len(fields) < 22 {
		return nil, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	return fields, nil
}

func usageOf(pid int) (usage, error) {
	fields, err := stat(pid)
	if err != nil {
		return usage{}, fmt.Errorf("reading what process %d uses: %w", pid, err)
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	pages, _ := strconv.Atoi(fields[21])
	return usage{cpu: time.Duration(user+system) * tick, resident: pages * os.Getpagesize(), share: shareOf(pid)}, nil
}

// shareOf is the proportional set size, 0 where it may not be read.
func shareOf(pid int) int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, found := strings.CutPrefix(line, "Pss:"); found {
			kilobytes, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kilobytes << 10
		}
	}
	return 0
}
