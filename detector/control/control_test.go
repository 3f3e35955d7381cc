package control_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/mcpwatch/mcpwatch/detector/control"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	embedded "github.com/mcpwatch/mcpwatch/internal/embedded/kafka"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a Kafka with mcp.control in it.
type site struct {
	*testing.T
	client  *kafka.Client
	records *kafka.Producer
}

func newSite(t *testing.T) *site {
	t.Helper()
	broker, err := embedded.Start(embedded.Options{Listen: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	client, err := kafka.NewClient([]string{broker.Addr()}, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.EnsureTopics(t.Context(), kafka.Layout{Partitions: 1, Replication: 1}.Topics()...); err != nil {
		t.Fatal(err)
	}
	records, err := client.NewProducer(t.Context(), kafka.Control)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(records.Close)
	return &site{t, client, records}
}

// options are those of a detector whose rules lie in a directory.
func (s *site) options(dir string) control.Options {
	return control.Options{
		Kafka: s.client, Records: s.records, Folders: []rule.Folder{{Name: filepath.Base(dir), Files: os.DirFS(dir)}},
		Name: filepath.Base(dir), Log: zerolog.Nop(), Registry: prometheus.NewRegistry(),
	}
}

// detector starts one that follows until the test ends.
func (s *site) detector(dir string) *control.Control {
	s.Helper()
	c, err := control.Start(s.Context(), s.options(dir))
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := c.Follow(ctx); err != nil {
			s.Errorf("following: %v", err)
		}
	})
	done.Go(func() { c.Watch(ctx, nil) })
	s.Cleanup(func() { cancel(); done.Wait() })
	return c
}

func (s *site) write(dir, text string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(dir, "r.yaml"), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

// await waits until a detector has the rules of that severity in force.
func (s *site) await(c *control.Control, severity string) {
	s.Helper()
	for deadline := time.Now().Add(30 * time.Second); string(c.Set().Programs[0].Severity) != severity; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("severity is %s, want %s", c.Set().Programs[0].Severity, severity)
		}
	}
}

const (
	good = `
id: r
title: A read
severity: low
match: call.tool == "read"
tests:
  - name: a read
    events: [{message: {jsonrpc: "2.0", id: 1, method: tools/call, params: {name: read}}}]
    want: [{}]
  - name: near miss, a write
    events: [{message: {jsonrpc: "2.0", id: 1, method: tools/call, params: {name: write}}}]
    want: []
`
	unknownField = "id: r\ntitle: T\nseverity: low\nmatch: call.toll == \"read\"\n"
)

var (
	better = strings.Replace(good, "severity: low", "severity: high", 1)
	wrong  = strings.Replace(good, `== "read"`, `== "reads"`, 1) // its test fails
)

// TestEveryDetectorTakesWhatOneReloads holds that a changed file reaches all detectors, and that
// what does not load, or fails its tests, changes nothing anywhere.
func TestEveryDetectorTakesWhatOneReloads(t *testing.T) {
	s := newSite(t)
	here, there := t.TempDir(), t.TempDir()
	s.write(here, good)
	s.write(there, good)
	first, second := s.detector(here), s.detector(there)

	s.write(here, better) // seen by the watch
	s.await(first, "high")
	s.await(second, "high")
	if first.Set().Hash != second.Set().Hash {
		t.Errorf("the detectors have %s and %s in force", first.Set().Hash, second.Set().Hash)
	}

	for _, text := range []string{unknownField, wrong} {
		s.write(there, text)
		_, err := second.Reload(t.Context())
		refusal, refused := errors.AsType[*control.RefusedError](err)
		if !refused || len(refusal.Problems) != 1 {
			t.Fatalf("error is %v, want one problem", err)
		}
		if second.Set().Hash != first.Set().Hash {
			t.Error("rules that were refused are in force")
		}
	}

	s.write(there, good)
	if _, err := second.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.await(first, "low")
	s.await(second, "low")
}

// TestASignalReloads holds that a signal has rules loaded that no file's time gives away.
func TestASignalReloads(t *testing.T) {
	s := newSite(t)
	dir := t.TempDir()
	write := func(text string) {
		t.Helper()
		s.write(dir, text)
		if err := os.Chtimes(filepath.Join(dir, "r.yaml"), time.Unix(0, 0), time.Unix(0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	write(good)
	c, err := control.Start(t.Context(), s.options(dir))
	if err != nil {
		t.Fatal(err)
	}
	hash := c.Set().Hash
	signals := make(chan os.Signal)
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = c.Follow(ctx) })
	done.Go(func() { c.Watch(ctx, signals) })
	defer func() { cancel(); done.Wait() }()
	write(strings.Replace(good, "A read", "A roar", 1))
	signals <- os.Interrupt
	for deadline := time.Now().Add(30 * time.Second); c.Set().Hash == hash; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the rules of before are in force")
		}
	}
}

// TestStartFindsWhatIsInForce holds that what was started last decides, and that a detector whose
// own rules do not load begins with those in force, or not at all.
func TestStartFindsWhatIsInForce(t *testing.T) {
	s := newSite(t)
	broken, early, late := t.TempDir(), t.TempDir(), t.TempDir()
	s.write(broken, unknownField)
	s.write(early, good)
	s.write(late, better)
	if _, err := control.Start(t.Context(), s.options(broken)); err == nil {
		t.Fatal("a detector starts with rules that do not load")
	} else if want := filepath.Base(broken) + "/r.yaml:4:8: "; !strings.Contains(err.Error(), want) {
		t.Errorf("the error %q does not say where: %s", err, want)
	}
	first := s.detector(early)
	s.await(first, "low")
	s.await(s.detector(late), "high")
	s.await(first, "high")
	s.await(s.detector(broken), "high")
}

// TestProblemsSayWhere holds that all that is wrong is named, by file, line and column.
func TestProblemsSayWhere(t *testing.T) {
	_, err := control.Load(rule.Folder{Name: "rules", Files: fstest.MapFS{
		"a.yaml": {Data: []byte(unknownField)},
		"b.yaml": {Data: []byte("id: b\ntitle: T\nseverity: great\nmatch: true\n")},
	}})
	refusal, refused := errors.AsType[*control.RefusedError](err)
	if !refused {
		t.Fatalf("error is %v", err)
	}
	var places []string
	for _, p := range refusal.Problems {
		if p.Line == 0 || p.Column == 0 || p.Reason == "" {
			t.Errorf("a problem says not where or what it is: %+v", p)
		}
		places = append(places, p.File)
	}
	if want := []string{"rules/a.yaml", "rules/b.yaml"}; !slices.Equal(places, want) {
		t.Errorf("problems in %v, want %v", places, want)
	}
}
