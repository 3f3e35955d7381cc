package content_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/content"
)

// fill returns n characters without order, so that this file holds nothing in the form of
// a secret itself.
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

const (
	alnum  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	digits = "0123456789"
	hexa   = "0123456789abcdef"
)

func webToken() string {
	e := base64.RawURLEncoding
	return e.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + e.EncodeToString([]byte(`{"sub":"42","exp":1}`)) + "." + fill(43, alnum)
}

func secrets() map[string]string {
	return map[string]string{
		"private_key":           "-----BEGIN OPENSSH " + "PRIVATE KEY-----\n" + fill(200, alnum) + "\n-----END OPENSSH " + "PRIVATE KEY-----",
		"aws_access_key":        "AKIA" + fill(16, upper),
		"azure_storage_key":     "AccountKey=" + fill(86, alnum) + "==",
		"azure_sas":             "https://a.blob.core.windows.net/c?sv=2024-01-01&sr=b&sig=" + fill(43, alnum) + "%3D",
		"azure_client_secret":   fill(3, alnum) + "8Q~" + fill(34, alnum),
		"google_api_key":        "AIza" + fill(35, alnum),
		"google_oauth":          "ya29." + fill(60, alnum),
		"digitalocean_token":    "dop_v1_" + fill(64, hexa),
		"github_token":          "ghp_" + fill(36, alnum),
		"gitlab_token":          "glpat-" + fill(20, alnum),
		"slack_token":           "xoxb-" + fill(12, digits) + "-" + fill(24, alnum),
		"slack_webhook":         "https://hooks.slack.com/services/T" + fill(8, upper) + "/B" + fill(8, upper) + "/" + fill(24, alnum),
		"stripe_key":            "sk_live_" + fill(24, alnum),
		"stripe_webhook_secret": "whsec_" + fill(32, alnum),
		"openai_key":            "sk-proj-" + fill(48, alnum),
		"anthropic_key":         "sk-ant-api03-" + fill(93, alnum),
		"huggingface_token":     "hf_" + fill(34, alnum),
		"npm_token":             "npm_" + fill(36, alnum),
		"pypi_token":            "pypi-AgEIcHlwaS5vcmc" + fill(60, alnum),
		"docker_token":          "dckr_pat_" + fill(27, alnum),
		"vault_token":           "hvs." + fill(90, alnum),
		"sendgrid_key":          "SG." + fill(22, alnum) + "." + fill(43, alnum),
		"shopify_token":         "shpat_" + fill(32, hexa),
		"linear_key":            "lin_api_" + fill(40, alnum),
		"notion_token":          "ntn_" + fill(46, alnum),
		"age_key":               "AGE-SECRET-KEY-1" + fill(58, upper),
		"telegram_token":        fill(10, digits) + ":AA" + fill(33, alnum),
		"jwt":                   webToken(),
		"url_password":          "postgres://app:" + fill(12, alnum) + "@db:5432/x",
		"authorization":         "Authorization: Basic " + fill(24, alnum),
		"assignment":            "DB_PASSWORD=" + fill(16, alnum),
	}
}

func TestSecretsOfEachKind(t *testing.T) {
	for kind, secret := range secrets() {
		for _, text := range []string{secret, "see \"" + secret + "\" here", "a\n" + secret + "\nb", "(" + secret + ")"} {
			got := content.Secrets(text)
			if len(got) != 1 || got[0].Kind != kind {
				t.Errorf("Secrets(%q) = %+v, want one %s", text, got, kind)
			}
		}
	}
}

