package event_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/event"
)

func take(message string) []event.Event {
	var p event.Parser
	return p.Take(event.Shipment{
		Event:  event.Event{ID: "e", Direction: event.ToClient, Message: []byte(message)},
		Origin: event.Origin{Tenant: "acme", Source: "taps"}, Received: time.Unix(1e9, 0),
	})
}

func TestTakeExpandsWhatItExpanded(t *testing.T) {
	var got []string
	for _, e := range take(`[{"jsonrpc":"2.0","id":1,"result":{"inputRequests":{"a":{"method":"roots/list"}}}},{"jsonrpc":"2.0","method":"notifications/message"}]`) {
		got = append(got, e.ID+" of "+e.Parent)
	}
	want := []string{"e of ", "e/0 of e", "e/1 of e", "e/0/input/a of e/0"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatAShipmentBecomesIsBounded(t *testing.T) {
	inner := "[" + strings.TrimSuffix(strings.Repeat(`{"jsonrpc":"2.0","method":"ping"},`, 60), ",") + "]"
	outer := "[" + strings.TrimSuffix(strings.Repeat(inner+",", 60), ",") + "]"
	taken := take(outer)
	if len(taken) != 128 {
		t.Errorf("60 times 60 messages became %d events, want 128", len(taken))
	}
	dropped := 0
	for _, e := range taken {
		if e.HasMark("children_dropped") {
			dropped++
		}
	}
	if dropped != 59 { // all but the first of the inner ones, which had room
		t.Errorf("%d parents say that children were dropped", dropped)
	}
	ids := map[string]bool{}
	for _, e := range taken {
		if ids[e.ID] {
			t.Error(fmt.Errorf("id %s twice", e.ID))
		}
		ids[e.ID] = true
	}
}
