package main

import (
	"encoding/json"
	"errors"
	"testing"
)

// BenchmarkYardstick checks the flat lines with the standard library: how fast this machine is
// now. The figures of the peer come from one where it took 2.0 µs.
func BenchmarkYardstick(b *testing.B) {
	c, n := theCorpus(b), 0
	measure(b, func() error {
		n++
		if !json.Valid(c.lines[n%checkedCount]) {
			return errors.New("a generated line is no JSON")
		}
		return nil
	})
}

// BenchmarkDecoded is the part of it all that reading takes.
func BenchmarkDecoded(b *testing.B) {
	c := theCorpus(b)
	w := newWorker(theSet(b, "10").set)
	measure(b, func() error {
		_, _, err := w.decoder.Decode(c.events[w.place()])
		w.done++
		return err
	})
}
