package detector

import (
	"time"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/state"
)

// NewEngineOf returns an engine with a window of its own.
var NewEngineOf = newEngine

// Checkpoint returns the chunks of what changed, or of everything.
func (g *Engine) Checkpoint(everything bool) [][]byte { return checkpointOf(g.keeper, everything) }

// Restore reads chunks back.
func (g *Engine) Restore(chunks [][]byte, clock time.Time) error {
	return restoreInto(g.keeper, chunks, clock)
}

// Checkpoint returns the chunks of what changed, or of everything.
func (f *Fleet) Checkpoint(everything bool) [][]byte { return checkpointOf(f.keeper, everything) }

// Restore reads chunks back.
func (f *Fleet) Restore(chunks [][]byte, clock time.Time) error {
	return restoreInto(f.keeper, chunks, clock)
}

func checkpointOf(k *keeper, everything bool) [][]byte {
	var w state.Writer
	k.changes(&w, everything)
	return w.Chunks()
}

func restoreInto(k *keeper, chunks [][]byte, clock time.Time) error {
	for _, c := range chunks {
		if err := state.Read(c, k.apply); err != nil {
			return err
		}
	}
	k.restored(clock.UnixMicro())
	return nil
}

// Resumed returns a detector whose clock has come to a time.
func Resumed(set *rule.Set, clock time.Time) *Detector {
	d := New(set)
	d.clock = clock
	return d
}
