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

// Take accepts a shipped event and expands it: the event comes first, then its children.
// A message that is no JSON is kept as Raw text and marked, never lost.
func (p *Parser) Take(s Shipment) []Event {
	e := s.Event
	e.Accept(s.Origin, s.Received, s.Raw, s.Ordinal)
	m, err := p.Parse(e.Message)
	if err != nil {
		e.Raw, e.Message = string(e.Message), nil
		e.Mark("not_json")
	}
	children := Expand(&e, &m)
	return append([]Event{e}, children...)
}
