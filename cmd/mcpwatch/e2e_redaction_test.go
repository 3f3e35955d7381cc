package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/collector/redact"
	"github.com/mcpwatch/mcpwatch/content"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
	"github.com/mcpwatch/mcpwatch/storage"
)

// intakeKeys are the flags of a collector that keeps secrets, with keys of their own.
func intakeKeys(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	redaction := filepath.Join(dir, "redaction")
	if err := os.WriteFile(redaction, []byte(redact.NewKeyText()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	made := mcpwatch(t, nil, "deadletters", "key", filepath.Join(dir, "private"))
	public := filepath.Join(dir, "public")
	if err := os.WriteFile(public, []byte(made.stdout), 0o600); err != nil || made.code != exitDone {
		t.Fatalf("%v %+v", err, made)
	}
	return []string{"--redaction-key-file", redaction, "--dead-letter-key-file", public}
}

// random is so many characters of an alphabet, different each time: nothing in this file has the form
// of a secret.
func random(n int, alphabet string) string {
	var b strings.Builder
	for range n {
		i, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			panic(err)
		}
		b.WriteByte(alphabet[i.Int64()])
	}
	return b.String()
}

const (
	lettersAndDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	capitals         = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	decimals         = "0123456789"
	hexadecimals     = "0123456789abcdef"
)

// plantedSecret is a text with a secret in it, of which no trace may be left.
type plantedSecret struct{ kind, text, secret string }

// plant makes a new secret of each kind.
func plant() []plantedSecret {
	an := func(n int) string { return random(n, lettersAndDigits) }
	var all []plantedSecret
	add := func(kind, before, secret, after string) {
		all = append(all, plantedSecret{kind, before + secret + after, secret})
	}
	add("private_key", "-----BEGIN OPENSSH "+"PRIVATE KEY-----\n", an(200), "\n-----END OPENSSH "+"PRIVATE KEY-----")
	add("unclosed_key", "-----BEGIN RSA "+"PRIVATE KEY-----\n", an(64), "")
	add("aws_access_key", "", "AKIA"+random(16, capitals), "")
	add("azure_storage_key", "AccountKey=", an(86)+"==", "")
	add("azure_sas", "https://a.blob.core.example/c?sv=1&sig=", an(43), "%3D")
	add("azure_client_secret", "", an(3)+"8Q~"+an(34), "")
	add("google_api_key", "", "AIza"+an(35), "")
	add("google_oauth", "", "ya29."+an(60), "")
	add("digitalocean_token", "", "dop_v1_"+random(64, hexadecimals), "")
	add("github_token", "", "ghp_"+an(36), "")
	add("gitlab_token", "", "glpat-"+an(20), "")
	add("slack_token", "", "xoxb-"+random(12, decimals)+"-"+an(24), "")
	add("slack_webhook", "https://hooks.slack.com/services/", "T"+random(8, capitals)+"/B"+random(8, capitals)+"/"+an(24), "")
	add("stripe_key", "", "sk_live_"+an(24), "")
	add("stripe_webhook_secret", "", "whsec_"+an(32), "")
	add("openai_key", "", "sk-proj-"+an(48), "")
	add("anthropic_key", "", "sk-ant-api03-"+an(93), "")
	add("huggingface_token", "", "hf_"+an(34), "")
	add("npm_token", "", "npm_"+an(36), "")
	add("pypi_token", "", "pypi-AgEIcHlwaS5vcmc"+an(60), "")
	add("docker_token", "", "dckr_pat_"+an(27), "")
	add("vault_token", "", "hvs."+an(90), "")
	add("sendgrid_key", "", "SG."+an(22)+"."+an(43), "")
	add("shopify_token", "", "shpat_"+random(32, hexadecimals), "")
	add("linear_key", "", "lin_api_"+an(40), "")
	add("notion_token", "", "ntn_"+an(46), "")
	add("age_key", "", "AGE-SECRET-KEY-1"+random(58, capitals), "")
	add("telegram_token", "", random(10, decimals)+":AA"+an(33), "")
	b := base64.RawURLEncoding
	add("jwt", "", b.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))+"."+b.EncodeToString([]byte(`{"sub":"42"}`))+"."+an(43), "")
	add("url_password", "postgres://app:", an(12)+"9z", "@db:5432/x")
	add("authorization", "Authorization: Bearer ", an(30)+"9z", "")
	add("assignment", "DB_PASSWORD=", an(18)+"9z", "")
	return all
}

