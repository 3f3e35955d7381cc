package collector_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mcpwatch/mcpwatch/collector"
	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// nowhere takes all that is written.
type nowhere struct{}

func (nowhere) Produce(context.Context, []kafka.Record) error { return nil }

// BenchmarkIntake takes requests of 1,000 events in, of about 600 bytes each, a token in every
// hundredth, up to the write to Kafka.
func BenchmarkIntake(b *testing.B) {
	var body bytes.Buffer
	const events = 1000
	for i := range events {
		more := "nothing"
		if i%100 == 0 {
			more = planted()
		}
		fmt.Fprintf(&body, `{"id":"e%d","time":"2026-11-22T09:42:11.123456Z","session":"s1","agent":{"id":"laptop-17/claude-code","host":"laptop-17"},`+
			`"server":{"id":"files","name":"filesystem","command":"npx @scope/server /data"},"source":{"format":"tap","instance":"i1","sequence":%d},`+
			`"message":{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"%s %s"}]}}}`+"\n",
			i, i+1, i, strings.Repeat(`func main() {\n\tfmt.Println(\"a line\")\n}\n`, 6), more)
	}
	for name, change := range map[string]func(*collector.Options){
		"plain": func(*collector.Options) {},
		"redacted": func(o *collector.Options) {
			o.Redaction = policy(b)
		},
	} {
		b.Run(name, func(b *testing.B) {
			o := collector.DefaultOptions()
			o.Events, o.DeadLetters, o.Registry = nowhere{}, nowhere{}, prometheus.NewRegistry()
			o.Ready = func(context.Context) error { return nil }
			o.Quota = credential.Quota{}
			o.Credentials = credential.Fixed(credential.Single(token, credential.Identity{Tenant: "acme", Source: "s"}))
			change(&o)
			c, err := collector.New(o)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(body.Len()))
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, "/v1/events", bytes.NewReader(body.Bytes()))
				r.Header.Set("Authorization", "Bearer "+token)
				w := httptest.NewRecorder()
				if c.ServeHTTP(w, r); w.Code != http.StatusAccepted {
					b.Fatal(w.Code, w.Body)
				}
			}
			b.ReportMetric(float64(events*b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
