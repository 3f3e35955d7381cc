package client

import (
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/mcpwatch/mcpwatch/event"
)

// InventoryFormat is the source's format of inventory events.
const InventoryFormat = "inventory"

// Event tells of a server that settings name: activity "inventory", with no message. What of it is
// no field of an event is in the extra field "inventory".
func (s *Server) Event() (event.Event, error) {
	extra, err := json.Marshal(struct {
		Inventory *Server `json:"inventory"`
	}{s})
	if err != nil {
		return event.Event{}, err
	}
	return event.Event{
		Activity: "inventory",
		Agent:    event.Agent{Name: s.Client},
		Server:   event.Server{ID: s.Name, Name: s.Name, Command: strings.Join(s.Command, " "), URL: s.URL},
		Source:   event.Source{Format: InventoryFormat},
		Extra:    extra,
	}, nil
}
