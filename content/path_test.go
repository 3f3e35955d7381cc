package content_test

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/content"
)

func TestPaths(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"none", "and/or 1/2 text/html a.b, / // x / y. C: c:x ~ ..", ""},
		{"absolute", "cat /etc/passwd, '/var/log/a.log' and /tmp/x.", "/etc/passwd|/var/log/a.log|/tmp/x"},
		{"cleaned", "/a//b/./c/../d/", "/a/b/d"},
		{"to the root", "/../../etc/shadow", "/etc/shadow"},
		{"home", "~/.ssh/id_rsa ~root/.bashrc ~", "~/.ssh/id_rsa|~root/.bashrc"},
		{"relative", "../x a/../../b ./c/../d ../..", "../x|../b|d|../.."},
		{"drive", `C:\Windows\System32\cmd.exe d:/x/y "E:\a\..\b"`, "C:/Windows/System32/cmd.exe|d:/x/y|E:/b"},
		{"drive in JSON", `{"p":"C:\\Users\\a\\.ssh"}`, "C:/Users/a/.ssh"},
		{"server", `\\files\share\x.doc`, "//files/share/x.doc"},
		{"server in JSON", `"\\\\files\\share\\x.doc"`, "//files/share/x.doc"},
		{"server with slashes", "//files/share/x", "//files/share/x"},
		{"slashes doubled", "//etc//passwd ///root//.ssh/id_rsa \\/etc\\/x //ETC/x//y", "/etc/passwd|/root/.ssh/id_rsa|/etc/x|//ETC/x/y"},
		{"comment", "//nolint x //", ""},
		{"device", `\\?\C:\x\y`, "C:/x/y"},
		{"climbing on Windows", `..\..\boot.ini`, "../../boot.ini"},
		{"option and assignment", "--file=/etc/hosts -v /a:/b:ro -d @/etc/x f=~/y", "/etc/hosts|/a|/b|/etc/x|~/y"},
		{"URL", "https://x.test/etc/passwd http://h:80/a/b s3://bucket/key", ""},
		{"URL with a path in it", "https://x.test/?f=/etc/passwd&g=../x", "/etc/passwd|../x"},
		{"file URL", "file:///etc/passwd file://host/etc/group FILE:/etc/shadow file:///C:/x", "/etc/passwd|/etc/group|/etc/shadow|C:/x"},
		{"tags", "<b>x</b><br/>", ""},
		{"lines in JSON", `"a\n/etc/passwd\n/etc/group"`, "/etc/group"},
		{"slashes escaped in JSON", `"\/etc\/passwd"`, "/etc/passwd"},
		{"once", "/a/b /a//b /a/b/", "/a/b"},
		{"not ASCII", "读取 /数据/文件.txt", "/数据/文件.txt"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(content.Paths(tt.in), "|"); got != tt.want {
				t.Errorf("Paths(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestPathsAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 200 {
		fmt.Fprintf(&b, "/p%d/%s ", i, strings.Repeat("x", 9000))
	}
	paths := content.Paths(b.String())
	if len(paths) != 64 {
		t.Errorf("%d paths", len(paths))
	}
	for _, p := range paths {
		if len(p) > 4096 {
			t.Errorf("path of %d bytes", len(p))
		}
	}
}

func TestTraverses(t *testing.T) {
	for _, s := range []string{"../x", "a/../b", "/a/..", `..\x`, `C:\a\..\..\b`, "file=../x", "x (../y)", `"a/.."`, "https://h.test/../x", "/.. x", "a\n../b"} {
		if !content.Traverses(s) {
			t.Errorf("Traverses(%q) = false", s)
		}
	}
	for _, s := range []string{"", "..", "cd ..", "wait... /x", "a..b/c", "main..dev", ".../x", "x/...", "a../b", "/a/..b", "./...", "1..2"} {
		if content.Traverses(s) {
			t.Errorf("Traverses(%q) = true", s)
		}
	}
}

// What is written as a path is found, cleaned, between other words.
func TestPathsFindsAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom([]string{"/", "~/", "../", "~alice/"}).Draw(t, "root") + rapid.StringMatching(`[a-z0-9_.-]{0,8}[a-z0-9](/[a-z.]{0,6}[a-z]){0,5}`).Draw(t, "path")
		text := rapid.SampledFrom([]string{"", "open ", `"`, "f=", "(", "a b, "}).Draw(t, "before") + p + rapid.SampledFrom([]string{"", " x", `"`, ")", ", y", "."}).Draw(t, "after")
		got := content.Paths(text)
		if len(got) != 1 || got[0] != path.Clean(p) {
			t.Fatalf("Paths(%q) = %q", text, got)
		}
		if content.Traverses(text) != strings.HasPrefix(p, "../") {
			t.Fatalf("Traverses(%q) is wrong", text)
		}
	})
}

func FuzzPaths(f *testing.F) {
	for _, s := range []string{"/etc/passwd", `C:\x`, `\\a\b`, "~/x", "a/../../b", "file:///x", `\n/x`, "//", ":/", `\\?\C:\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, p := range content.Paths(s) {
			local := p
			if strings.HasPrefix(p, "//") { // a server's
				local = p[1:]
			}
			if len(p) > 4096+2 || path.Clean(local) != local {
				t.Fatalf("Paths(%q) has %q", s, p)
			}
		}
		content.Traverses(s)
	})
}
