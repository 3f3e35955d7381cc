package match

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// benchmarkText is what a harmless event looks like.
func benchmarkText(n int) string {
	const one = `{"name":"create_issue","arguments":{"owner":"acme","repo":"billing","title":"Invoices show the wrong total after ` +
		`a refund","body":"Steps to reproduce:\n1. Open the dashboard and choose a customer with at least two paid invoices.\n` +
		`2. Refund one of them through the admin panel (https://admin.acme.example/refunds/new).\n3. Go back to the list.\n\n` +
		`Expected: the total is lowered by the amount. Actual: it stays at 1,249.50 EUR until the cache expires, about 15 minutes ` +
		`later. Logs are under /srv/billing/logs/worker-3.log; the relevant line is\n2026-05-11T07:44:02Z WARN totals.go:218 stale ` +
		`snapshot, key=inv_8821 age=903s\nI think the listener added in v2.14.0 does not invalidate the summary. Could somebody from ` +
		`the payments team have a look? It blocks the quarterly closing.","labels":["bug","payments"],"assignees":["j.meyer"]}}`
	return strings.Repeat(one+" ", n/len(one)+1)[:n]
}

// benchmarkWords are of what rules look for.
var benchmarkWords = strings.Fields(`ignore previous instructions override system prompt disregard prior forget above reveal ` +
	`secret token password key exfiltrate send upload curl wget bash passwd shadow ssh aws credentials environ docker kube ` +
	`base64 powershell union select drop table script alert eval exec invoke download webhook bearer private admin sudo chmod ` +
	`authorized_keys id_rsa bypass approval silently without telling the user hidden jailbreak developer mode`)

// benchmarkLiterals are phrases, paths and names of hosts, and of a hundred so many that are of 4 to 6 bytes.
func benchmarkLiterals(n, short int) *Literals {
	b := builderOf(benchmarkPhrases(n, short))
	return b.Build()
}

func benchmarkPhrases(n, short int) []string {
	r := rand.New(rand.NewPCG(3, 4))
	word := func() string { return benchmarkWords[r.IntN(len(benchmarkWords))] }
	name := func() string {
		var b strings.Builder
		for range 2 + r.IntN(2) {
			b.WriteString(string([]byte{"bcdfghklmnprstvz"[r.IntN(16)], "aeiou"[r.IntN(5)], "lmnrstx-"[r.IntN(8)]}))
		}
		return b.String()
	}
	known := map[string]bool{}
	var all []string
	for len(all) < n {
		var literal string
		switch {
		case r.IntN(100) < short:
			w := word() + word()
			at := r.IntN(max(1, len(w)-6))
			literal = w[at:min(len(w), at+4+r.IntN(3))]
		case r.IntN(3) == 0:
			literal = fmt.Sprintf("/%s/%s_%d", word(), word(), r.IntN(100_000))
		case r.IntN(2) == 0:
			literal = name() + []string{".com", ".net", ".org", ".io", ".example.com"}[r.IntN(5)]
		default:
			literal = word() + " " + word() + " " + word()
		}
		if !known[literal] {
			known[literal] = true
			all = append(all, literal)
		}
	}
	return all
}

func builderOf(literals []string) *Builder {
	var b Builder
	for _, literal := range literals {
		b.Add(literal)
	}
	return &b
}

func benchmarkScan(b *testing.B, l *Literals, text string) {
	b.Helper()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var h Hits
	for b.Loop() {
		h.Reset(l.Len())
		l.Scan(text, &h)
	}
	b.ReportMetric(float64(len(h.IDs())), "hits")
}

