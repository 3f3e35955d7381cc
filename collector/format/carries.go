package format

import (
	"slices"

	"github.com/mcpwatch/mcpwatch/event"
)

// Carries lists what events of a format carry, as in event.Source.Completeness. Of Events that is
// the source's to say: all is what it can be.
func Carries(f Format) []string {
	switch f {
	case Events:
		return event.Carriers()
	case Flat:
		return slices.Clone(flatCarries)
	case JSONRPC:
		return slices.Clone(messageCarries)
	case Tools:
		return slices.Clone(toolCarries)
	}
	return nil
}
