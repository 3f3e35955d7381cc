package deadletter

import (
	"strings"
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// FuzzLetterOf reads what somebody else wrote to the topic, and what we wrote.
func FuzzLetterOf(f *testing.F) {
	f.Add([]byte("acme\x00id"), "kept", "2026-11-25T10:00:00Z", "3", "1", "1")
	f.Add([]byte("acme"), "", "", "", "", "")
	f.Fuzz(func(t *testing.T, key []byte, state, received, ordinal, part, parts string) {
		l, ok := letterOf(kafka.Record{Key: key}, map[string]string{
			"state": state, "received": received, "ordinal": ordinal, "part": part, "parts": parts,
		})
		if ok && strings.ContainsRune(l.Origin.Tenant, 0) {
			t.Errorf("tenant %q", l.Origin.Tenant)
		}
	})
}

// TestALetterIsReadAsItWasWritten holds that nothing is lost between Records and letterOf.
func TestALetterIsReadAsItWasWritten(t *testing.T) {
	want, err := New(Letter{
		Origin: event.Origin{Tenant: "acme", Source: "s", Collector: "c", Address: "10.0.0.1", Agent: "a", Principals: true},
		Format: "jsonrpc", Received: time.Date(2026, 11, 25, 10, 0, 0, 123, time.UTC), Ordinal: 3, Field: "a.b", Reason: "why",
	}, []byte("bytes"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range want.Records() {
		values := map[string]string{}
		for _, h := range r.Headers {
			values[h.Key] = string(h.Value)
		}
		got, ok := letterOf(r, values)
		got.Data = r.Value
		if !ok || string(got.bound()) != string(want.bound()) || got.Origin != want.Origin || got.Field != want.Field || got.Reason != want.Reason || string(got.Data) != "bytes" {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func FuzzKeys(f *testing.F) {
	text, err := NewKeyText()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(publicSign + "AAAA")
	f.Fuzz(func(_ *testing.T, text string) {
		if o, err := ParseOpener(text); err == nil {
			_ = o.Recipient().String()
		}
		_, _ = ParseRecipient(text)
	})
}