func BenchmarkScan(b *testing.B) {
	for _, n := range []int{10, 200, 2000, 20_000} {
		for _, short := range []int{0, 5} {
			b.Run(fmt.Sprintf("literals=%d/short=%d%%", n, short), func(b *testing.B) {
				benchmarkScan(b, benchmarkLiterals(n, short), benchmarkText(900))
			})
		}
	}
	few := []string{";", "`", "$(", "&&", "../", "${", "rm "}
	b.Run("few of 1 to 3 bytes", func(b *testing.B) { benchmarkScan(b, builderOf(few).Build(), benchmarkText(900)) })
	more := append(few, "|", "||", ">&", "<!", "nc ", "-c ", "@@", "=~", "eyj", "sk-", "~/", "\u200b")
	b.Run("more of 1 to 3 bytes", func(b *testing.B) { benchmarkScan(b, builderOf(more).Build(), benchmarkText(900)) })
}

// BenchmarkScanHostile scans 30,000 bytes that are made to cost.
func BenchmarkScanHostile(b *testing.B) {
	const size = 30_000
	cut := func(s string) string { return strings.Repeat(s, size/len(s)+1)[:size] }
	phrases := benchmarkPhrases(2000, 0)
	l := builderOf(phrases).Build()
	b.Run("all literals", func(b *testing.B) { benchmarkScan(b, l, cut(strings.Join(phrases, " "))) })

	// The text is made of all the windows, and no literal is there.
	var windows strings.Builder
	for _, e := range l.filter.table.entries {
		windows.WriteString(e.text[e.offset:min(int(e.offset)+coreSize, len(e.text)-1)])
	}
	b.Run("all windows", func(b *testing.B) { benchmarkScan(b, l, cut(windows.String())) })

	// Thousands of literals have nothing but what they share to be known by.
	var alike []string
	for i := range 10_000 {
		alike = append(alike, fmt.Sprintf("xxxx%04d", i))
	}
	b.Run("alike", func(b *testing.B) { benchmarkScan(b, builderOf(alike).Build(), cut("xxxx")) })

	var nested []string
	for i := 7; i < 200; i++ {
		nested = append(nested, strings.Repeat("a", i)+"b")
	}
	b.Run("nested", func(b *testing.B) { benchmarkScan(b, builderOf(nested).Build(), cut("a")) })

	// Nearly whole literals, over and over: for the automaton the worst there is.
	var nearly strings.Builder
	for _, phrase := range phrases {
		nearly.WriteString(phrase[:len(phrase)-1])
	}
	b.Run("nearly", func(b *testing.B) { benchmarkScan(b, l, cut(nearly.String())) })
	b.Run("nearly, automaton alone", func(b *testing.B) {
		b.SetBytes(size)
		var h Hits
		for b.Loop() {
			h.Reset(l.Len())
			l.automaton.scan(cut(nearly.String())[:size], &h)
		}
	})
}

func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{2000, 20_000} {
		b.Run(fmt.Sprintf("literals=%d", n), func(b *testing.B) {
			all := builderOf(benchmarkPhrases(n, 5))
			for b.Loop() {
				all.Build()
			}
		})
	}
}

var benchmarkPatterns = []struct{ name, pattern string }{
	{"base64", `[A-Za-z0-9+/]{120,}={0,2}`},
	{"card", `[0-9]{15,16}`},
	{"invisible", `[\x{200b}-\x{200f}]`},
	{"phrase", `(?i)(ignore|disregard|forget)\s+(?:all\s+)?(?:the\s+)?(previous|prior|above)\s+instructions`},
}

func BenchmarkPattern(b *testing.B) {
	for _, p := range benchmarkPatterns {
		b.Run(p.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Pattern(p.pattern); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRunIn(b *testing.B) {
	for _, p := range benchmarkPatterns[:3] {
		need, err := Pattern(p.pattern)
		if err != nil {
			b.Fatal(err)
		}
		hostile := "" // the run but for one byte, over and over
		for c := range 256 {
			if hostile == "" && need.Run.Bytes.Has(byte(c)) {
				hostile = strings.Repeat(string([]byte{byte(c)}), need.Run.N-1) + "\x00"
			}
		}
		for name, text := range map[string]string{"usual": benchmarkText(900), "hostile": strings.Repeat(hostile, 900)[need.Run.N/2:][:900]} {
			b.Run(p.name+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					need.Run.In(text)
				}
			})
		}
	}
}
