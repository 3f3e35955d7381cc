package collector_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// keyed ships records with keys.
func (s *site) keyed(form string, lines ...string) answer {
	s.t.Helper()
	return s.do(http.MethodPost, "/v1/ingest/"+form, strings.NewReader(strings.Join(lines, "\n")),
		"Authorization", "Bearer "+token, "Content-Type", format.RecordsType)
}

func record(key, text string) string { return fmt.Sprintf(`{"key":%q,"record":%q}`, key, text) }

func TestARecordIsWhatItsKeySays(t *testing.T) {
	s := start(t, nil)
	ping := `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	flat := `{"method":"tools/call","tool":"read","args_text":"a","result_text":"b"}`
	first := s.keyed("auto", record("a", ping), record("b", ping), record("c", flat),
		`{"key":"d","bytes":"`+base64.StdEncoding.EncodeToString([]byte(`{"jsonrpc":"2.0","id":"`+"\xff"+`","method":"ping"}`))+`"}`,
		record("e", `{"id":"its-own","message":`+ping+`}`))
	first.want(t, http.StatusAccepted)
	if first.receipt.Accepted != 5 || first.receipt.Events < 5 || len(first.receipt.Refused) != 0 {
		t.Fatalf("%s", first.body)
	}
	s.keyed("auto", record("a", ping), record("c", flat)).want(t, http.StatusAccepted) // in another batch, in another place
	n := first.receipt.Events
	again := 1 + n - 4 // of the flat record's
	ids := map[string]int{}
	for _, e := range s.events(n + again) {
		ids[e.ID]++
	}
	if len(ids) != n || ids["its-own"] != 1 {
		t.Errorf("%d ids of %d events: %v", len(ids), n, ids)
	}
}

func TestKeyedRecordsThatAreNoneAreRefused(t *testing.T) {
	s := start(t, nil)
	got := s.keyed("jsonrpc", `no JSON`, `{"record":"x"}`, record(strings.Repeat("k", 65), "x"), record("ok", "no JSON"), `{"key":"empty"}`,
		record("good", `{"jsonrpc":"2.0","id":1,"method":"ping"}`))
	got.want(t, http.StatusAccepted)
	if len(got.receipt.Refused) != 5 || got.receipt.Accepted != 1 {
		t.Errorf("%s", got.body)
	}
	s.records(kafka.DeadLetters, 5)
	s.keyed("none-such", record("a", "b")).want(t, http.StatusNotFound)
}
