package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// What is aimed at.
const (
	aimReady  = 10 * time.Second
	aimStop   = 5 * time.Second
	aimMemory = 900e6 // bytes
	aimAlert  = time.Second
	aimRate   = 10_000 // events a second
	aimTap    = 200 * time.Microsecond
)

// report prints figures as they come and remembers what was missed.
type report struct {
	out     io.Writer
	figures []string // for the last line
	missed  []string
}

func newReport(out io.Writer) *report { return &report{out: out} }

// machine says where the figures come from, and how busy it is.
func (r *report) machine() {
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		load = []byte("unknown")
	}
	r.note("%d CPUs, %s/%s, load before %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, strings.TrimSpace(string(load)))
}

// note prints a line that has no bound.
func (r *report) note(format string, args ...any) {
	_, _ = fmt.Fprintf(r.out, "  %s\n", fmt.Sprintf(format, args...))
}

// bound prints a figure that has one, and puts it into the last line.
func (r *report) bound(name, value, aim string, met bool) {
	verdict := "met"
	if !met {
		verdict = "MISSED"
		r.missed = append(r.missed, name)
	}
	r.figures = append(r.figures, name+" "+value)
	_, _ = fmt.Fprintf(r.out, "%-34s %14s   aim %s: %s\n", name, value, aim, verdict)
}

// fail prints what went wrong, which is as bad as a missed bound.
func (r *report) fail(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	r.missed = append(r.missed, message)
	_, _ = fmt.Fprintf(r.out, "FAILED: %s\n", message)
}

// exact holds a count to what it must be.
func (r *report) exact(what string, got, want int) {
	if got != want {
		r.fail("%s: %s, must be %s", what, grouped(got), grouped(want))
		return
	}
	r.note("%s: %s, exact", what, grouped(got))
}

// sum prints the last line and reports whether all is well.
func (r *report) sum() bool {
	verdict := "all bounds met"
	if len(r.missed) > 0 {
		verdict = "MISSED " + strings.ReplaceAll(strings.Join(r.missed, "; "), "\n", " ")
	}
	_, _ = fmt.Fprintf(r.out, "bench-path: %s: %s\n", strings.Join(r.figures, ", "), verdict)
	return len(r.missed) == 0
}

// quantile returns a value of a sorted list: 0.5 is the median, 1 the largest.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(q*float64(len(sorted)-1))]
}

func median(list []time.Duration) time.Duration {
	return quantile(slices.Sorted(slices.Values(list)), 0.5)
}

func seconds(d time.Duration) string      { return fmt.Sprintf("%.2f s", d.Seconds()) }
func milliseconds(d time.Duration) string { return fmt.Sprintf("%.3g ms", float64(d)/1e6) }
func megabytes(n int) string              { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

// grouped writes 1234567 as 1,234,567.
func grouped(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
