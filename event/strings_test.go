package event_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/event"
)

// TestAppendStringsFindsEveryString compares it with a walk of the value.
func TestAppendStringsFindsEveryString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p event.Parser
		root, err := p.ParseValue([]byte(`{"name":` + value().Draw(t, "value") + `,"last":"é\n"}`))
		if err != nil {
			t.Fatal(err)
		}
		names := rapid.Bool().Draw(t, "names")
		for _, v := range []event.Value{root, root.Get("name"), root.Get("last"), root.Get("none")} {
			if got, want := string(v.AppendStrings([]byte("before "), names)), "before "+walk(v, names); got != want {
				t.Fatalf("%s: %q, want %q", v.Raw(), got, want)
			}
		}
	})
}

func walk(v event.Value, names bool) (all string) {
	switch v.Kind() {
	case event.String:
		all = v.Text() + "\n"
	case event.Array:
		for item := range v.Items() {
			all += walk(item, names)
		}
	case event.Object:
		for name, member := range v.Members() {
			if names {
				all += name + "\n"
			}
			all += walk(member, names)
		}
	default:
	}
	return all
}
