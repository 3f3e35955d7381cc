package detector_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/baseline"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/finding"
)

// mostMethod is a baseline for tests: more than twice what was the most, of three at least, is unusual.
type mostMethod struct{}

func (mostMethod) Name() string          { return "twice-the-most" }
func (mostMethod) New() baseline.Profile { return &most{} }

type most struct {
	most  float64
	n     int
	since int64
}

func (m *most) Observe(at int64, measure float64) baseline.Verdict {
	v := baseline.Verdict{Learning: m.n < 3, P: 1, High: 2 * m.most, N: m.n, Since: m.since}
	if measure > v.High {
		v.P = 1e-6
	}
	if m.n == 0 {
		m.since = at
	}
	m.most, m.n = max(m.most, measure), m.n+1
	return v
}

func (m *most) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(m.most))
	return binary.AppendVarint(binary.AppendUvarint(dst, uint64(m.n)), m.since)
}

func (m *most) Decode(src []byte) ([]byte, error) {
	if len(src) < 10 {
		return nil, errors.New("short")
	}
	m.most = float64(binary.LittleEndian.Uint64(src))
	n, size := binary.Uvarint(src[8:])
	since, more := binary.Varint(src[8+max(size, 0):])
	if size <= 0 || more <= 0 {
		return nil, errors.New("short")
	}
	m.n, m.since = int(n), since
	return src[8+size+more:], nil
}

func loader() rule.Loader { return rule.Loader{Baselines: []baseline.Method{mostMethod{}}} }

// anomalies is a set with an anomaly rule of each stage.
func anomalies(t *testing.T) *rule.Set {
	t.Helper()
	files := fstest.MapFS{}
	for id, by := range map[string]string{"own": "actor", "all": "server.id"} {
		files[id+".yaml"] = &fstest.MapFile{Data: fmt.Appendf(nil, "id: %s\ntitle: T\nseverity: low\n"+
			"anomaly: {of: call.args.n, when: 'call.tool == \"read\"', by: [%s], baseline: twice-the-most, false_alarms: 0.01}\n", id, by)}
	}
	set, err := loader().Load(rule.Folder{Name: "test", Files: files})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestAnAnomalyIsFoundAndExplained holds that profiles are kept by key in both stages, survive a checkpoint,
// and say what is usual.
func TestAnAnomalyIsFoundAndExplained(t *testing.T) {
	set := anomalies(t)
	d := detector.New(set)
	measures := []int{10, 20, 15, 30, 41, 50, 200}
	var found []finding.Finding
	for i, n := range measures {
		if i == 4 { // another owner goes on
			next := detector.New(set)
			at := noon.Add(3 * time.Minute)
			if err := errors.Join(next.Engine.Restore(d.Engine.Checkpoint(true), at), next.Fleet.Restore(d.Fleet.Checkpoint(true), at)); err != nil {
				t.Fatal(err)
			}
			d = next
		}
		e := call(i, "read", "agent:a", time.Duration(i)*time.Minute)
		e.Server.ID = "files"
		e.Message = fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"read","arguments":{"n":%d}}}`, i, n)
		found = append(found, d.Process(int64(i), &e)...)
		if i < len(measures)-1 {
			continue
		}
		for _, p := range set.Programs {
			x, err := d.Engine.Explain(p)
			if err != nil {
				t.Fatal(err)
			}
			s := d.Stand(p, &e, &x[0])
			if s.Usual == nil || s.Usual.N != len(measures) || s.Usual.High != 400 {
				t.Errorf("%s stands at %+v", p.Rule.ID, s.Usual)
			}
		}
	}
	var got []string
	for _, f := range found {
		got = append(got, fmt.Sprint(f.Rule, f.Key, f.Events, f.Observed.Measure, f.Observed.Usual.High, f.Observed.Usual.N, f.Observed.Usual.Since.Equal(noon)))
	}
	want := "own[agent:a] [e6] 200 100 6 true, all[files] [e6] 200 100 6 true"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("found %s, want %s", text, want)
	}
	if kept := d.Counts(); kept.Keys != 2 || kept.Bytes == 0 || kept.Unread != 0 {
		t.Errorf("%+v", kept.Kept)
	}
}

// TestABaselineThatIsNotThereIsRefused holds that the load names the rule, and says what there is.
func TestABaselineThatIsNotThereIsRefused(t *testing.T) {
	file := []byte("id: r\ntitle: T\nseverity: low\nanomaly: {of: call.args.n, when: 'true', by: [actor], baseline: odd, false_alarms: 1}\n")
	folder := rule.Folder{Name: "test", Files: fstest.MapFS{"r.yaml": {Data: file}}}
	for want, load := range map[string]func(...rule.Folder) (*rule.Set, error){
		`"odd" is no baseline: this version has none`:    rule.Load,
		`"odd" is no baseline: there are twice-the-most`: loader().Load,
	} {
		if _, err := load(folder); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
