package finding_test

import (
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
)

var update = flag.Bool("update", false, "write golden files anew")

func fixed() finding.Finding {
	f := finding.Finding{
		Time: time.Date(2026, 11, 22, 9, 42, 11, 123456000, time.UTC), Received: time.Date(2026, 11, 22, 9, 42, 12, 0, time.UTC),
		Tenant: "acme", Rule: "private-key-read", RuleVersion: "4f2a", Control: "9c1d", Title: "A private key was read",
		Severity: finding.High, Mode: finding.Alert, Risk: 70, Tags: []string{"safe-mcp.T1914", "atlas.AML.T0086"}, Playbook: "key-theft",
		Actor: "agent:laptop-17/claude-code", Agent: event.Agent{ID: "laptop-17/claude-code", Name: "claude-code", User: "alice@example.com"},
		Server: event.Server{ID: "files", Name: "filesystem"}, Session: "s1", Trace: "t1",
		Method: "tools/call", Name: "read_file", Key: []string{"agent:laptop-17/claude-code", "files"}, Events: []string{"t1.1", "t1.2"},
	}
	f.DeriveID()
	return f
}

// TestAFixedFindingHasAFixedID: were the derivation to change, every finding of a replay
// would be a new one.
func TestAFixedFindingHasAFixedID(t *testing.T) {
	if got, want := fixed().ID, "4nk2puuk0021j9mmvabqpbppqk"; got != want {
		t.Errorf("id %s, want %s", got, want)
	}
}

func TestTheIDIsOfRuleTenantKeyAndEventsOnly(t *testing.T) {
	want := fixed().ID
	f := fixed()
	f.Title, f.Severity, f.Mode, f.Risk, f.Control, f.Tags = "other", finding.Low, finding.Shadow, 1, "other", nil
	f.Time, f.Received = time.Time{}, time.Time{}
	f.Actor, f.Agent, f.Server, f.Session, f.Method, f.Name = "", event.Agent{}, event.Server{}, "", "", ""
	f.DeriveID()
	if f.ID != want {
		t.Errorf("what does not make a finding changes its id: %s, want %s", f.ID, want)
	}
	for name, change := range map[string]func(*finding.Finding){
		"rule":           func(f *finding.Finding) { f.Rule += "x" },
		"version":        func(f *finding.Finding) { f.RuleVersion += "x" },
		"tenant":         func(f *finding.Finding) { f.Tenant += "x" },
		"key":            func(f *finding.Finding) { f.Key = f.Key[:1] },
		"events":         func(f *finding.Finding) { f.Events = append(f.Events, "t1.3") },
		"order":          func(f *finding.Finding) { slices.Reverse(f.Events) },
		"key for event":  func(f *finding.Finding) { f.Key, f.Events = f.Key[:1], append([]string{f.Key[1]}, f.Events...) },
		"rule for other": func(f *finding.Finding) { f.Rule, f.RuleVersion = f.Rule+f.RuleVersion[:1], f.RuleVersion[1:] },
	} {
		f := fixed()
		change(&f)
		f.DeriveID()
		if f.ID == want {
			t.Errorf("another %s has the same id", name)
		}
	}
}

func TestDifferentPartsNeverShareAnID(t *testing.T) {
	part := rapid.StringOfN(rapid.RuneFrom([]rune{'a', 'b', 0, 1, 2}), 0, 3, -1)
	parts := rapid.SliceOfN(part, 0, 3)
	draw := func(t *rapid.T, label string) finding.Finding {
		f := finding.Finding{
			Rule: part.Draw(t, label+" rule"), RuleVersion: part.Draw(t, label+" version"), Tenant: part.Draw(t, label+" tenant"),
			Key: parts.Draw(t, label+" key"), Events: parts.Draw(t, label+" events"),
		}
		f.DeriveID()
		return f
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		same := a.Rule == b.Rule && a.RuleVersion == b.RuleVersion && a.Tenant == b.Tenant && slices.Equal(a.Key, b.Key) && slices.Equal(a.Events, b.Events)
		if (a.ID == b.ID) != same {
			t.Fatalf("%+v and %+v: one id %t", a, b, !same)
		}
	})
}

