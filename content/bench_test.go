package content_test

import (
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/content"
)

// inputs are what a detector sees (a short argument, a definition, a page of a result) and
// what an attacker would send to make it slow.
func inputs() map[string]string {
	definition := "Reads a file from the workspace. Returns its content as text; see https://docs.example.com/read for the options. "
	return map[string]string{
		"argument":   "/home/alice/project/internal/server/handler.go",
		"definition": strings.Repeat(definition, 8),
		"unicode":    strings.Repeat("Liest eine Datei – größer als 10 МБ, 读取文件。 ", 20),
		"result64k":  strings.Repeat(`{"path":"/srv/data/a.txt","token_count":1234,"key":"value"} `, 1100),
		"hostile64k": strings.Repeat("-----BEGIN password=eyJ://ghp_ sk-\x1b]<!--%25&#\u200d", 1300),
	}
}

func bench(b *testing.B, f func(string)) {
	b.Helper()
	for name, s := range inputs() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(s)))
			for b.Loop() {
				f(s)
			}
		})
	}
}

func BenchmarkNormalize(b *testing.B) { bench(b, func(s string) { content.Normalize(s) }) }
func BenchmarkHidden(b *testing.B)    { bench(b, func(s string) { content.Hidden(s) }) }
func BenchmarkUnescape(b *testing.B)  { bench(b, func(s string) { content.Unescape(s) }) }
func BenchmarkSecrets(b *testing.B)   { bench(b, func(s string) { content.Secrets(s) }) }
func BenchmarkHosts(b *testing.B)     { bench(b, func(s string) { content.Hosts(s) }) }
func BenchmarkInternal(b *testing.B) {
	for b.Loop() {
		content.Internal("app-10-0-0-1.sslip.io")
	}
}
