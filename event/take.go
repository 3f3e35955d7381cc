package event

import (
	"time"
)

// Shipment is an event as it was shipped, with what the intake knows of its shipping.
type Shipment struct {
	Event    Event
	Origin   Origin
	Received time.Time
	// Raw is the event's JSON as it was shipped, Ordinal the count of equal ones before it
	// in the same batch; both make the id where nobody gave one.
	Raw     []byte
	Ordinal int
}

// maxTaken bounds what one shipment becomes, itself included.
const maxTaken = 2 * maxChildren

// Take accepts a shipped event and expands it and what it was expanded into: the event
// comes first, then its children, then theirs (a result within a batch may hold requests
// of the server). A message that is no JSON is kept as Raw text and marked, never lost.
func (p *Parser) Take(s Shipment) []Event {
	e := s.Event
	e.Accept(s.Origin, s.Received, s.Raw, s.Ordinal)
	taken := []Event{e}
	for i := 0; i < len(taken); i++ {
		parent := &taken[i]
		m, err := p.Parse(parent.Message)
		if err != nil {
			parent.Raw, parent.Message = string(parent.Message), nil
			parent.Mark("not_json")
		}
		children := Expand(parent, &m)
		if room := maxTaken - len(taken); len(children) > room {
			children = children[:room]
			parent.Mark("children_dropped")
		}
		taken = append(taken, children...)
	}
	return taken
}