func TestAFindingSurvivesItsEncoding(t *testing.T) {
	f := fixed()
	data, err := finding.Encode(&f)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/finding.golden.json", data)
	got, err := finding.Decode(data)
	if err != nil || !reflect.DeepEqual(got, f) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, f)
	}
	newer, err := finding.Decode([]byte(`{"id":"x","of_a_newer_version":{"a":1}}`))
	if err != nil || newer.ID != "x" {
		t.Errorf("a finding of a newer detector: %v", err)
	}
}

func TestDecodeRefusesWhatIsNoFinding(t *testing.T) {
	for _, text := range []string{``, `null`, `{}`, `[]`, `{"id":""}`, `{"id":5}`, `{"id":"x"`, `{"id":"x","time":"now"}`} {
		if f, err := finding.Decode([]byte(text)); err == nil {
			t.Errorf("%s gives %+v", text, f)
		}
	}
}

func TestSeveritiesRankFromInfoToCritical(t *testing.T) {
	for i, s := range finding.Severities() {
		if s.Rank() != i+1 {
			t.Errorf("%s ranks %d, want %d", s, s.Rank(), i+1)
		}
	}
	for _, s := range []finding.Severity{"", "HIGH", "fatal"} {
		if s.Rank() != 0 {
			t.Errorf("%q ranks %d", s, s.Rank())
		}
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got)+"\n" != string(want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// required are the fields that OCSF 1.8.0 demands of a Detection Finding, and of the
// objects in it that we write.
var required = map[string][]string{
	"":                      {"activity_id", "category_uid", "class_uid", "type_uid", "time", "severity_id", "metadata", "finding_info"},
	"metadata":              {"version", "product"},
	"metadata.product":      {"name", "vendor_name"},
	"finding_info":          {"uid", "title", "analytic"},
	"finding_info.analytic": {"uid", "name", "type_id"},
}

func TestOCSFHasWhatTheSchemaRequires(t *testing.T) {
	shadow := finding.Finding{ID: "x", Severity: "unknown to us", Mode: finding.Shadow}
	full := fixed()
	for name, f := range map[string]*finding.Finding{"full": &full, "empty": &shadow} {
		data, err := finding.OCSF(f, "1.0.0")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "testdata/ocsf-"+name+".golden.json", data)
		var doc map[string]any
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		for path, fields := range required {
			object, ok := walk(doc, path)
			if !ok {
				t.Errorf("%s: no object %q", name, path)
			}
			for _, field := range fields {
				if v, there := object[field]; !there || v == nil {
					t.Errorf("%s: %q lacks %q", name, path, field)
				}
			}
		}
		if doc["class_uid"] != 2004.0 || doc["category_uid"] != 2.0 || doc["type_uid"] != doc["class_uid"].(float64)*100+doc["activity_id"].(float64) {
			t.Errorf("%s: class %v, category %v, activity %v, type %v", name, doc["class_uid"], doc["category_uid"], doc["activity_id"], doc["type_uid"])
		}
		if doc["severity_id"] != float64(f.Severity.Rank()) || doc["is_alert"] != (f.Mode == finding.Alert) {
			t.Errorf("%s: severity %v, is_alert %v", name, doc["severity_id"], doc["is_alert"])
		}
		info, _ := walk(doc, "finding_info")
		if events, ok := info["related_events"].([]any); !ok || len(events) != len(f.Events) {
			t.Errorf("%s: related events %v", name, info["related_events"])
		}
	}
}

func walk(doc map[string]any, path string) (map[string]any, bool) {
	if path == "" {
		return doc, true
	}
	for name := range strings.SplitSeq(path, ".") {
		next, ok := doc[name].(map[string]any)
		if !ok {
			return nil, false
		}
		doc = next
	}
	return doc, true
}
