package detector_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
)

// arrive offers events in an order of arrival, a second apart from a minute after noon on.
func arrive(d *detector.Detector, events []event.Event, order []int) (found []finding.Finding) {
	for i, n := range order {
		e := events[n].Clone()
		e.Received = noon.Add(time.Minute + time.Duration(i)*time.Second)
		found = append(found, d.Process(int64(i), &e)...)
	}
	return found
}

// TestASequenceIsFoundInAnyOrder holds that the same events make the same finding, that of the last
// of them by time, whichever arrives last.
func TestASequenceIsFoundInAnyOrder(t *testing.T) {
	set, _ := oneRule(t, `sequence:
  by: [actor]
  within: 1m
  steps:
    - {as: read, when: call.tool == "read"}
    - {as: pack, when: call.tool == "pack" && call.args.n > read.call.args.n}
    - {as: send, when: call.tool == "send" && server.id != read.server.id}
summary: 'read {read.call.args.n}, packed {pack.call.args.n}, sent {call.args.n} to {server.id}'
suppress: {by: [server.id], for: 1h}
`)
	events := []event.Event{
		toolCall(1, "files", "read", 1), toolCall(2, "shell", "pack", 2), toolCall(3, "web", "send", 3),
		toolCall(0, "shell", "pack", 2), toolCall(4, "files", "send", 3), // decoys
	}
	for i := range events {
		events[i].Session = fmt.Sprint("s", i)
	}
	want := arrive(detector.New(set), events, []int{0, 1, 2, 3, 4})
	if len(want) != 1 || !slices.Equal(want[0].Events, []string{"e1", "e2", "e3"}) || want[0].Session != "s2" ||
		want[0].Summary != "read 1, packed 2, sent 3 to web" {
		t.Fatalf("found %+v", want)
	}
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.Permutation([]int{0, 1, 2, 3, 4}).Draw(t, "order")
		d := detector.New(set)
		got := arrive(d, events, order)
		for i := range got {
			got[i].Received = want[0].Received
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("found %+v, want %+v", got, want)
		}
		if c := d.Counts(); c.Late+c.Unread+c.CutSearches+c.Forgotten > 0 {
			t.Fatalf("%+v", c.Kept)
		}
	})
}

// TestAnAbsenceWaitsForWhatIsLate holds what an answer's time and its arrival decide.
func TestAnAbsenceWaitsForWhatIsLate(t *testing.T) {
	set, _ := oneRule(t, `absence:
  by: [actor]
  within: 30s
  lateness: 10s
  after: {as: asked, when: call.tool == "ask"}
  without: {when: call.tool == "done" && server.id == asked.server.id}
`)
	ask, done, other := toolCall(1, "s", "ask", 10), toolCall(2, "s", "done", 20), toolCall(3, "x", "done", 20)
	before, after := toolCall(4, "s", "done", 5), toolCall(5, "s", "done", 41)
	longAfter := toolCall(6, "s", "done", 110)
	for name, test := range map[string]struct {
		events []event.Event
		found  int
		late   uint64
	}{
		"answered":                    {[]event.Event{ask, done}, 0, 0},
		"the answer arrives first":    {[]event.Event{done, ask}, 0, 0},
		"the answer arrives late":     {[]event.Event{ask, after, done}, 0, 0},
		"another is answered":         {[]event.Event{other, ask, other}, 1, 0},
		"the answer was before":       {[]event.Event{before, ask, before}, 1, 0},
		"it comes after its time":     {[]event.Event{done, longAfter, ask}, 0, 1},
		"the answer comes after time": {[]event.Event{ask, after}, 1, 0},
	} {
		d := detector.New(set)
		var order []int
		for i := range test.events {
			test.events[i].ID = fmt.Sprint("e", i)
			order = append(order, i)
		}
		found := arrive(d, test.events, order)
		if len(found) > 0 {
			t.Errorf("%s: found before its time", name)
		}
		// Received after a minute, 30 s to wait, 10 s of lateness, and up to a second for the order.
		found = append(found, d.Tick(noon.Add(100*time.Second))...)
		if len(found) > 0 {
			t.Errorf("%s: found before the lateness is over", name)
		}
		if found = d.Tick(noon.Add(103 * time.Second)); len(found) != test.found {
			t.Errorf("%s: %d found, want %d", name, len(found), test.found)
		}
		if late := d.Counts().Late; late != test.late {
			t.Errorf("%s: %d late, want %d", name, late, test.late)
		}
	}
}

// TestWhatBeginsNothingIsForgotten holds that keys which only keep events for late ones are gone
// with the minute after, and that those which have begun stay.
func TestWhatBeginsNothingIsForgotten(t *testing.T) {
	for _, text := range []string{
		`sequence: {by: [actor, server.id], within: 1h, steps: [{when: call.tool == "a"}, {when: call.tool == "b"}]}`,
		`absence: {by: [actor, server.id], within: 1h, after: {when: call.tool == "a"}, without: {when: call.tool == "b"}}`,
	} {
		set, _ := oneRule(t, text)
		d := detector.New(set)
		for i, e := range []event.Event{toolCall(1, "s", "a", 0), toolCall(2, "x", "b", 0), toolCall(3, "y", "b", 0)} {
			d.Process(int64(i), &e)
		}
		var keys []int
		for _, seconds := range []int{60, 120, 180} {
			d.Tick(noon.Add(time.Duration(seconds) * time.Second))
			keys = append(keys, d.Engine.Memory()[0].Keys)
		}
		if want := []int{3, 1, 1}; !slices.Equal(keys, want) {
			t.Errorf("%s: %v keys, want %v", text, keys, want)
		}
	}
}
