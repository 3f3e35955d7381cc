package detector_test

import (
	"fmt"
	"testing"

	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/event"
)

// TestAnEventForWhichNoRuleIsPickedCostsNoAllocation goes the way from the bytes of requests, of
// their answers and of notifications to nothing found.
func TestAnEventForWhichNoRuleIsPickedCostsNoAllocation(t *testing.T) {
	const runs = 3000
	var events [][]byte
	for n := range runs + 2 {
		e := message(fmt.Sprintf("e%d", n), event.ToServer, `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}`)
		switch n % 3 {
		case 0:
			e.Message = fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"read_file","arguments":{"path":"/home/a/\u00e9t\u00e9"}}}`, n)
		case 1:
			e.Direction = event.ToClient
			e.Message = fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"one\ntwo"}]}}`, n-1)
		}
		data, err := event.Encode(nil, &e)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, data)
	}
	decoder, engine := event.NewDecoder(event.StoredLimits()), detector.NewEngine(rules(t))
	position := 0
	allocations := testing.AllocsPerRun(runs, func() {
		e, m, err := decoder.Decode(events[position])
		if err != nil {
			t.Fatal(err)
		}
		if out := engine.Decide(int64(position), e, m); len(out.Findings) > 0 || m.Kind == event.KindResponse && e.Request == nil {
			t.Fatalf("event %d: %+v, request %+v", position, out, e.Request)
		}
		position++
	})
	if allocations > 0 {
		t.Errorf("%v allocations an event", allocations)
	}
}
