package content_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/content"
)

func TestHosts(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"none", "no address here: // nor ://", ""},
		{"one", "see https://Docs.Example.COM/path?q=1.", "docs.example.com"},
		{"end of a sentence", "(https://a.test) or https://b.test, https://c.test.", "a.test b.test c.test"},
		{"twice", "http://a.test/1 http://A.test:80/2", "a.test"},
		{"credentials", "https://user:p@ss@evil.test/x", "evil.test"},
		{"looks like another", "https://good.test@evil.test/", "evil.test"},
		{"backslash", `https://evil.test\@good.test/`, "evil.test"},
		{"port", "ws://127.0.0.1:9000/x", "127.0.0.1"},
		{"IPv6", "http://[2001:DB8::1]:80/", "2001:db8::1"},
		{"mapped", "http://[::ffff:169.254.169.254]/", "169.254.169.254"},
		{"decimal", "http://2852039166/latest", "169.254.169.254"},
		{"hex", "http://0xA9FEA9FE/", "169.254.169.254"},
		{"octal parts", "http://0251.0376.0251.0376/", "169.254.169.254"},
		{"short form", "http://127.1/", "127.0.0.1"},
		{"percent", "http://%31%32%37.0.0.1/", "127.0.0.1"},
		{"full width", "http://１２７。０。０。１/", "127.0.0.1"},
		{"circled", "http://ⓔⓧⓐⓜⓟⓛⓔ.test/", "example.test"},
		{"no host", "file:///etc/passwd", ""},
		{"markdown image", "![x](https://evil.test/p.png?d=1)", "evil.test"},
		{"not an address after all", "http://999.1.1.1/", "999.1.1.1"},
		{"punycode", "https://Bücher.test/ https://xn--bcher-kva.test/", "xn--bcher-kva.test"},
		{"inside another", "https://a.test/?to=https://b.test/", "a.test b.test"},
		{"template", "https://{host}/x", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(content.Hosts(tt.in), " "); got != tt.want {
				t.Errorf("Hosts(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestURLs(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"none", "no :// here, nor ://x or 1://x", ""},
		{"in a sentence", "see https://a.test/x?y=1#z, (http://b.test/) or git+ssh://git@c.test/r.git.", "https://a.test/x?y=1#z http://b.test/ git+ssh://git@c.test/r.git"},
		{"in JSON", `{"u":"https://a.test/\n","v":"x://y"}`, "https://a.test/ x://y"},
		{"in HTML", `<a href='https://a.test/b'>https://c.test</a>`, "https://a.test/b https://c.test"},
		{"once", "x://a x://a X://a", "x://a X://a"},
		{"inside another", "https://a.test/?to=https://b.test/", "https://a.test/?to=https://b.test/"},
		{"file", "file:///etc/passwd", "file:///etc/passwd"},
		{"nothing after", "https:// http://. x", ""},
		{"not ASCII", "https://пример.test/страница", "https://пример.test/страница"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(content.URLs(tt.in), " "); got != tt.want {
				t.Errorf("URLs(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestURLsAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 200 {
		fmt.Fprintf(&b, "http://h%d.test/%s ", i, strings.Repeat("é", 2000))
	}
	urls := content.URLs(b.String())
	if len(urls) != 64 {
		t.Errorf("%d URLs", len(urls))
	}
	for _, url := range urls {
		if len(url) > 2048 || !utf8.ValidString(url) {
			t.Errorf("URL of %d bytes", len(url))
		}
	}
}

func TestDomain(t *testing.T) {
	tests := []struct{ host, domain, sub string }{
		{"", "", ""},
		{"localhost", "localhost", ""},
		{"COM", "com", ""},
		{"co.uk", "co.uk", ""},
		{"10.0.0.1", "10.0.0.1", ""},
		{"[::1]:80", "::1", ""},
		{"0x7f.1", "127.0.0.1", ""},
		{"256.1.1.1", "256.1.1.1", ""},
		{"a b.com", "a b.com", ""},
		{"example.com", "example.com", ""},
		{"WWW.Example.CO.UK.:443", "example.co.uk", "www"},
		{"a.b.example.com", "example.com", "a.b"},
		{"alice.github.io", "alice.github.io", ""},
		{"x.alice.github.io", "alice.github.io", "x"},
		{"a.公司.cn", "a.xn--55qx5d.cn", ""},
		{"www.bücher.de", "xn--bcher-kva.de", "www"},
		{"a..com", "a..com", ""},
		{".com", ".com", ""},
		{"db.svc.cluster.local", "cluster.local", "db.svc"},
	}
	for _, tt := range tests {
		if got := content.Domain(tt.host); got != tt.domain {
			t.Errorf("Domain(%q) = %q, want %q", tt.host, got, tt.domain)
		}
		if got := content.Subdomain(tt.host); got != tt.sub {
			t.Errorf("Subdomain(%q) = %q, want %q", tt.host, got, tt.sub)
		}
	}
}

func FuzzDomain(f *testing.F) {
	for _, s := range []string{"a.example.co.uk", "a..b", ".", "xn--", "бб.рф", "[::1", "%2e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		domain, sub := content.Domain(s), content.Subdomain(s)
		if domain == "" && sub != "" || len(domain)+len(sub) > 253 {
			t.Fatalf("%q: %q, %q", s, domain, sub)
		}
		if again := content.Domain(domain); sub != "" && again != domain {
			t.Fatalf("Domain(%q) = %q, again %q", s, domain, again)
		}
	})
}

func FuzzURLs(f *testing.F) {
	for _, s := range []string{"http://a.test", "a://", "://a", "a://b://c", "x1+.-://é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, url := range content.URLs(s) {
			if !strings.Contains(s, url) || !strings.Contains(url, "://") || len(url) > 2048 {
				t.Fatalf("URLs(%q) has %q", s, url)
			}
		}
	})
}

func TestHostsAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 200 {
		fmt.Fprintf(&b, "http://h%d.test/ ", i)
	}
	if got := len(content.Hosts(b.String())); got != 64 {
		t.Errorf("%d hosts", got)
	}
	if got := content.Hosts("http://" + strings.Repeat("a", 1000) + ".test/"); len(got) != 0 {
		t.Errorf("host of a thousand letters: %.40q", got)
	}
}

