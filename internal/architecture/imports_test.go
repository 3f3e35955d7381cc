package architecture_test

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/mcpwatch/mcpwatch"

// A clause is one import as it stands in a file.
type clause struct {
	file string // relative to the module's root, with slashes
	imp  string // import path
}

// A line says what the files under some folders must not import. Folders and imports are prefixes that end at a
// slash: "event" covers event and event/sub, not eventual.
type line struct {
	name string
	// in lists the folders that the line binds; without any it binds all.
	in []string
	// except lists folders that it leaves free.
	except []string
	// exceptTestsIn lists folders whose test files it leaves free; "." is every folder.
	exceptTestsIn []string
	// deny lists import paths, ours as "./folder" ("." is the whole module).
	deny []string
	// allow lists import paths that are free although deny covers them.
	allow []string
}

// lines returns the house's lines. The depguard section of .golangci.yml states them too: change both.
func lines() []line {
	engine := []string{
		"event", "content", "finding",
		"detector/rule", "detector/match", "detector/window", "detector/baseline", "detector/fleet", "detector/sigma",
	}
	return []line{
		{name: "everywhere", deny: []string{"log", "math/rand", "github.com/pkg/errors"}, allow: []string{"log/slog", "math/rand/v2"}},

		{name: "event", in: []string{"event"}, deny: []string{"."}, allow: []string{"./event"}},
		{name: "content", in: []string{"content"}, deny: []string{"."}, allow: []string{"./content"}},
		{name: "finding", in: []string{"finding"}, deny: []string{"."}, allow: []string{"./finding", "./event"}},
		{name: "collector", in: []string{"collector"}, deny: []string{"./detector", "./storage", "./alert"}},
		{name: "detector", in: []string{"detector"}, deny: []string{"./collector", "./storage", "./alert"}},
		{name: "storage", in: []string{"storage"}, deny: []string{"./collector", "./detector", "./alert"}},
		{name: "alert", in: []string{"alert"}, deny: []string{"./collector", "./detector", "./storage"}},
		{
			name: "internal", in: []string{"internal"}, except: []string{"internal/pathbench", "internal/enginebench"},
			deny: []string{"./collector", "./detector", "./storage", "./alert"},
		},
		{name: "rules", in: []string{"rules"}, exceptTestsIn: []string{"."}, deny: []string{"."}, allow: []string{"./rules"}},
		{name: "cmd", except: []string{"cmd", "internal/pathbench"}, deny: []string{"./cmd"}},
		{
			name: "embedded", except: []string{"cmd", "internal/embedded", "internal/pathbench"}, exceptTestsIn: []string{"."},
			deny: []string{"./internal/embedded"},
		},

		{name: "cel", except: []string{"detector/rule"}, deny: []string{"github.com/google/cel-go", "cel.dev"}},
		{
			name: "kafka", except: []string{"internal/kafka"}, exceptTestsIn: []string{"internal/embedded"},
			deny: []string{"github.com/segmentio/kafka-go"},
		},
		{
			name: "clickhouse", except: []string{"storage"}, exceptTestsIn: []string{"internal/embedded", "cmd/mcpwatch"},
			deny: []string{"github.com/ClickHouse/clickhouse-go"},
		},
		{
			name: "nats", except: []string{"alert"}, exceptTestsIn: []string{"internal/embedded", "cmd/mcpwatch"},
			deny: []string{"github.com/nats-io/nats.go"},
		},
		{
			name: "otlp", except: []string{"collector"},
			deny: []string{"google.golang.org/grpc", "go.opentelemetry.io/proto"},
		},
		{
			name: "servers", except: []string{"internal/embedded"},
			deny: []string{"github.com/twmb/franz-go", "github.com/nats-io/nats-server", "github.com/ebitengine/purego"},
		},

		{name: "engine-logs", in: engine[:4], deny: []string{"github.com/rs/zerolog"}},
		{
			name: "engine-world", in: engine, exceptTestsIn: []string{"."},
			deny: []string{"crypto/rand", "math/rand", "net/http", "os"},
		},
	}
}