func TestSecrets(t *testing.T) {
	random := fill(20, alnum)
	tests := []struct{ name, in, want string }{
		{"prose", "Set the token and the password, then use your API key: see docs.", ""},
		{"aws documentation", "AKIAIOSFODNN7" + "EXAMPLE", ""},
		{"masked", "ghp_" + strings.Repeat("x", 36), ""},
		{"counting", "ghp_" + "123456789012345678901234567890123456", ""},
		{"angle brackets", "password=<your-password-1>", ""},
		{"environment", "password=${DB_PASSWORD1}", ""},
		{"shell variable", "api_key: $OPENAI_KEY_2", ""},
		{"code", "token = process.env.TOKEN2", ""},
		{"call", "token = getToken2()", ""},
		{"word", "password: incorrect", ""},
		{"paging token", `"nextPageToken": "` + random + `"`, ""},
		{"cursor", "continuation_token=" + random, ""},
		{"csrf", "csrf-token: " + random, ""},
		{"token count", "max_tokens: 12345678, total_tokens=123456789", ""},
		{"address", "token: https://auth.test/a1b2c3d4e5", ""},
		{"path", "private_key: /etc/ssl/Private/k3y.pem", ""},
		{"uuid under another name", "id: 5f3a9c1e-77aa-4b1d-9c21-0a8e6d2f4b3c", ""},
		{"git commit", "commit 8f14e45fceea167a5a36dedd4bea2543", ""},
		{"certificate", "-----BEGIN CERTIFICATE-----\n" + fill(64, alnum), ""},
		{"public key", "-----BEGIN PUBLIC KEY-----\n" + fill(64, alnum), ""},
		{"jwt without algorithm", "eyJhIjoxfQ.eyJiIjoyfQ." + fill(43, alnum), ""},
		{"database without password", "postgres://app@db:5432/x", ""},
		{"port is no password", "http://localhost:8080/a@b", ""},

		{"header alone", "-----BEGIN RSA " + "PRIVATE KEY-----", "private_key"},
		{"encrypted", "-----BEGIN ENCRYPTED " + "PRIVATE KEY-----\n" + fill(64, alnum), "private_key"},
		{"pgp", "-----BEGIN PGP " + "PRIVATE KEY BLOCK-----\n" + fill(64, alnum), "private_key"},
		{"key in a JSON string", `"private_key": "-----BEGIN ` + `PRIVATE KEY-----\n` + fill(64, alnum) + `\n-----END ` + `PRIVATE KEY-----\n"`, "private_key"},
		{"yaml", "client_secret: '" + random + "'", "assignment"},
		{"json", `{"apiKey":"` + random + `"}`, "assignment"},
		{"json in json", `{\"apiKey\":\"` + random + `\"}`, "assignment"},
		{"arrow", "'secret_key' => '" + random + "'", "assignment"},
		{"query", "https://x.test/?access_token=" + random + "&a=1", "assignment"},
		{"known form wins over the name", "GITHUB_TOKEN=ghp_" + fill(36, alnum), "github_token"},
		{"bearer header", "curl -H 'Authorization: Bearer " + random + "'", "authorization"},
		{"bearer alone", "Bearer " + random + random, "authorization"},
		{"two", "AKIA" + fill(16, upper) + " aws_secret_access_key = " + fill(40, alnum), "aws_access_key assignment"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var kinds []string
			for _, s := range content.Secrets(tt.in) {
				kinds = append(kinds, s.Kind)
			}
			if got := strings.Join(kinds, " "); got != tt.want {
				t.Errorf("Secrets(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestSecretsSpan(t *testing.T) {
	secret := secrets()["private_key"]
	text := "before\n" + secret + "\nafter"
	got := content.Secrets(text)
	if len(got) != 1 || text[got[0].Start:got[0].End] != secret {
		t.Fatalf("Secrets = %+v", got)
	}
	text = `{"password": "` + fill(16, alnum) + `"}`
	got = content.Secrets(text)
	if len(got) != 1 || text[got[0].Start:got[0].End] != fill(16, alnum) {
		t.Fatalf("Secrets = %+v", got)
	}
}

func checkSpans(t interface{ Fatalf(string, ...any) }, s string, found []content.Secret) {
	end := 0
	for _, f := range found {
		if f.Start < end || f.End <= f.Start || f.End > len(s) || f.Kind == "" {
			t.Fatalf("Secrets(%q) = %+v", s, found)
		}
		end = f.End
	}
}

func TestSecretsPlanted(t *testing.T) {
	all := secrets()
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]string{"aws_access_key", "github_token", "anthropic_key", "jwt", "npm_token", "private_key"}).Draw(t, "kind")
		text := rapid.StringMatching(`[a-zA-Z ,.]{0,40}[ ,."]`).Draw(t, "before") + all[kind] + rapid.StringMatching(`[ ,"][a-z ]{0,40}`).Draw(t, "after")
		found := content.Secrets(text)
		checkSpans(t, text, found)
		if len(found) != 1 || found[0].Kind != kind {
			t.Fatalf("Secrets(%q) = %+v, want %s", text, found, kind)
		}
	})
}

func TestSecretsSpansAreDisjoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := text().Draw(t, "text")
		checkSpans(t, s, content.Secrets(s))
	})
}

func FuzzSecrets(f *testing.F) {
	for _, s := range secrets() {
		f.Add(s)
	}
	f.Add("password = \"")
	f.Fuzz(func(t *testing.T, s string) { checkSpans(t, s, content.Secrets(s)) })
}
