package event_test

import (
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/event"
)

// BenchmarkHostile parses 1 MB of what costs most.
func BenchmarkHostile(b *testing.B) {
	const size = 1 << 20
	list := func(item string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", size/(len(item)+1)), ",") + "]"
	}
	deep := strings.Repeat("[", 250) + strings.Repeat("]", 250)
	for _, c := range []struct{ name, text string }{
		{"digits", list(`1`)},
		{"numbers", list(`-12.5e3`)},
		{"deep", list(deep)},
		{"empties", list(`[]`)},
		{"members", "{" + strings.Trim(list(`"a":1`), "[]") + "}"},
		{"objects", list(`{"a":1}`)},
		{"strings", list(`"x"`)},
		{"escapes", `"` + strings.Repeat(`\n`, size/2) + `"`},
		{"unicode escapes", `"` + strings.Repeat(`\u00e9`, size/6) + `"`},
		{"wide", `"` + strings.Repeat(`é`, size/2) + `"`},
		{"plain", `"` + strings.Repeat(`x`, size) + `"`},
		{"space", list(`      `) + "1"},
	} {
		if c.name == "space" {
			c.text = strings.Repeat(" ", size) + "1"
		}
		b.Run(c.name, func(b *testing.B) {
			var p event.Parser
			text := []byte(c.text)
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				v, err := p.ParseValue(text)
				if err != nil {
					b.Fatal(err)
				}
				_ = v.Text()
				_ = v.Get("b")
			}
		})
	}
}