// binds tells whether the line holds for a file.
func (l line) binds(file string) bool {
	if len(l.in) > 0 && !under(file, l.in...) {
		return false
	}
	if strings.HasSuffix(file, "_test.go") && under(file, l.exceptTestsIn...) {
		return false
	}
	return !under(file, l.except...)
}

// crossed tells whether the line forbids an import to the files that it binds.
func (l line) crossed(imp string) bool {
	return under(imp, absolute(l.deny)...) && !under(imp, absolute(l.allow)...)
}

// absolute replaces "." and "./folder" by import paths.
func absolute(imports []string) []string {
	out := make([]string, len(imports))
	for i, imp := range imports {
		out[i] = imp
		if imp == "." || strings.HasPrefix(imp, "./") {
			out[i] = path.Join(module, imp)
		}
	}
	return out
}

// under tells whether a path is one of the folders or lies in one; every relative path lies in ".".
func under(p string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		return folder == "." || p == folder || strings.HasPrefix(p, folder+"/")
	})
}

// violations names each import that crosses a line, and the line.
func violations(clauses []clause) []string {
	var out []string
	for _, l := range lines() {
		for _, c := range clauses {
			if l.binds(c.file) && l.crossed(c.imp) {
				out = append(out, fmt.Sprintf("%s: %s imports %s", l.name, c.file, c.imp))
			}
		}
	}
	return out
}

// moduleRoot is the nearest folder above the test's that holds a go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the test's folder")
		}
		dir = parent
	}
}

// clausesUnder reads the import clauses of every Go file that the go command would count to the module.
func clausesUnder(root string) ([]clause, error) {
	var out []clause
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if file != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) ||
			entry.IsDir() && (name == "testdata" || name == "vendor" || name == "node_modules") {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		found, err := clausesOf(file, filepath.ToSlash(rel))
		out = append(out, found...)
		return err
	})
	return out, err
}

// clausesOf reads one file's import clauses.
func clausesOf(file, rel string) ([]clause, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var out []clause
	for _, spec := range parsed.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: import %s: %w", rel, spec.Path.Value, err)
		}
		out = append(out, clause{file: rel, imp: imp})
	}
	return out, nil
}

func TestImportGraph(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	clauses, err := clausesUnder(root)
	if err != nil {
		t.Fatal(err)
	}
	// This file's own import proves that the walk reaches the module's files.
	if !slices.Contains(clauses, clause{file: "internal/architecture/imports_test.go", imp: "go/parser"}) {
		t.Fatalf("the walk from %s missed this file; it found %d imports", root, len(clauses))
	}
	for _, v := range violations(clauses) {
		t.Error(v)
	}
}

