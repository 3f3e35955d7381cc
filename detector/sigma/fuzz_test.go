package sigma_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mcpwatch/mcpwatch/detector/sigma"
)

// FuzzTranslate holds that whatever stands in a file, what is written are rules that can be read.
// That their expressions compile is not asked here, since the fuzzer counts every branch of CEL.
func FuzzTranslate(f *testing.F) {
	names, err := filepath.Glob("testdata/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add(detection("s: [{tool|wide|base64offset|contains: a*, size|lt: 5.5}, b, 'c?']\ncondition: not (1 of s* or s)"))
	f.Add(detection("s: {'tool|re|i|m': '(?P<a>b)\\d{2,}', '|all': [a, b], scopes|windash|endswith: [-a, /b], src_ip|cidr: 10.0.0.0/9}\ncondition: s"))
	m := mapping(f)
	f.Fuzz(func(t *testing.T, text string) {
		done := sigma.Translate([]sigma.File{{Name: "r.yml", Data: []byte(text)}}, m)
		parsed(t, done)
		if len(done.Rules)+len(done.Inlined)+len(done.Refused) == 0 {
			t.Error("nothing is said of the file")
		}
	})
}
