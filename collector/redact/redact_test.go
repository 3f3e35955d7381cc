package redact_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/collector/redact"
	"github.com/mcpwatch/mcpwatch/content"
	"github.com/mcpwatch/mcpwatch/event"
)

// fill returns n characters without order, so that this file holds nothing in the form of a secret.
func fill(n int, alphabet string) string {
	var b strings.Builder
	x := uint32(2463534242)
	for b.Len() < n {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b.WriteByte(alphabet[x%uint32(len(alphabet))])
	}
	return b.String()
}

const alnum = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func keys(t testing.TB, letters string) []redact.Key {
	t.Helper()
	var text strings.Builder
	for _, letter := range letters {
		text.WriteString(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(letter), 32))) + "\n")
	}
	parsed, err := redact.ParseKeys(text.String())
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func redactor(t testing.TB, letters string, c redact.Config) *redact.Redactor {
	t.Helper()
	policy, err := redact.New(keys(t, letters), c)
	if err != nil {
		t.Fatal(err)
	}
	return policy.Redactor()
}

func decoded(t testing.TB, text string) *event.Event {
	t.Helper()
	e, err := event.Decode([]byte(text), event.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return &e
}

// redacted is an event's JSON once it is redacted.
func redacted(t testing.TB, r *redact.Redactor, text string) (string, redact.Counts) {
	t.Helper()
	out, counts, err := r.Encode([]byte("before"), decoded(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(string(out), "before"), counts
}

// markersOf are the kinds of the markers in a text, in order.
func markersOf(text string) string {
	var kinds []string
	for _, m := range content.Markers(text) {
		kinds = append(kinds, m.Kind)
	}
	return strings.Join(kinds, " ")
}

func TestEncode(t *testing.T) {
	token, random := "ghp_"+fill(36, alnum), fill(20, alnum)
	key := "-----BEGIN RSA " + "PRIVATE KEY-----"
	personal := redact.Config{Personal: []string{"email", "phone", "iban", "card", "ip"}}
	paths := redact.Config{Arguments: []redact.Argument{
		{Tool: "add", Path: "$.params.arguments.note"}, {Path: "$.result.content[*].text"}, {Path: "$.params['arguments'].all.*"},
	}}
	tests := []struct {
		name, event string
		config      redact.Config
		gone        []string
		want        string // kinds of markers
		stays       string
	}{
		{name: "nothing", event: `{"id":"1","message":{"jsonrpc":"2.0","id":1,"method":"ping"}}`, stays: `"method":"ping"`},
		{name: "argument", event: `{"message":{"params":{"arguments":{"a":"use ` + token + ` now"}}}}`, gone: []string{token}, want: "github_token", stays: `"a":"use redacted~github_token~40~`},
		{name: "escaped", event: `{"message":{"a":"\u0067` + token[1:] + `"}}`, gone: []string{token, token[1:]}, want: "github_token"},
		{name: "name of a member", event: `{"message":{"` + token + `":1}}`, gone: []string{token}, want: "github_token"},
		{name: "id", event: `{"id":"` + token + `","message":{}}`, gone: []string{token}, want: "github_token"},
		{name: "unknown field", event: `{"more":{"x":["` + token + `"]},"message":{}}`, gone: []string{token}, want: "github_token"},
		{name: "raw", event: `{"raw":"oops ` + token + ` {"}`, gone: []string{token}, want: "github_token"},
		{name: "mark", event: `{"marks":["` + token + `"],"message":{}}`, gone: []string{token}, want: "github_token"},
		{name: "server", event: `{"server":{"url":"https://u:` + random + `@h/x","command":"run --key=` + token + `"},"message":{}}`, gone: []string{random, token}, want: "url_password github_token", stays: "@h/x"},
		{name: "lines of a key", event: `{"message":{"lines":["` + key + `","` + fill(64, alnum) + `","","` + fill(64, "abc") + `","end"]}}`, gone: []string{key, fill(64, alnum), fill(64, "abc")}, want: "private_key rest rest", stays: `"","redacted~`},
		{name: "member", event: `{"message":{"password":"hunter2","user":"hunter2"}}`, want: "member", stays: `"user":"hunter2"`},
		{name: "known form in a member", event: `{"message":{"api_token":"` + token + `"}}`, gone: []string{token}, want: "github_token"},
		{name: "header", event: `{"http":{"headers":{"Cookie":"a=b","authorization":"Bearer ` + random + random + `","accept":"x"}},"message":{}}`, gone: []string{"a=b", random}, want: "header authorization header", stays: `"accept":"x"`},
		{name: "path", config: paths, event: `{"message":{"method":"tools/call","params":{"name":"add","arguments":{"note":"my ` + token + `","all":[1,{"b":2}],"b":"stays"}}}}`, gone: []string{token, "my", `"b":2`}, want: "argument github_token argument argument", stays: `"b":"stays"`},
		{name: "path of another tool", config: paths, event: `{"message":{"method":"tools/call","params":{"name":"sub","arguments":{"note":"plain"}}}}`, stays: "plain"},
		{name: "path in a batch", config: paths, event: `{"message":[{"result":{"content":[{"text":"one"},{"text":"two"}]}}]}`, gone: []string{"one", "two"}, want: "argument argument"},
		{name: "path in a retry", config: paths, event: `{"message":{"params":{"inputResponses":{"k":{"content":[{"text":"one"}]}}}}}`, gone: []string{"one"}, want: "argument"},
		{name: "path in the request", config: paths, event: `{"request":{"method":"tools/call","name":"add","arguments":{"note":"plain"}},"message":{"result":{}}}`, gone: []string{"plain"}, want: "argument"},
		{name: "personal", config: personal, event: `{"agent":{"user":"alice@example.com"},"message":{"id":4111111111111111,"a":"call +49 30 1234567, pay DE89 3704 0044 0532 0130 00 or 4111 1111 1111 1111 from 10.1.2.3","n":4111111111111111,"m":4111111111111112}}`, gone: []string{"alice", "1234567", "0532", "4111 ", "10.1.2.3", `"n":4`}, want: "email phone iban card ip card", stays: `"id":4111111111111111`},
		{name: "personal, unasked", event: `{"message":{"a":"alice@example.com"}}`, stays: "alice@example.com"},
		{name: "token in an address", config: personal, event: `{"message":{"a":"` + token + `@example.com"}}`, gone: []string{token}, want: "github_token email"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := redactor(t, "a", tt.config)
			out, counts := redacted(t, r, tt.event)
			for _, gone := range tt.gone {
				if strings.Contains(out, gone) {
					t.Errorf("%q is in %s", gone, out)
				}
			}
			if got := markersOf(out); got != tt.want {
				t.Errorf("markers %q, want %q: %s", got, tt.want, out)
			}
			if !strings.Contains(out, tt.stays) {
				t.Errorf("%q is not in %s", tt.stays, out)
			}
			n := 0
			for _, of := range counts {
				n += of
			}
			e := decoded(t, out)
			if n != len(strings.Fields(tt.want)) || e.HasMark(redact.Mark) != (n > 0) {
				t.Errorf("counted %v, marked %v", counts, e.Marks)
			}
			again, _ := redacted(t, r, out)
			if again != out {
				t.Errorf("a second time gives\n%s\nnot\n%s", again, out)
			}
		})
	}
}

// TestEqualValuesCorrelate holds that a value has one digest, whatever it was found as, and another
// under another key, whose markers are known where the key is.
func TestEqualValuesCorrelate(t *testing.T) {
	random := fill(20, alnum)
	text := `{"message":{"token":"` + random + `","a":"token=` + random + `"}}`
	out, _ := redacted(t, redactor(t, "a", redact.Config{}), text)
	m := content.Markers(out)
	if len(m) != 2 || m[0].Digest != m[1].Digest || m[0].Kind == m[1].Kind {
		t.Fatalf("markers %+v", m)
	}
	other, _ := redacted(t, redactor(t, "b", redact.Config{}), text)
	if content.Markers(other)[0].Digest == m[0].Digest {
		t.Error("the digest does not hang on the key")
	}
	if again, _ := redacted(t, redactor(t, "ba", redact.Config{}), out); again != out {
		t.Errorf("a marker of a former key became %s", again)
	}
	foreign, _ := redacted(t, redactor(t, "b", redact.Config{}), out)
	if len(content.Markers(foreign)) > 0 || !strings.Contains(foreign, "redacted!assignment~") || !decoded(t, foreign).HasMark(redact.ForgedMark) {
		t.Errorf("a marker of nobody's key became %s", foreign)
	}
}

// TestWhatIsFoundStaysSo holds, for random texts of secrets, that the whole text tells the same
// secrets once it is redacted, that none is left, and that nothing hangs on how often it is done.
func TestWhatIsFoundStaysSo(t *testing.T) {
	r := redactor(t, "a", redact.Config{Personal: []string{"email", "card", "ip", "phone", "iban"}})
	parts := []string{
		"ghp_" + fill(36, alnum), "npm_" + fill(36, alnum), "AKIA" + fill(16, "ABCDEFGHIJKLMNOP234567"), "sk-ant-api03-" + fill(40, alnum),
		"password=" + fill(16, alnum), "-----BEGIN " + "PRIVATE KEY-----", "\n", " ", ",", "@example.com", "10.0.0.1", "redacted~jwt~9~", "é", "\\", "\"",
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 12).Draw(t, "parts"), "")
		out := r.Text(text)
		if kinds(text) != kinds(out) {
			t.Fatalf("%q tells %s, redacted %q tells %s", text, kinds(text), out, kinds(out))
		}
		if left := content.AllSecrets(out); len(left) > 0 {
			t.Fatalf("%+v is left in %q of %q", left, out, text)
		}
		if again := r.Text(out); again != out {
			t.Fatalf("%q becomes %q and then %q", text, out, again)
		}
	})
}