// TestImportGraphCanFail holds the checker itself: for every line an import that crosses it and one that just does not.
func TestImportGraphCanFail(t *testing.T) {
	tests := []struct {
		file, imp string
		want      []string // names of the lines crossed
	}{
		{"cmd/mcpwatch/main.go", "log", []string{"everywhere"}},
		{"cmd/mcpwatch/main.go", "log/slog", nil},
		{"collector/intake.go", "math/rand", []string{"everywhere"}},
		{"collector/intake.go", "math/rand/v2", nil},
		{"storage/sink_test.go", "github.com/pkg/errors", []string{"everywhere"}},

		{"event/event.go", module + "/content", []string{"event"}},
		{"event/event.go", module + "/internal/kafka", []string{"event"}},
		{"event/event_test.go", module + "/event", nil},
		{"content/text.go", module + "/event", []string{"content"}},
		{"content/text_test.go", module + "/content", nil},
		{"finding/finding.go", module + "/event", nil},
		{"finding/finding.go", module + "/content", []string{"finding"}},
		{"finding/finding.go", module + "/detector", []string{"finding"}},
		{"collector/format/log.go", module + "/event", nil},
		{"collector/format/log.go", module + "/storage", []string{"collector"}},
		{"collector/intake_test.go", module + "/detector/rule", []string{"collector"}},
		{"detector/rule/rule.go", module + "/alert", []string{"detector"}},
		{"detector/detector.go", module + "/detector/rule", nil},
		{"detector/detector.go", module + "/internal/kafka", nil},
		{"storage/sink.go", module + "/collector", []string{"storage"}},
		{"storage/sink.go", module + "/finding", nil},
		{"alert/route.go", module + "/storage", []string{"alert"}},
		{"alert/route.go", module + "/content", nil},
		{"internal/kafka/topic.go", module + "/detector", []string{"internal"}},
		{"internal/kafka/topic.go", module + "/event", nil},
		{"internal/pathbench/main.go", module + "/collector", nil},
		{"rules/embed.go", module + "/detector", []string{"rules"}},
		{"rules/catalog_test.go", module + "/detector", nil},
		{"alert/route.go", module + "/cmd/mcpwatch/app", []string{"cmd"}},
		{"cmd/mcpwatch/main.go", module + "/cmd/mcpwatch/app", nil},
		{"collector/intake.go", module + "/internal/embedded/kafka", []string{"embedded"}},
		{"collector/intake_test.go", module + "/internal/embedded/kafka", nil},
		{"cmd/mcpwatch/up.go", module + "/internal/embedded/kafka", nil},

		{"detector/rule/env.go", "github.com/google/cel-go/cel", nil},
		{"detector/detector.go", "github.com/google/cel-go/cel", []string{"cel"}},
		{"detector/detector.go", "cel.dev/cel-go/cel", []string{"cel"}},
		{"internal/kafka/reader.go", "github.com/segmentio/kafka-go", nil},
		{"storage/sink_test.go", "github.com/segmentio/kafka-go", []string{"kafka"}},
		{"internal/embedded/kafka/kafka.go", "github.com/segmentio/kafka-go", []string{"kafka"}},
		{"internal/embedded/kafka/kafka_test.go", "github.com/segmentio/kafka-go", nil},
		{"storage/sink.go", "github.com/ClickHouse/clickhouse-go/v2", nil},
		{"cmd/mcpwatch/sql.go", "github.com/ClickHouse/clickhouse-go/v2", []string{"clickhouse"}},
		{"internal/embedded/clickhouse/engine_test.go", "github.com/ClickHouse/clickhouse-go/v2", nil},
		{"cmd/mcpwatch/e2e_test.go", "github.com/ClickHouse/clickhouse-go/v2", nil},
		{"alert/bus.go", "github.com/nats-io/nats.go", nil},
		{"cmd/mcpwatch/up.go", "github.com/nats-io/nats.go/jetstream", []string{"nats"}},
		{"collector/format/otlp.go", "go.opentelemetry.io/proto/otlp/trace/v1", nil},
		{"cmd/mcpwatch/parts.go", "google.golang.org/grpc", []string{"otlp"}},
		{"internal/embedded/kafka/kafka.go", "github.com/twmb/franz-go/pkg/kfake", nil},
		{"internal/kafka/reader_test.go", "github.com/twmb/franz-go/pkg/kfake", []string{"servers"}},
		{"alert/bus_test.go", "github.com/nats-io/nats-server/v2/server", []string{"servers"}},
		{"storage/lib.go", "github.com/ebitengine/purego", []string{"servers"}},

		{"detector/rule/rule.go", "github.com/rs/zerolog", []string{"engine-logs"}},
		{"detector/detector.go", "github.com/rs/zerolog", nil},
		{"detector/window/count.go", "crypto/rand", []string{"engine-world"}},
		{"detector/window/count_test.go", "crypto/rand", nil},
		{"detector/match/index.go", "os/exec", []string{"engine-world"}},
		{"detector/intel/feed.go", "net/http", nil},

		{"eventual/x.go", module + "/content", nil},
		{"content/text.go", "logger", nil},
	}
	held := map[string]bool{}
	for _, test := range tests {
		var want []string
		for _, name := range test.want {
			held[name] = true
			want = append(want, fmt.Sprintf("%s: %s imports %s", name, test.file, test.imp))
		}
		if got := violations([]clause{{test.file, test.imp}}); !slices.Equal(got, want) {
			t.Errorf("%s imports %s: got %q, want %q", test.file, test.imp, got, want)
		}
	}
	for _, l := range lines() {
		if !held[l.name] {
			t.Errorf("line %q: no import here crosses it", l.name)
		}
	}
}
