package baseline_test

import (
	"testing"

	"github.com/mcpwatch/mcpwatch/detector/baseline"
)

// TestUnusualKeepsToWhatIsAccepted holds that chance findings come as often as is accepted, at any rate.
func TestUnusualKeepsToWhatIsAccepted(t *testing.T) {
	const day = 24 * 3600 * 1e6
	for name, test := range map[string]struct {
		verdict baseline.Verdict
		accept  float64
		want    bool
	}{
		"one in 200 of 100 a day, one a day accepted": {baseline.Verdict{P: 0.005, N: 1000}, 1, true},
		"one in 50 of 100 a day, one a day accepted":  {baseline.Verdict{P: 0.02, N: 1000}, 1, false},
		"the same, where few come":                    {baseline.Verdict{P: 0.02, N: 100}, 1, true},
		"while it learns":                             {baseline.Verdict{Learning: true, N: 1}, 1, false},
		"at the first moment":                         {baseline.Verdict{P: 0, N: 1, Since: 10 * day}, 1, false},
	} {
		if got := test.verdict.Unusual(10*day, test.accept); got != test.want {
			t.Errorf("%s: found is %v", name, got)
		}
	}
}