func kinds(text string) string {
	var found []string
	for _, s := range content.Secrets(text) {
		found = append(found, s.Kind)
	}
	slices.Sort(found)
	return strings.Join(slices.Compact(found), " ")
}

func TestRefusedConfigurations(t *testing.T) {
	for name, c := range map[string]redact.Config{
		"class":     {Personal: []string{"shoe_size"}},
		"no root":   {Arguments: []redact.Argument{{Path: "params"}}},
		"root only": {Arguments: []redact.Argument{{Path: "$"}}},
		"filter":    {Arguments: []redact.Argument{{Path: "$[?(@.a)]"}}},
		"no end":    {Arguments: []redact.Argument{{Path: "$['a"}}},
		"deep":      {Arguments: []redact.Argument{{Path: "$..a"}}},
	} {
		if _, err := redact.New(keys(t, "a"), c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := redact.New(nil, redact.Config{}); err == nil {
		t.Error("taken without a key")
	}
	for _, text := range []string{"", "# none\n", "abc", fill(43, alnum)} {
		if _, err := redact.ParseKeys(text); err == nil || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("the keys %q: %v", text, err)
		}
	}
	if _, err := redact.ParseConfig([]byte("personnel: [email]\n")); err == nil {
		t.Error("an unknown key is taken")
	}
	if c, err := redact.ParseConfig([]byte("personal: [email]\narguments:\n  - {tool: t, path: $.a}\n")); err != nil || len(c.Arguments) != 1 {
		t.Errorf("%+v %v", c, err)
	}
}

func FuzzEncode(f *testing.F) {
	r := redactor(f, "a", redact.Config{Personal: []string{"email", "card", "ip", "phone", "iban"}, Arguments: []redact.Argument{{Path: "$.a.*"}}})
	f.Add(`{"message":{"a":{"b":"password=` + fill(12, alnum) + `"},"token":"\ud800"}}`)
	f.Add(`{"http":{"headers":{"cookie":"x"}},"message":[{"a":[4111111111111111]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		e, err := event.Decode([]byte(text), event.DefaultLimits())
		if err != nil {
			return
		}
		out, _, err := r.Encode(nil, &e)
		if err != nil {
			return
		}
		if !jsontext.Value(out).IsValid(jsontext.AllowDuplicateNames(true)) {
			t.Fatalf("%q becomes %q", text, out)
		}
		again, _, err := r.Encode(nil, decoded(t, string(out)))
		if err != nil || string(again) != string(out) {
			t.Fatalf("%q becomes %q and then %q (%v)", text, out, again, err)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	text := `{"id":"0123456789abcdef","time":"2026-11-22T09:42:11.123456Z","tenant":"acme","agent":{"id":"laptop-17/claude-code","host":"laptop-17"},` +
		`"server":{"id":"files","command":"npx @scope/server /data"},"message":{"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"` +
		strings.Repeat(`func main() {\n\tfmt.Println(\"a line of some file\")\n}\n`, 12) + `"}]}}}`
	for name, more := range map[string]string{"nothing": "", "token": "ghp_" + fill(36, alnum)} {
		e := decoded(b, strings.Replace(text, "a line", more+" a line", 1))
		r := redactor(b, "a", redact.Config{})
		b.Run("redacted/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				c := e.Clone()
				if _, _, err := r.Encode(nil, &c); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("plain/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := event.Encode(nil, e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("personal: [email]\narguments:\n  - {tool: t, path: \"$.a['b'][*].*\"}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := redact.ParseConfig([]byte(text))
		if err != nil {
			return
		}
		policy, err := redact.New(keys(t, "a"), c)
		if err != nil {
			return
		}
		if _, _, err := policy.Redactor().Encode(nil, decoded(t, `{"message":{"a":{"b":[{"c":1}]}}}`)); err != nil {
			t.Fatal(err)
		}
	})
}
