package content_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/content"
)

func markerOf(kind string, length int) content.Marker {
	return content.Marker{Kind: kind, Length: length, Key: fill(8, hexa), Digest: fill(32, hexa), Seal: fill(16, hexa)}
}

// marked takes out of a text what is to be taken out.
func marked(s string) string {
	found := content.AllSecrets(s)
	for _, f := range slices.Backward(found) {
		s = s[:f.Start] + markerOf(f.Kind, f.End-f.Start).String() + s[f.End:]
	}
	return s
}

func kindsOf(s string) []string {
	var kinds []string
	for _, f := range content.Secrets(s) {
		kinds = append(kinds, f.Kind)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// TestMarkersTellWhatSecretsTold holds that a text tells the same kinds of secrets when they are taken
// out of it, also in the places that secrets have, and that there is then nothing to take out.
func TestMarkersTellWhatSecretsTold(t *testing.T) {
	all := secrets()
	var kinds []string
	for kind := range all {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		for range rapid.IntRange(0, 6).Draw(t, "parts") {
			b.WriteString(rapid.OneOf(
				rapid.Map(rapid.SampledFrom(kinds), func(kind string) string { return all[kind] }),
				rapid.SampledFrom([]string{"\n", " ", "\"", "API_TOKEN=", "password: ", "Authorization: Bearer ", "https://u:", "@host/", "&sig=", ",", "."}),
				rapid.StringMatching(`[a-zA-Z0-9 ,.:=]{0,12}`),
			).Draw(t, "part"))
		}
		s := b.String()
		out := marked(s)
		if got, want := kindsOf(out), kindsOf(s); !slices.Equal(got, want) {
			t.Fatalf("%q tells %q, its redacted text %q tells %q", s, want, out, got)
		}
		if again := content.AllSecrets(out); len(again) > 0 {
			t.Fatalf("%q has still %+v", out, again)
		}
	})
}

func TestMarkers(t *testing.T) {
	m := markerOf("github_token", 40)
	got := content.Markers("a" + m.String() + "0 " + m.String() + " redacted~x~1~2 " + strings.ToUpper(m.String()))
	if len(got) != 2 || got[0].String() != m.String() || got[0].Start != 1 || got[1].Length != 40 {
		t.Errorf("Markers = %+v", got)
	}
	for _, kind := range []string{"email", "unheard_of", "rest"} {
		if got := content.Secrets(markerOf(kind, 9).String()); len(got) > 0 {
			t.Errorf("a marker of %s is taken for the secret %+v", kind, got)
		}
	}
}

func TestAllSecretsAreAll(t *testing.T) {
	one := "ghp_" + fill(36, alnum)
	if got := content.AllSecrets(strings.Repeat(one+" ", 100)); len(got) != 100 {
		t.Errorf("%d of 100 are found", len(got))
	}
	key := "-----BEGIN RSA " + "PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n" +
		strings.Repeat(fill(64, alnum)+"\n", 400) + fill(6, alnum) + "=="
	for _, text := range []string{key, strings.ReplaceAll(key, "\n", `\n`), strings.ReplaceAll(key, "\n", "\r\n")} {
		got := content.AllSecrets(text + "\nThis is prose.")
		if len(got) != 2 || got[0].End != got[1].Start || got[1].End != len(text) {
			t.Errorf("a key without an end of %d bytes is %+v", len(text), got)
		}
	}
}

func TestSecretMember(t *testing.T) {
	tests := []struct {
		name, value string
		want        bool
	}{
		{"password", "hunter2", true},
		{"DB_PASSWORD", "correct horse", true},
		{"password", "password", false},
		{"password", "${DB_PASSWORD}", false},
		{"apiKey", "Zu7qLm29sXk4", true},
		{"apiKey", "none", false},
		{"nextPageToken", "Zu7qLm29sXk4", false},
		{"Authorization", "Zu7qLm29sXk4", true},
		{"path", "Zu7qLm29sXk4", false},
		{strings.Repeat("x", 100) + "password", "Zu7qLm29sXk4", false},
	}
	for _, tt := range tests {
		if got := content.SecretMember(tt.name, tt.value); got != tt.want {
			t.Errorf("SecretMember(%q, %q) = %v", tt.name, tt.value, got)
		}
	}
}

func FuzzMarkers(f *testing.F) {
	f.Add("x" + markerOf("jwt", 1).String())
	f.Fuzz(func(t *testing.T, s string) {
		end := 0
		for _, m := range content.Markers(s) {
			if m.Start < end || m.End <= m.Start || m.End > len(s) {
				t.Fatalf("Markers(%q) = %+v", s, m)
			}
			end = m.End
		}
		checkSpans(t, s, content.AllSecrets(s))
	})
}
