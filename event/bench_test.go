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

// stored is an event of about 950 bytes as the detector reads it: an answer with its request.
func stored() []byte {
	return []byte(`{"id":"ev-000000001","time":"2026-11-20T00:00:00.005Z","received":"2026-11-20T00:00:00.010123Z","tenant":"bench",` +
		`"actor":"agent:agent-000123","agent":{"id":"agent-000123","name":"claude-code","version":"2.1.0"},"server":{"id":"files"},` +
		`"session":"s-000123","transport":"stdio","direction":"to_client","source":{"format":"events","name":"bench"},` +
		`"request":{"method":"tools/call","name":"read_file","arguments":{"path":"/home/alice/projects/report/src/main.go","encoding":"utf-8",` +
		`"offset":0,"limit":2000,"reason":"` + strings.Repeat("to see how it is built ", 5) + `"}},` +
		`"message":{"jsonrpc":"2.0","id":123,"result":{"content":[{"type":"text","text":"` +
		strings.Repeat(`Trip to Lisbon:\n- book the train – 2nd class, über Köln\n`, 5) + `"}],"isError":false}}}`)
}

// BenchmarkDecoder reads an event and its message, as the detector and the sink do.
func BenchmarkDecoder(b *testing.B) {
	for _, c := range []struct {
		name string
		data []byte
	}{{"stored", stored()}, {"shipped", shipped()}} {
		b.Run(c.name, func(b *testing.B) {
			d := event.NewDecoder(event.StoredLimits())
			b.ReportAllocs()
			b.SetBytes(int64(len(c.data)))
			for b.Loop() {
				if _, _, err := d.Decode(c.data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	data := stored()
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := event.Decode(data, event.DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	for name, data := range map[string][]byte{"stored": stored(), "shipped": shipped()} {
		b.Run(name, func(b *testing.B) {
			e, err := event.Decode(data, event.DefaultLimits())
			if err != nil {
				b.Fatal(err)
			}
			var out []byte
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if out, err = event.Encode(out[:0], &e); err != nil {
					b.Fatal(err)
				}
			}
		})
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
