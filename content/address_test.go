package content_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/content"
)

func TestAddress(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"example.com", ""},
		{"127.0.0.1", "127.0.0.1"},
		{"127.0.0.1:8080", "127.0.0.1"},
		{"2130706433", "127.0.0.1"},
		{"0x7f.1", "127.0.0.1"},
		{"0177.0.0.1", "127.0.0.1"},
		{"１２７。０。０。１", "127.0.0.1"},
		{"%31%32%37.0.0.1", "127.0.0.1"},
		{"[::1]:80", "::1"},
		{"::2", "::2"},
		{"fe80::1%eth0", "fe80::1"},
		{"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
		{"::ffff:169.254.169.254", "169.254.169.254"},
		{"[64:ff9b::a9fe:a9fe]", "169.254.169.254"},
		{"2002:7f00:1::", "127.0.0.1"},
		{"::127.0.0.1", "127.0.0.1"},
		{"1.2.3", "1.2.0.3"},
		{"1.2.3.4.5", ""},
		{"256.1.1.1", ""},
		{"0x7g", ""},
	}
	for _, tt := range tests {
		if got := content.Address(tt.in); got != tt.want {
			t.Errorf("Address(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestAddresses(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"none", "at 12:34:56, version 1.2.3; std::string a.b c::d 3.14", ""},
		{"plain", "ping 10.0.0.1, 10.0.0.2.", "10.0.0.1 10.0.0.2"},
		{"port", "connect 10.0.0.1:8080", "10.0.0.1"},
		{"name before", "PEER:10.0.0.1:22", "10.0.0.1"},
		{"range", "10.0.0.1-10.0.0.9/24", "10.0.0.1 10.0.0.9"},
		{"JSON", `{"ip":"192.168.1.1","n":1}`, "192.168.1.1"},
		{"hexadecimal parts", "curl 0x7f.0.0.1", "127.0.0.1"},
		{"IPv6", "ssh fe80::1%eth0 and [2001:db8::2]:22 and ::1", "fe80::1 2001:db8::2 ::1"},
		{"network", "route 2001:db8::/32", "2001:db8::"},
		{"mapped", "::ffff:10.0.0.1", "10.0.0.1"},
		{"URLs first", "8.8.8.8 http://2130706433/ http://0xa9fea9fe/", "127.0.0.1 169.254.169.254 8.8.8.8"},
		{"once", "1.1.1.1 1.1.1.1 http://1.1.1.1/", "1.1.1.1"},
		{"number", "2130706433", ""},
		{"five parts", "1.3.6.1.4", ""},
		{"part of a word", "v1.2.3.4 x_1.2.3.4", ""},
		{"MAC", "00:1a:2b:3c:4d:5e", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(content.Addresses(tt.in), " "); got != tt.want {
				t.Errorf("Addresses(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestAddressesAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 200 {
		fmt.Fprintf(&b, "http://10.0.1.%d/ 10.0.0.%d ", i, i)
	}
	if got := len(content.Addresses(b.String())); got != 64 {
		t.Errorf("%d addresses", got)
	}
}

// Every address is found as netip writes it, between other text.
func TestAddressesFindsAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes")
		a := netip.AddrFrom16([16]byte(b))
		if rapid.Bool().Draw(t, "v4") {
			a = netip.AddrFrom4([4]byte(b))
		}
		text := rapid.SampledFrom([]string{"", "to ", `"`, "(", "@", "=", ","}).Draw(t, "before") + a.String() + rapid.SampledFrom([]string{"", " ", `"`, ")", "/8", ", b", "."}).Draw(t, "after")
		if got := content.Addresses(text); !slices.Equal(got, []string{content.Address(a.String())}) {
			t.Fatalf("Addresses(%q) = %q", text, got)
		}
	})
}

func FuzzAddresses(f *testing.F) {
	for _, s := range []string{"10.0.0.1", "http://0x7f.1/", "::1", "fe80::1%eth0", "1.2.3.4:", ":::::", "[64:ff9b::1.2.3.4]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, a := range content.Addresses(s) {
			if _, err := netip.ParseAddr(a); err != nil || content.Address(a) != a {
				t.Fatalf("Addresses(%q) has %q, again %q", s, a, content.Address(a))
			}
		}
		content.Address(s)
	})
}