// plantings are lines of events that hold secrets in every place that an event has, each made anew.
func plantings() (lines []string, planted []plantedSecret) {
	places := []string{
		`{"agent":{"id":"a1"},"session":"s","server":{"id":"files"},"message":{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"write","arguments":{"text":%s}}}}`,
		`{"agent":{"id":"a1"},"session":"s","direction":"to_client","server":{"id":"files"},"message":{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":%s}]}}}`,
		`{"agent":{"id":"a1"},"direction":"to_client","message":{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"t","description":%s,"inputSchema":{"type":"object","properties":{"a":{"type":"string","default":%[1]s}}}}]}}}`,
		`{"agent":{"id":"a1"},"http":{"headers":{"x-more":%s,"authorization":%[1]s}},"message":{"jsonrpc":"2.0","id":3,"method":"ping"}}`,
		`{"agent":{"id":"a1"},"server":{"url":%s,"command":%[1]s,"name":%[1]s},"message":{"jsonrpc":"2.0","id":4,"method":"ping"}}`,
		`{"agent":{"id":"a1"},"message":{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"n","arguments":{%s:1}}}}`,
		`{"agent":{"id":"a1"},"direction":"to_client","message":{"jsonrpc":"2.0","id":6,"error":{"code":-1,"message":%s}}}`,
		`{"agent":{"id":"a1"},"raw":%s}`,
		`{"agent":{"id":%s,"host":%[1]s},"id":%[1]s,"session":%[1]s,"marks":[%[1]s],"more":{%[1]s:[%[1]s]},"message":{"jsonrpc":"2.0","id":%[1]s,"method":%[1]s}}`,
		`{"agent":{"id":"a1"},"request":{"method":"tools/call","name":"n","arguments":{"a":%s}},"message":{"jsonrpc":"2.0","id":7,"result":{}}}`,
		`{"agent":{"id":"a1"},"principal":{"subject":%s,"chain":[%[1]s]},"message":[{"jsonrpc":"2.0","id":8,"method":"ping","params":{"a":%[1]s}}]}`,
		// What is refused: it quotes what is wrong with it.
		`{"direction":%s,"message":{"jsonrpc":"2.0","id":9,"method":"ping"}}`,
		`{"agent":{%s:1,"id":[]},"message":{}}`,
		`{"message":%s`,
		`%s`,
	}
	for _, place := range places {
		for _, p := range plant() {
			quoted, err := json.Marshal(p.text)
			if err != nil {
				panic(err)
			}
			planted = append(planted, p)
			if place == `%s` {
				lines = append(lines, strings.ReplaceAll(p.text, "\n", " "))
				continue
			}
			lines = append(lines, strings.ReplaceAll(strings.ReplaceAll(place, "%[1]s", string(quoted)), "%s", string(quoted)))
		}
	}
	return lines, planted
}

// TestNoPlantedSecretIsFound plants secrets of every kind in every place of events, good and
// refused, and looks for them in all that is written, kept, sent and answered.
func TestNoPlantedSecretIsFound(t *testing.T) {
	hook := newReceiver(t)
	data := t.TempDir()
	u := startUp(t, data, "--webhook", hook.URL)
	lines, planted := plantings()
	var seen sightings
	answers := 0
	for _, path := range []string{"/v1/events", "/v1/ingest/jsonrpc", "/v1/ingest/" + planted[9].secret} {
		answer := send(t, u.Addresses["collector"]+path, u.Token, strings.Join(lines, "\n"))
		seen.add("answer of "+path[:min(len(path), 18)], []byte(answer))
		answers++
	}
	const good = 11 * 32
	eventually(t, "the events", func() (bool, string) {
		n, err := value[uint64](t, u.store, "SELECT count() FROM events WHERE source_format != 'jsonrpc'")
		return err == nil && n >= good, fmt.Sprintf("%d of %d (%v)", n, good, err)
	})
	raisedSome(t, u)
	seen.clickhouse(t, u)
	seen.nats(t, u)
	seen.metrics(t, u)
	for _, topic := range []string{kafka.Events, kafka.Findings, kafka.Annotations, kafka.DeadLetters, kafka.Observations, kafka.State} {
		seen.topic(t, u.Addresses["kafka"], topic)
	}
	list := mcpwatch(t, nil, "deadletters", "list", "--data", data, "-o", "jsonl")
	seen.add("list", []byte(list.stdout+list.stderr))
	if refused := len(jsonLines[letterRow](t, list.stdout)); refused < 4*32 {
		t.Errorf("%d dead letters are listed, want those of four places at least", refused)
	}
	u.stop(t)
	seen.files(t, data)
	for _, d := range hook.deliveries { // the sender has ended
		seen.add("webhook", append(fmt.Append(nil, d.header), d.body...))
	}
	seen.search(t, planted)
	if answers != 3 || len(seen.where) < 10 {
		t.Errorf("only %q was searched", seen.where)
	}
}