func TestInternal(t *testing.T) {
	internal := []string{
		"localhost", "LOCALHOST:8080", "app.localhost", "localhost.", "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "172.31.255.255",
		"192.168.1.1", "169.254.169.254", "169.254.0.1:80", "100.64.0.1", "100.100.100.200", "0.0.0.0", "0", "255.255.255.255", "198.18.0.1", "192.0.0.192",
		"168.63.129.16", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "127.1", "10.1", "3232235777",
		"[::1]", "::1", "[::1]:8080", "::", "fe80::1%eth0", "[fe80::1]", "fc00::1", "fd00:ec2::254", "::ffff:10.0.0.1", "::ffff:7f00:1", "::127.0.0.1",
		"64:ff9b::a9fe:a9fe", "2002:7f00:1::", "fec0::1", "metadata.google.internal", "metadata", "instance-data", "kubernetes.default.svc",
		"db.svc.cluster.local", "printer.local", "host.docker.internal", "git.corp", "127.0.0.1.nip.io", "app-10-0-0-1.sslip.io", "a9fea9fe.nip.io", "x.localtest.me",
		"①②⑦.0.0.1",
	}
	for _, h := range internal {
		if !content.Internal(h) {
			t.Errorf("Internal(%q) = false", h)
		}
	}
	public := []string{
		"", "example.com", "example.com:443", "8.8.8.8", "134744072", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "192.169.0.1", "169.253.0.1", "11.0.0.1",
		"2606:4700::1111", "[2606:4700::1111]:443", "64:ff9b::808:808", "localhost.example.com", "internal.example.com", "mylocal", "metadata.example.com",
		"10.example.com", "127.0.0.1.example.com", "8.8.8.8.nip.io", "1.2.3.4.5", "0x7g", "256.256.256.256", "999999999999",
	}
	for _, h := range public {
		if content.Internal(h) {
			t.Errorf("Internal(%q) = true", h)
		}
	}
}

// However an internal address is written, it is recognised.
func TestInternalInEveryNotation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prefix := netip.MustParsePrefix(rapid.SampledFrom([]string{"10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"}).Draw(t, "prefix"))
		b := prefix.Addr().As4()
		v := uint32(b[0])<<24 | uint32(b[1])<<16 | rapid.Uint32().Draw(t, "host")>>prefix.Bits()
		a := [4]uint32{v >> 24, v >> 16 & 255, v >> 8 & 255, v & 255}
		for _, host := range []string{
			fmt.Sprintf("%d.%d.%d.%d", a[0], a[1], a[2], a[3]), fmt.Sprintf("%d", v), fmt.Sprintf("0x%x", v), fmt.Sprintf("0%o", v),
			fmt.Sprintf("0x%x.0%o.%d.%d", a[0], a[1], a[2], a[3]), fmt.Sprintf("%d.%d", a[0], v&0xffffff), fmt.Sprintf("::ffff:%d.%d.%d.%d", a[0], a[1], a[2], a[3]),
			fmt.Sprintf("[::ffff:%x:%x]:80", v>>16, v&0xffff), fmt.Sprintf("64:ff9b::%x:%x", v>>16, v&0xffff),
		} {
			if !content.Internal(host) {
				t.Fatalf("Internal(%q) = false", host)
			}
		}
		url := fmt.Sprintf("http://0x%x/", v)
		if got := content.Hosts(url); len(got) != 1 || got[0] != fmt.Sprintf("%d.%d.%d.%d", a[0], a[1], a[2], a[3]) {
			t.Fatalf("Hosts(%q) = %q", url, got)
		}
	})
}

func FuzzHosts(f *testing.F) {
	for _, s := range []string{"http://a.test", "http://[::1", "http://0x", "://", "http://a@b@c", "http://%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, h := range content.Hosts(s) {
			if h == "" || len(h) > 253 {
				t.Fatalf("Hosts(%q) has %q", s, h)
			}
			content.Internal(h)
		}
	})
}

func FuzzInternal(f *testing.F) {
	for _, s := range []string{"127.0.0.1", "0x7f.1", "[::1]:80", "1.2.3.4.nip.io", "....", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if content.Internal(s) != content.Internal(strings.ToUpper(s)) && strings.ToLower(strings.ToUpper(s)) == s {
			t.Fatalf("Internal(%q) depends on case", s)
		}
	})
}
