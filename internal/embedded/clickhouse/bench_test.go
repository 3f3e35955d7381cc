//go:build linux

package clickhouse

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// childRSS is the child's resident memory in MB, in all and without the pages of files such as the library.
func childRSS(tb testing.TB, s *Server) (total, anon float64) {
	tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		tb.Fatal(err)
	}
	field := func(name string) float64 {
		_, rest, _ := bytes.Cut(text, []byte("\n"+name+":"))
		kb, err := strconv.ParseFloat(strings.Fields(string(rest))[0], 64)
		if err != nil {
			tb.Fatal(err)
		}
		return kb / 1024
	}
	return field("VmRSS"), field("RssAnon")
}

// BenchmarkStart starts and stops an engine, with the library's checksum.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s, err := Start(b.Context(), Options{Library: testLibrary(b), Verify: true, Data: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		total, anon := childRSS(b, s)
		b.ReportMetric(total, "MB-rss")
		b.ReportMetric(anon, "MB-anon")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInsert sends blocks of 10,000 events of about 400 bytes and reports the memory after a rest.
func BenchmarkInsert(b *testing.B) {
	s, conn := writerConn(b)
	mustExec(b, conn, eventsTable)
	const rows = 10_000
	rnd := rand.New(rand.NewPCG(1, 2))
	messages := make([]string, 1000)
	for i := range messages {
		var m strings.Builder
		for m.Len() < 300 {
			fmt.Fprintf(&m, `"w%d": %d, `, rnd.IntN(20_000), rnd.IntN(1000))
		}
		messages[i] = m.String()
	}
	start := time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	n := 0
	for b.Loop() {
		batch, err := conn.PrepareBatch(b.Context(), "INSERT INTO mcpwatch.events")
		if err != nil {
			b.Fatal(err)
		}
		defer batch.Close()
		for range rows {
			n++
			if err := batch.AppendStruct(&event{
				ID: fmt.Sprintf("01J%023d", n), Tool: "tool" + strconv.Itoa(n%50), Time: start.Add(time.Duration(n) * time.Millisecond),
				N: uint64(n), Attrs: map[string]string{"agent": "a" + strconv.Itoa(n%100), "host": "h"}, Tags: []string{"x", "y"},
				Message: messages[rnd.IntN(len(messages))],
			}); err != nil {
				b.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
	total, _ := childRSS(b, s)
	b.ReportMetric(total, "MB-busy")
	time.Sleep(10 * time.Second)
	total, anon := childRSS(b, s)
	b.ReportMetric(total, "MB-rest")
	b.ReportMetric(anon, "MB-rest-anon")
}

// BenchmarkSelect asks for one row, as the writer and through the analyst's gates.
func BenchmarkSelect(b *testing.B) {
	s, conn := writerConn(b)
	_, analyst := s.Credentials()
	reader := open(b, s, analyst)
	b.Run("writer", func(b *testing.B) {
		for b.Loop() {
			scalar[uint8](b, conn, "SELECT 1")
		}
	})
	b.Run("analyst", func(b *testing.B) {
		for b.Loop() {
			scalar[uint8](b, reader, "SELECT 1")
		}
	})
}
