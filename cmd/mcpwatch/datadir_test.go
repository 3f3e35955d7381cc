package main

import (
	"testing"

	"golang.org/x/sync/errgroup"
)

// TestDataDirIsTakenWhileClientsLook starts as `up` does while taps look for it, as they
// do again and again when it was killed: their looking must not keep it from starting.
func TestDataDirIsTakenWhileClientsLook(t *testing.T) {
	path := t.TempDir()
	stop := make(chan struct{})
	var taps errgroup.Group
	for range 4 {
		taps.Go(func() error {
			for {
				select {
				case <-stop:
					return nil
				default:
					_, _ = findRunning(path) // most often there is none
				}
			}
		})
	}
	for range 200 {
		d, err := openDataDir(path)
		if err != nil {
			t.Error(err)
			break
		}
		d.Close()
	}
	close(stop)
	if err := taps.Wait(); err != nil {
		t.Error(err)
	}
}
