package collector_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/mcpwatch/mcpwatch/collector"
	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/collector/format"
)

// BenchmarkIntakeToKafka sends batches of 500, four at once, compressed with zstd, until Kafka has
// acknowledged them: generator, collector and the embedded Kafka share the CPUs.
func BenchmarkIntakeToKafka(b *testing.B) {
	event := func(n int) string {
		return fmt.Sprintf(`{"time":"2026-11-22T09:42:11.%06dZ","agent":{"id":"a%d"},"server":{"id":"files"},"session":"s","direction":"to_server",`+
			`"message":{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"read_file","arguments":{"path":"/srv/docs/report-%d.md","encoding":"utf-8"}}}}`, n, n%50, n, n)
	}
	keyed := func(n int) string { return record(fmt.Sprintf("key-%020d", n), event(n)) }
	for name, way := range map[string]struct {
		path, kind string
		line       func(n int) string
	}{
		"events":       {"/v1/events", "application/x-ndjson", event},
		"ingest/keyed": {"/v1/ingest/auto", format.RecordsType, keyed},
	} {
		for _, secure := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/tls=%v", name, secure), func(b *testing.B) {
				const batch = 500
				s := start(b, func(o *collector.Options) { o.Quota = credential.Quota{} })
				server := httptest.NewUnstartedServer(s.collector)
				if secure {
					server.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
					server.StartTLS()
				} else {
					server.Start()
				}
				defer server.Close()
				var plain bytes.Buffer
				for n := range batch {
					plain.WriteString(way.line(n) + "\n")
				}
				encoder, err := zstd.NewWriter(nil)
				if err != nil {
					b.Fatal(err)
				}
				body := encoder.EncodeAll(plain.Bytes(), nil)
				b.SetBytes(int64(plain.Len()))
				b.SetParallelism(4)
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					client := server.Client()
					for pb.Next() {
						r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL+way.path, bytes.NewReader(body))
						if err != nil {
							b.Error(err)
							return
						}
						r.Header.Set("Authorization", "Bearer "+token)
						r.Header.Set("Content-Type", way.kind)
						r.Header.Set("Content-Encoding", "zstd")
						answer, err := client.Do(r)
						if err != nil {
							b.Error(err)
							return
						}
						_, _ = io.Copy(io.Discard, answer.Body)
						_ = answer.Body.Close()
						if answer.StatusCode != http.StatusAccepted {
							b.Error(answer.Status)
							return
						}
					}
				})
				b.ReportMetric(float64(b.N)*batch/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}
