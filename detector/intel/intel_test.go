package intel_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/detector/intel"
)

func TestParseLine(t *testing.T) {
	md5 := strings.Repeat("A1", 16)
	for _, tt := range []struct {
		kind       intel.Kind
		line, want string // "!": an error
	}{
		{intel.Domains, "Evil.TEST.", "evil.test"},
		{intel.Domains, "*.evil.test, seen in May", "evil.test"},
		{intel.Domains, ".evil.test", "evil.test"},
		{intel.Domains, "hxxps://evil[.]co[.]uk/", "evil.co.uk"},
		{intel.Domains, "Bücher.test", "xn--bcher-kva.test"},
		{intel.Domains, "0.0.0.0 evil.test Worse.test # both", "evil.test worse.test"},
		{intel.Domains, "127.0.0.1 localhost localhost.localdomain", ""},
		{intel.Domains, "github.io", "github.io"},
		{intel.Domains, "*.github.io", "*.github.io"},
		{intel.Domains, "*.zip", "*.zip"},
		{intel.Domains, "localhost", "!"},
		{intel.Domains, "evil.test/x", "!"},
		{intel.Domains, "http://evil.test/x", "!"},
		{intel.Domains, "10.0.0.1", "!"},
		{intel.Domains, "a..b", "!"},
		{intel.Domains, "-a.test", "!"},
		{intel.Domains, ",;", "!"},
		{intel.Addresses, "10[.]1.2.3", "10.1.2.3"},
		{intel.Addresses, "10.1.2.3:443", "10.1.2.3"},
		{intel.Addresses, "10.1.2.3/8", "10.0.0.0/8"},
		{intel.Addresses, "::ffff:10.1.2.0/120", "10.1.2.0/24"},
		{intel.Addresses, "2001:DB8::1/128", "2001:db8::1"},
		{intel.Addresses, "0.0.0.0/0", "!"},
		{intel.Addresses, "::ffff:0.0.0.0/90", "!"},
		{intel.Addresses, "evil.test", "!"},
		{intel.Addresses, "010.1.1.1", "!"},
		{intel.URLs, "hxxp://User:pw@Evil[.]test:80/a/../%62,c;d?x=%2f#part seen", "http://evil.test/b,c;d?x=%2F"},
		{intel.URLs, "https://evil.test", "https://evil.test/"},
		{intel.URLs, "http://[::1]:8080/.", "http://[::1]:8080/"},
		{intel.URLs, "evil.test/x", "!"},
		{intel.URLs, `"http://evil.test/a,b","x"`, "http://evil.test/a,b"},
		{intel.URLs, `"http://evil.test`, "!"},
		{intel.Hashes, "md5:" + md5, strings.ToLower(md5)},
		{intel.Hashes, md5 + "0", "!"},
		{intel.Plain, `"a b"`, "a"},
		{"other", "a", "!"},
	} {
		values, err := tt.kind.ParseLine(tt.line, false)
		got := strings.Join(values, " ")
		if err != nil {
			got = "!"
		}
		if got != tt.want {
			t.Errorf("%s: %q gives %q, %v, want %q", tt.kind, tt.line, got, err, tt.want)
		}
	}
}

func TestSet(t *testing.T) {
	md5 := strings.Repeat("a1", 16)
	for _, tt := range []struct {
		kind   intel.Kind
		values string
		has    string
		hasNot string
		text   string
		in     string
	}{
		{
			intel.Domains, "evil.co.uk github.io *.duckdns.org x.test", "evil.co.uk A.B.Evil.co.uk. github.io a.duckdns.org b.x.test:80",
			"co.uk notevil.co.uk a.github.io duckdns.org test evil.co.uk.test", "curl a.evil.co.uk/x, a@Y.Duckdns.org and http://evil。co。uk/ not a.github.io",
			"evil.co.uk *.duckdns.org evil.co.uk",
		},
		{
			intel.Addresses, "10.0.0.0/8 192.0.2.1 2001:db8::/32", "10.9.9.9 ::ffff:10.1.1.1 0xa000001 192.0.2.1 2001:db8::5 [2001:db8::5]:80",
			"11.0.0.1 192.0.2.2 2001:db9::1 evil.test", "ping 10.1.2.3 http://0xc0000201/ http://[2001:db8::1]/ 8.8.8.8", "192.0.2.1 2001:db8::/32 10.0.0.0/8 2001:db8::/32",
		},
		{
			intel.URLs, "http://evil.test/a", "HTTP://x@EVIL.test:80/b/../%61#f", "https://evil.test/a http://evil.test/ x",
			"see http://evil.test/a, http://evil.test/b", "http://evil.test/a",
		},
		{intel.Hashes, md5, md5 + " " + strings.ToUpper(md5), md5 + "0", "md5=" + strings.ToUpper(md5), md5},
	} {
		s := intel.New(tt.kind, strings.Fields(tt.values))
		for value := range strings.FieldsSeq(tt.has) {
			if !s.Has(value) {
				t.Errorf("%s: %q is not listed", tt.kind, value)
			}
		}
		for value := range strings.FieldsSeq(tt.hasNot) {
			if s.Has(value) {
				t.Errorf("%s: %q is listed", tt.kind, value)
			}
		}
		if got := slices.Collect(s.In(tt.text)); strings.Join(got, " ") != tt.in {
			t.Errorf("%s: in %q are %q, want %q", tt.kind, tt.text, got, tt.in)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"*.evil[.]test", "hxxp://a@b:80/../%2e?#", "::ffff:1.2.3.4/100", "0.0.0.0 a.test", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, k := range intel.Kinds() {
			value, err := k.Parse(s)
			if err != nil {
				continue
			}
			again, err := k.Parse(value)
			if err != nil || again != value {
				t.Fatalf("%s: %q gives %q, which gives %q, %v", k, s, value, again, err)
			}
			if k != intel.Domains && !strings.Contains(value, "/") && !intel.New(k, []string{value}).Has(value) {
				t.Fatalf("%s: %q is not in a list of it", k, value)
			}
			for range intel.New(k, []string{value}).In(s) {
				break
			}
		}
	})
}
