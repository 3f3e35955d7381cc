package content_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/content"
)

func TestURLsOfIPv6(t *testing.T) {
	for text, want := range map[string]string{
		"curl http://[::1]:8080/x?y=[1]":              "http://[::1]:8080/x?y=",
		"[a](http://user:pw@[fe80::1%25eth0]/p) b":    "http://user:pw@[fe80::1%25eth0]/p",
		"http://[::ffff:169.254.169.254]/latest, and": "http://[::ffff:169.254.169.254]/latest",
		"http://[not an address]/x http://[a]/":       "",
		"http://a.test[1] http://[::1":                "http://a.test",
		"http://[" + strings.Repeat("0:", 64) + "]/x": "",
	} {
		if got := strings.Join(content.URLs(text), " "); got != want {
			t.Errorf("URLs(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestDomains(t *testing.T) {
	for text, want := range map[string]string{
		"curl Evil.test/x; dig +short a.b.example.co.uk. @8.8.8.8": "evil.test a.b.example.co.uk",
		"mail bob@evil.test, https://evil.test:80/ evil.test":      "evil.test",
		"https://bücher.test and bücher.example":                   "xn--bcher-kva.test xn--bcher-kva.example",
		"http://ｅvil。test/":                                        "evil.test",
		"http://localhost/ ... . -.- a. .b":                        "",
		strings.Repeat("a", 300) + ".test":                         "",
	} {
		if got := strings.Join(content.Domains(text), " "); got != want {
			t.Errorf("Domains(%q) = %q, want %q", text, got, want)
		}
	}
	if n := len(content.Domains(many("x", ".test "))); n != 64 {
		t.Errorf("%d domains", n)
	}
	if n := len(slices.Collect(content.Names(many("x", ".test ")))); n != 1000 {
		t.Errorf("%d names: those behind many others are not seen", n)
	}
}

func many(before, after string) string {
	var b strings.Builder
	for i := range 1000 {
		b.WriteString(before + strings.Repeat("y", i%50) + string(rune('a'+i%26)) + after)
	}
	return b.String()
}

func TestHashes(t *testing.T) {
	md5, sha1, sha256 := strings.Repeat("A1", 16), strings.Repeat("b2", 20), strings.Repeat("c3", 32)
	text := "md5 " + md5 + " sha1:" + sha1 + " (" + sha256 + ") x" + md5 + " " + sha256 + "0 " + md5 + "_z " + sha1 + "\n" + md5
	want := []string{strings.ToLower(md5), sha1, sha256}
	if got := content.Hashes(text); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestNumericHosts(t *testing.T) {
	got := slices.Collect(content.NumericHosts("http://0x7f.1/ ping 10.0.0.1 [64:ff9b::10.1.2.3]:1"))
	want := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("64:ff9b::a01:203"), netip.MustParseAddr("10.1.2.3")}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestIsSuffix(t *testing.T) {
	for host, want := range map[string]bool{"co.uk": true, "com": true, "github.io": true, "example.co.uk": false, "a.github.io": false} {
		if content.IsSuffix(host) != want {
			t.Errorf("IsSuffix(%q) is not %v", host, want)
		}
	}
}
