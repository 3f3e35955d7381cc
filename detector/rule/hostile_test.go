package rule

import (
	"testing"
	"time"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/overloads"

	"github.com/mcpwatch/mcpwatch/detector/pattern"
	"github.com/mcpwatch/mcpwatch/rules"
)

// BenchmarkHostilePatterns tries each pattern of the shipped rules on texts made of its own literals, as long as
// a function is given one at the most, and reports the worst, nanoseconds a byte.
func BenchmarkHostilePatterns(b *testing.B) {
	set, err := Load(Folder{Name: "rules", Files: rules.FS()})
	if err != nil {
		b.Fatal(err)
	}
	const texts, size = 12, 64 << 10
	var worst float64
	var where string
	for _, p := range set.Programs {
		for i := range p.steps {
			ast.PostOrderVisit(p.steps[i].when.tree.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
				if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != overloads.Matches {
					return
				}
				args := e.AsCall().Args()
				text, _ := constant(args[len(args)-1])
				compiled, err := pattern.Compile(text)
				if err != nil {
					b.Fatal(err)
				}
				for _, hostile := range compiled.Hostile(texts, size) {
					least := time.Hour
					for range 3 {
						begin := time.Now()
						compiled.Match(hostile)
						least = min(least, time.Since(begin))
					}
					if each := float64(least.Nanoseconds()) / size; each > worst {
						worst, where = each, p.Rule.ID+" "+cut(text, maxShown)
					}
				}
			}))
		}
	}
	b.Log(where)
	b.ReportMetric(worst, "worst-ns/B")
	b.ReportMetric(0, "ns/op")
}
