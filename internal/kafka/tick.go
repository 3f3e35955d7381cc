package kafka

import "time"

// Tick says that time has come to a point, in a partition where perhaps no event says so.
type Tick struct {
	// Collector is the name of the collector whose clock it is.
	Collector string
	Time      time.Time
}

// headerTick marks a tick and holds its time. Events have no headers.
const headerTick = "tick"

// Record is the tick as it lies in mcp.events.
func (t Tick) Record() Record {
	at := t.Time.UTC().AppendFormat(nil, time.RFC3339Nano)
	return Record{Value: []byte(t.Collector), Headers: []Header{{Key: headerTick, Value: at}}}
}

// ReadTick returns the tick that the record is, or false.
func ReadTick(r Record) (Tick, bool) {
	for _, h := range r.Headers {
		if h.Key == headerTick {
			at, err := time.Parse(time.RFC3339Nano, string(h.Value))
			return Tick{Collector: string(r.Value), Time: at.UTC()}, err == nil
		}
	}
	return Tick{}, false
}
