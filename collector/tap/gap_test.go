package tap

import (
	"encoding/json"
	"testing"

	"github.com/mcpwatch/mcpwatch/event"
)

type gapJSON struct {
	Reason                     string
	Instance                   string
	First, Last, Events, Bytes uint64
}

// gapIn reads an event's gap; one that is no gap gives the zero value.
func gapIn(t testing.TB, e event.Event) gapJSON {
	t.Helper()
	if !e.HasMark(gapMark) {
		return gapJSON{}
	}
	var extra struct {
		Gap gapJSON `json:"tap_gap"`
	}
	if err := json.Unmarshal(e.Extra, &extra); err != nil {
		t.Errorf("gap event %s: %v", e.ID, err)
	}
	if e.Message != nil || e.Raw != "" || extra.Gap.Reason == "" {
		t.Errorf("gap event %s has a message or no reason", e.ID)
	}
	return extra.Gap
}

func TestGapsMergeOnlyWhereTheyTouch(t *testing.T) {
	var gs gaps
	gs.add(gap{reason: GapDisk, instance: "A", first: 5, last: 9, events: 5, bytes: 50})
	gs.add(gap{reason: GapDisk, instance: "A", first: 10, last: 10, events: 1, bytes: 1})
	gs.add(gap{reason: GapDisk, instance: "A", first: 20, last: 21, events: 2, bytes: 2})
	gs.add(gap{reason: GapSpoolFull, instance: "A", first: 22, last: 22, events: 1, bytes: 2})
	gs.add(gap{reason: GapDamaged, instance: "B", bytes: 7})
	gs.add(gap{reason: GapDamaged, instance: "B", bytes: 8})
	want := gaps{
		{GapDisk, "A", 5, 10, 6, 51},
		{GapDisk, "A", 20, 21, 2, 2},
		{GapSpoolFull, "A", 22, 22, 1, 2},
		{GapDamaged, "B", 0, 0, 0, 15},
	}
	if len(gs) != len(want) {
		t.Fatalf("%v, want %v", gs, want)
	}
	for i := range want {
		if gs[i] != want[i] {
			t.Errorf("gap %d is %+v, want %+v", i, gs[i], want[i])
		}
	}
}

func TestGapsAreBounded(t *testing.T) {
	var gs gaps
	total := uint64(0)
	for i := range uint64(10 * maxGaps) {
		gs.add(gap{reason: GapSpoolFull, instance: string(rune('A' + i%26)), first: 2*i + 1, last: 2*i + 1, events: 1, bytes: 3})
		gs.add(gap{reason: GapDamaged, instance: string(rune('a' + i%26)), bytes: 3})
		total += 6
	}
	if len(gs) > maxGaps {
		t.Errorf("%d gaps, want at most %d", len(gs), maxGaps)
	}
	for _, g := range gs {
		total -= g.bytes
	}
	if total != 0 {
		t.Errorf("%d bytes are not declared", total)
	}
}
