package detector

import (
	"time"

	"github.com/mcpwatch/mcpwatch/detector/baseline"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/window"
	"github.com/mcpwatch/mcpwatch/finding"
)

// measure has a key's profile judge a measure and learn from it. A profile that cannot be read was written
// by another version: it is counted, and begins anew.
func (k *keeper) measure(p *rule.Program, c *window.Profile, at int64, measure float64) baseline.Verdict {
	profile, ok := profileOf(p, c)
	if !ok {
		k.counts.Unread++
	}
	v := profile.Observe(at, measure)
	c.Write(profile.Append(nil))
	return v
}

// profileOf is what is known of a key, a copy; a new profile where nothing is, or it cannot be read.
func profileOf(p *rule.Program, c *window.Profile) (profile baseline.Profile, ok bool) {
	profile = p.Baseline.New()
	if len(c.Written()) == 0 {
		return profile, true
	}
	if rest, err := profile.Decode(c.Written()); err != nil || len(rest) > 0 {
		return p.Baseline.New(), false
	}
	return profile, true
}

// usual is what a finding says of a verdict.
func usual(v *baseline.Verdict) *finding.Usual {
	return &finding.Usual{Low: v.Low, High: v.High, P: v.P, N: v.N, Since: time.UnixMicro(v.Since).UTC()}
}
