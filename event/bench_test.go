package event_test

import (
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/event"
)

// shipped is an event of about 900 bytes as a tap ships it: a tool's answer with its request.
func shipped() []byte {
	return []byte(`{"id":"01K1A0ZP7Q8M2N4R6T8V0X2Z4B.17","time":"2026-11-22T09:42:11.123456Z",` +
		`"agent":{"id":"laptop-17/alice","name":"claude-code","version":"2.1","host":"laptop-17","user":"alice"},` +
		`"server":{"id":"files","name":"filesystem","version":"1.4","command":"npx @scope/server /data"},` +
		`"session":"01K1A0ZP7Q8M2N4R6T8V0X2Z4B","transport":"stdio","direction":"to_client",` +
		`"source":{"format":"tap","instance":"01K1A0ZP7Q8M2N4R6T8V0X2Z4B","sequence":17,"completeness":["arguments","results","definitions","session"]},` +
		`"request":{"event":"01K1A0ZP7Q8M2N4R6T8V0X2Z4B.16","method":"tools/call","name":"read_file","arguments":{"path":"/data/notes/trip.md"}},` +
		`"message":{"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"` + strings.Repeat("Trip to Lisbon: book the train. ", 8) + `"}]}}}`)
}

func BenchmarkDecode(b *testing.B) {
	data := shipped()
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := event.Decode(data, event.DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	e, err := event.Decode(shipped(), event.DefaultLimits())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Encode(nil, &e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	e, err := event.Decode(shipped(), event.DefaultLimits())
	if err != nil {
		b.Fatal(err)
	}
	var p event.Parser
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Parse(e.Message); err != nil {
			b.Fatal(err)
		}
	}
}
