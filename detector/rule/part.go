package rule

import "github.com/mcpwatch/mcpwatch/event"

// part is what an event can have: a set of bits.
type part uint16

const (
	partCall part = 1 << iota
	partArguments
	partResult
	partError
	partResource
	partPrompt
	partDefinition
	partSampling
	partElicitation
	partHTTP
)

// partsOf says what the shown event has, definitions aside.
func (v *View) partsOf() part {
	var has part
	switch v.Method() {
	case "tools/call":
		has |= partCall
		if v.hasArguments() {
			has |= partArguments
		}
	case "resources/read":
		has |= partResource
	case "prompts/get":
		has |= partPrompt
	}
	switch v.message.Method {
	case "sampling/createMessage":
		has |= partSampling
	case "elicitation/create":
		has |= partElicitation
	}
	switch v.message.Kind {
	case event.KindResponse:
		has |= partResult
	case event.KindError:
		has |= partError
	case event.KindRequest, event.KindNotification, event.KindBatch, event.KindUnknown:
	}
	if !v.event.HTTP.IsZero() {
		has |= partHTTP
	}
	return has
}
