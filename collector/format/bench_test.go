package format_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/event"
)

// BenchmarkRead cuts and reads 1 MiB of each format's testdata, over and over, without being told
// the format.
func BenchmarkRead(b *testing.B) {
	for _, d := range format.Formats() {
		b.Run(string(d.Format), func(b *testing.B) {
			in, err := os.ReadFile("testdata/" + string(d.Format) + ".in")
			if err != nil {
				b.Fatal(err)
			}
			in = bytes.Repeat(append(in, '\n'), 1<<20/len(in)+1)
			r := format.NewReader("", event.DefaultLimits())
			events := 0
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				err := format.Cut(bytes.NewReader(in), "", func(record []byte) error {
					read, _ := r.Read(bytes.Clone(record)) // some records are there to be refused
					events += len(read)
					return nil
				}, func(string) error { return nil })
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
