package content_test

import (
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/content"
)

// inputs are what a detector sees (a short argument, pages of results of several kinds) and
// what an attacker would send to make it slow.
func inputs() []struct{ name, text string } {
	pages := func(s string) string { return strings.Repeat(s, 64<<10/len(s)) }
	return []struct{ name, text string }{
		{"argument", "/home/alice/project/internal/server/handler.go"},
		{"normal", strings.TrimSpace(pages("reads a file from the workspace, returns its content as text and says how long it was. "))},
		{"english", pages("Reads a file from the workspace. Returns its content as text; see https://docs.example.com/read for the options.\n")},
		{"json", pages(`{"path":"/srv/data/a.txt","token_count":1234,"description":"Monthly report\n","ok":true,"key":"value"} `)},
		{"code", pages("\tfor i, row := range rows {\n\t\tif err := store.Put(ctx, row.Key, row.Value); err != nil {\n\t\t\treturn fmt.Errorf(\"put %q: %w\", row.Key, err)\n\t\t}\n\t}\n")},
		{"chinese", pages("读取工作区中的文件，并以文本形式返回其内容。共有 12 个选项，详情请参阅文档。")},
		{"russian", pages("Читает файл из рабочей области и возвращает его содержимое как текст.\n")},
		{"base64", base64.StdEncoding.EncodeToString([]byte(fill(48<<10, alnum)))},
		{"base64 noise", noise("AKIAsk-ghp_eyJabcdef0123456789+/ABCDEFGHIJKLMNOPQRSTUVWXYZ", 64<<10, 0)},
		{"base64 words", noise("abcdef0123456789+/-_", 64<<10, 19)},
		{"zero width", pages("i\u200bg\u200cn\u200do\u2060r\ufeffe ")},
		{"urls", pages("https://a.test/?q=1 http://b.test ")},
		{"near secrets", pages("ghp_a1B2c3D4e5F6g7H8i9J0kLmN0pQrStUvWxYz1- sk-a1B2c3D4e5F6g7H8i9J0kLmN0pQrStUvWxYz1a1B2c3D4e5F- password=hunter2222 ")},
		{"nested secrets", pages("sk-proj-xxxx")},
		{"nested names", pages("password=token=")},
		{"headers", pages("Bearer a1B2c3D4e5F6g7H8i9J0 token: a1B2c3D4e5F6 ")},
		{"private keys", pages("-----BEGIN PRIVATE KEY-----")},
		{"near passwords", pages("://a:xx@")},
		{"hostile", pages("-----BEGIN password=eyJ://ghp_ sk-\x1b]<!--%25&#\u200d")},
		{"marks", pages("\u0301\u0323")},
		{"ligatures", pages("\ufdfa\ufb03㍿")},
		{"jamo", pages("\u1112\u1161\u11ab")},
		{"hangul", pages("한국어")},
		{"tags", pages("\U000e0061\U000e0062")},
		{"capitals", pages("Ⱥİẞ𝐀Ａ")},
		{"invalid", pages("\xffa\xc0")},
		{"escapes", pages("\x1b]\x1b[")},
		{"dots", pages("../")},
		{"colons", pages("http://")},
		{"foreign hosts", pages("a://é.ü ")},
		{"long foreign hosts", foreign(64 << 10)},
		{"numbers", pages("1.2.3.4:")},
		{"short runs", pages("QUJDREVGR0hJSktM ")},
	}
}

// noise is n bytes drawn from letters, with a blank after each so many; 0 for none.
func noise(letters string, n, word int) string {
	random := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[random.IntN(len(letters))]
		if word > 0 && i%(word+1) == word {
			b[i] = ' '
		}
	}
	return string(b)
}

// foreign is URLs of different hosts that are long and not ASCII.
func foreign(n int) string {
	random := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for b.Len() < n {
		b.WriteString("http://")
		for i := range 42 {
			if i == 21 {
				b.WriteByte('.')
			}
			b.WriteRune(rune(0x4e00 + random.IntN(0x5000)))
		}
		b.WriteByte('/')
	}
	return b.String()[:n]
}

func bench(b *testing.B, f func(string)) {
	b.Helper()
	for _, in := range inputs() {
		b.Run(in.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f(in.text)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(in.text)), "ns/byte")
		})
	}
}

func BenchmarkNormalize(b *testing.B) { bench(b, func(s string) { content.Normalize(s) }) }
func BenchmarkHidden(b *testing.B)    { bench(b, func(s string) { content.Hidden(s) }) }
func BenchmarkUnescape(b *testing.B)  { bench(b, func(s string) { content.Unescape(s) }) }
func BenchmarkSecrets(b *testing.B)   { bench(b, func(s string) { content.Secrets(s) }) }
func BenchmarkHosts(b *testing.B)     { bench(b, func(s string) { content.Hosts(s) }) }
func BenchmarkEntropy(b *testing.B)   { bench(b, func(s string) { content.Entropy(s) }) }
func BenchmarkInternal(b *testing.B) {
	for b.Loop() {
		content.Internal("app-10-0-0-1.sslip.io")
	}
}
func BenchmarkReveal(b *testing.B)    { bench(b, func(s string) { content.Reveal(s) }) }
func BenchmarkDecoded(b *testing.B)   { bench(b, func(s string) { content.Decoded(s) }) }
func BenchmarkURLs(b *testing.B)      { bench(b, func(s string) { content.URLs(s) }) }
func BenchmarkAddresses(b *testing.B) { bench(b, func(s string) { content.Addresses(s) }) }
func BenchmarkDomain(b *testing.B) {
	for b.Loop() {
		content.Domain("a.b.example.co.uk")
	}
}
func BenchmarkPaths(b *testing.B)     { bench(b, func(s string) { content.Paths(s) }) }
func BenchmarkTraverses(b *testing.B) { bench(b, func(s string) { content.Traverses(s) }) }
