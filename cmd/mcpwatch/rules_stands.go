package main

import (
	"fmt"
	"time"

	"github.com/mcpwatch/mcpwatch/detector/rule"
)

// stands says in words how far the rule has come with the key.
func (x *explained) stands(v *explainedView) string {
	p := x.program
	switch p.Kind {
	case rule.KindCount:
		return fmt.Sprintf("%d of %v within %s%s", v.Count, p.AtLeast, spanText(p.Within), x.counting(v))
	case rule.KindSum:
		return fmt.Sprintf("%v of %v within %s%s, here %s", v.Sum, p.AtLeast, spanText(p.Within), x.counting(v), hereOf(v))
	case rule.KindDistinct:
		return fmt.Sprintf("%d of %v different values within %s%s, here %s", v.Count, p.AtLeast, spanText(p.Within), x.counting(v), hereOf(v))
	case rule.KindFirstSeen:
		state := x.novelty(v)
		if state == "learning" {
			state += " until " + moment(v.Learns)
		}
		return fmt.Sprintf("%s, here %s, %d values known", state, hereOf(v), v.Known)
	case rule.KindSequence, rule.KindAbsence:
		if len(v.UnderWay) == 0 {
			return "nothing is under way"
		}
	case rule.KindAnomaly:
		if v.Usual == nil {
			return "learning, here " + v.Of
		}
		return fmt.Sprintf("here %s, usual from %v to %v by %d measures since %s", v.Of, v.Usual.Low, v.Usual.High, v.Usual.N, moment(v.Usual.Since))
	case rule.KindMatch:
	}
	return ""
}

// counting says what becomes of what a window holds.
func (x *explained) counting(v *explainedView) string {
	switch {
	case v.Met() && len(x.found)+len(x.held) > 0 && v.Until.IsZero():
		return ", used up"
	case !v.Until.IsZero():
		return ", the oldest until " + moment(v.Until)
	}
	return ""
}

// hereOf is the event's own value of what the rule looks at.
func hereOf(v *explainedView) string {
	if v.Of == "" {
		return "none"
	}
	return v.Of
}

// novelty says what the value of a first_seen rule is to its key.
func (x *explained) novelty(v *explainedView) string {
	switch {
	case !v.Met():
		return "not looked at"
	case x.at().Before(v.Learns):
		return "learning"
	case len(x.found)+len(x.held) > 0:
		return "new"
	default:
		return "known"
	}
}

// at is the time of the event that the rule's windows run on.
func (x *explained) at() time.Time {
	if x.program.Fleet {
		return x.event.Received
	}
	return x.event.Time
}
