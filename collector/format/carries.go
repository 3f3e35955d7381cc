package format

import "github.com/mcpwatch/mcpwatch/event"

// Carries lists what events of a format carry, as in event.Source.Completeness. Of Events that is
// the source's to say: all is what it can be.
func Carries(f Format) []string {
	switch f {
	case Events:
		return event.Carriers()
	case JSONRPC:
		return []string{event.CarriesArguments, event.CarriesResults, event.CarriesDefinitions}
	case Tools:
		return []string{event.CarriesDefinitions}
	}
	return nil
}