// raisedSome waits until rules have found the secrets in their markers.
func raisedSome(t *testing.T, u *up) {
	t.Helper()
	for _, rule := range []string{"secret-in-arguments", "token-in-result", "private-key-in-result", "credential-in-arguments"} {
		eventually(t, "a finding of "+rule, func() (bool, string) {
			n, err := value[uint64](t, u.store, "SELECT count() FROM findings WHERE rule = ?", rule)
			return err == nil && n > 0, fmt.Sprint(n, err)
		})
	}
}

// send posts a body and gives the answer, whatever it is.
func send(t *testing.T, url, token, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// sightings is all that was seen, and where.
type sightings struct {
	where []string
	what  [][]byte
}

func (s *sightings) add(where string, what []byte) {
	s.where, s.what = append(s.where, where), append(s.what, what)
}

// search looks for the secrets, as they are and as JSON in JSON would have them.
func (s *sightings) search(t *testing.T, planted []plantedSecret) {
	t.Helper()
	for i, where := range s.where {
		text := string(s.what[i])
		for _, p := range planted {
			if strings.Contains(text, p.secret) {
				at := strings.Index(text, p.secret)
				t.Errorf("%s: a %s is found: …%q…", where, p.kind, text[max(0, at-60):min(len(text), at+len(p.secret)+30)])
			}
		}
	}
}

func (s *sightings) clickhouse(t *testing.T, u *up) {
	t.Helper()
	type row struct {
		Table string `ch:"table"`
	}
	n := 0
	for _, table := range query[row](t, u.store, "SELECT name AS table FROM system.tables WHERE database = ?", storage.Database) {
		type text struct {
			Row string `ch:"row"`
		}
		for _, r := range query[text](t, u.store, "SELECT toString(tuple(*)) AS row FROM "+storage.Database+".`"+table.Table+"`") {
			s.add("ClickHouse "+table.Table, []byte(r.Row))
			n++
		}
	}
	if n == 0 {
		t.Error("ClickHouse holds nothing")
	}
}

func (s *sightings) nats(t *testing.T, u *up) {
	t.Helper()
	b := subscribe(t, u.Addresses["nats"])
	for n := uint64(1); ; n++ {
		m, err := b.stream.GetMsg(t.Context(), n)
		if err != nil {
			if n == 1 {
				t.Errorf("NATS holds nothing: %v", err)
			}
			return
		}
		s.add("NATS", append(fmt.Append(nil, m.Subject, m.Header), m.Data...))
	}
}

func (s *sightings) metrics(t *testing.T, u *up) {
	t.Helper()
	response, err := http.Get(u.Addresses["collector"] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || !strings.Contains(string(text), `mcpwatch_collector_redacted_total{kind="github_token"}`) {
		t.Errorf("the metrics count no token that was taken out: %v", err)
	}
	s.add("metrics", text)
}

// topic reads all that a topic holds.
func (s *sightings) topic(t *testing.T, broker, topic string) {
	t.Helper()
	client, err := kafka.NewClient([]string{broker}, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	producer, err := client.NewProducer(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for partition := range producer.Partitions() {
		end, err := client.End(t.Context(), topic, partition)
		if err != nil {
			t.Fatal(err)
		}
		err = client.Read(context.WithoutCancel(t.Context()), topic, partition, 0, end, func(r kafka.Record) error {
			s.add("Kafka "+topic, []byte(fmt.Sprintf("%s %s %s", r.Key, r.Headers, r.Value)))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// files reads every file of a data directory: logs, and what the servers keep.
func (s *sightings) files(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		s.add("file "+filepath.Base(path), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPlantedSecretsAreSecrets holds the test above to its word: what it plants is found where nothing
// is taken out.
func TestPlantedSecretsAreSecrets(t *testing.T) {
	for _, p := range plant() {
		if len(content.AllSecrets(p.text)) == 0 {
			t.Errorf("%s is no secret to us", p.kind)
		}
	}
}
