package collector_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/collector"
)

func TestParseTokensReadsAFile(t *testing.T) {
	a, b := collector.HashToken("a"), collector.HashToken("b")
	file := fmt.Sprintf("# a comment\ntokens:\n  - {tenant: acme, source: laptops, sha256: %x}\n  - tenant: acme\n    source: servers_2\n    sha256: '%X'\n", a, b)
	tokens, err := collector.ParseTokens("tokens.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	want := collector.Tokens{a: {Tenant: "acme", Source: "laptops"}, b: {Tenant: "acme", Source: "servers_2"}}
	if fmt.Sprint(tokens) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", tokens, want)
	}
}

func TestParseTokensNamesEveryProblem(t *testing.T) {
	good := fmt.Sprintf("%x", collector.HashToken("a"))
	entry := func(tenant, source, sha string) string {
		return fmt.Sprintf("  - {tenant: %q, source: %q, sha256: %q}\n", tenant, source, sha)
	}
	for _, c := range []struct {
		name, file string
		want       []string
	}{
		{"nothing", "", []string{"no token"}},
		{"no tokens", "tokens: []\n", []string{"no token"}},
		{"no YAML", "tokens: [", []string{"reading tokens from t.yaml"}},
		{"an unknown field", "tokens:\n  - {tenant: a, source: b, sha256: x, token: secret}\n", []string{"reading tokens from t.yaml", "token"}},
		{"a plain token", "tokens:\n" + entry("a", "b", "secret"), []string{"tokens[0]: sha256 must be 64"}},
		{"63, 65 and 66 digits", "tokens:\n" + entry("a", "b", good[1:]) + entry("a", "b", good+"0") + entry("a", "b", good+"00"), []string{"tokens[0]: sha256", "tokens[1]: sha256", "tokens[2]: sha256"}},
		{"other digits", "tokens:\n" + entry("a", "b", strings.Repeat("g", 64)), []string{"tokens[0]: sha256"}},
		{"no tenant, a source with a dot", "tokens:\n" + entry("", "b", good) + entry("a", "b.c", good), []string{"tokens[0]: tenant", "tokens[1]: tenant"}},
		{"a line break", "tokens:\n" + entry("a\n", "b", good), []string{"tokens[0]: tenant"}},
		{"a name too long", "tokens:\n" + entry("a", strings.Repeat("b", 65), good), []string{"tokens[0]: tenant"}},
		{"one token twice", "tokens:\n" + entry("a", "b", good) + entry("c", "d", strings.ToUpper(good)), []string{"tokens[1]: the same token"}},
	} {
		_, err := collector.ParseTokens("t.yaml", []byte(c.file))
		for _, part := range c.want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v, want %q", c.name, err, part)
			}
		}
	}
}
