package detector

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/fnv"
	"time"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/window"
	"github.com/mcpwatch/mcpwatch/finding"
)

// keeper keeps what the rules of a set remember of one stream: a tracker for each rule that
// counts or waits, and the quiet times of each that is suppressed.
type keeper struct {
	set      *rule.Set
	fleet    bool
	trackers map[string]*tracker
	// order lists the trackers by rule id.
	order  []*tracker
	timers timers
	clock  int64 // of the last tick
	counts Kept
	asked  Asked // nil but where a rule is explained
}

// Kept counts what became of what rules remember.
type Kept struct {
	Unkeyed     uint64 // events that met a rule's condition and have no value for its key
	Late        uint64 // events older than what they would have counted for
	CutSearches uint64 // searches for a sequence that its bounds ended
	Forgotten   uint64 // keys and beginnings forgotten for want of room
	Unread      uint64 // remembered events that could not be read back, or written
	Suppressed  uint64 // findings held back because one like them came shortly before
	Excepted    uint64 // findings that an exception hid
	Superseded  uint64 // observations made by another version of their rule
	Keys, Bytes int    // what is remembered now
}

// hit is an event that meets conditions of a rule: what the rule keeps of it.
type hit struct {
	key    []string
	quiet  []string // nil where the event has no value for it
	steps  uint32
	value  string
	number float64

	tenant, source string
	time, received int64
	// sighting is the event as it is remembered; nil where view shows it and nothing remembers it.
	sighting *rule.Sighting
	// view shows the event while it is there; nil afterwards.
	view *rule.View
}

// hitOf is a hit of an event that is gone.
func hitOf(s *rule.Sighting) hit {
	return hit{tenant: s.Tenant, source: s.Source, time: s.Time.UnixMicro(), received: s.Received.UnixMicro(), sighting: s}
}

// at is the time that windows run on: the source's clock, and in the second stage, where many
// sources meet, the collectors'. No event is later than its collector received it: one whose clock
// is ahead would make all that follow late.
func (h *hit) at(fleet bool) int64 {
	if fleet {
		return h.received
	}
	return min(h.time, h.received)
}

// stateBytes bounds what all rules of one stream remember together; leastRuleBytes what one may.
const (
	stateBytes     = 256 << 20
	leastRuleBytes = 64 << 10
	// credentialShare is which part of a rule's memory the keys of one credential may take.
	credentialShare = 4
)

func newKeeper(set *rule.Set, fleet bool) *keeper {
	return (&keeper{trackers: map[string]*tracker{}, fleet: fleet}).swap(set)
}

// swap returns a keeper of another set, which has the trackers of the rules that are the same.
func (k *keeper) swap(set *rule.Set) *keeper {
	next := &keeper{set: set, fleet: k.fleet, trackers: map[string]*tracker{}, clock: k.clock, counts: k.counts}
	var stateful []*rule.Program
	for _, p := range set.Programs {
		if p.Fleet == k.fleet && (p.Kind != rule.KindMatch || p.Quiet > 0) {
			stateful = append(stateful, p)
		}
	}
	most := max(stateBytes/max(2*len(stateful), 1), leastRuleBytes)
	limits := window.Limits{Bytes: most, ShareBytes: most / credentialShare}
	for _, p := range stateful {
		t := k.trackers[p.Rule.ID]
		if t == nil || t.program.Version != p.Version {
			t = newTracker(p, limits)
		} else {
			t.setLimits(limits)
		}
		t.program = p
		next.trackers[p.Rule.ID] = t
		next.order = append(next.order, t)
	}
	for id, t := range k.trackers {
		if next.trackers[id] != t {
			next.counts.Forgotten += t.memory().Evicted // it counts on without the rule
		}
	}
	next.setTimers()
	return next
}

// remembers reports whether rules keep anything from event to event.
func (k *keeper) remembers() bool { return k.fleet || len(k.order) > 0 }

func (k *keeper) kept() Kept {
	c := k.counts
	for _, t := range k.order {
		m := t.memory()
		c.Forgotten += m.Evicted
		c.Keys += m.Keys
		c.Bytes += m.Bytes
	}
	return c
}

// keyOf digests a key and whose it is.
func keyOf(tenant string, parts ...string) window.Key {
	var room [256]byte
	text := room[:0]
	text = append(binary.AppendUvarint(text, uint64(len(tenant))), tenant...)
	for _, p := range parts {
		text = append(binary.AppendUvarint(text, uint64(len(p))), p...)
	}
	sum := sha256.Sum256(text)
	return window.Key(sum[:])
}

// credentialOf digests the credential that an event was shipped with.
func credentialOf(tenant, source string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(tenant))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(source))
	return h.Sum64()
}

// conclude gives a finding of a hit out, unless an exception or a quiet time holds it back.
func (k *keeper) conclude(p *rule.Program, f *finding.Finding, h *hit, earlier []*rule.Sighting, out *Outcome) {
	hides, expired := h.excepted(p)
	if hides != "" {
		k.counts.Excepted++
		out.Held = append(out.Held, Held{*f, hides})
		return
	}
	f.ExpiredExceptions = expired
	j := h.judge(p, earlier)
	f.Severity, f.Risk, f.Title, f.Summary = j.Severity, j.Risk, j.Title, j.Summary
	if p.Quiet > 0 {
		ok, suppressed := k.admit(p, f, h)
		if !ok {
			k.counts.Suppressed++
			out.Held = append(out.Held, Held{*f, ""})
			return
		}
		f.Suppressed = suppressed
	}
	out.Findings = append(out.Findings, *f)
}

// excepted is which exception of a rule hides a finding of the hit, and which have expired.
func (h *hit) excepted(p *rule.Program) (hides string, expired []string) {
	if h.view != nil {
		return p.Excepted(h.view)
	}
	return p.ExceptedSighting(h.sighting)
}

// judge is what a rule says of a finding of the hit.
func (h *hit) judge(p *rule.Program, earlier []*rule.Sighting) rule.Judgement {
	if h.view != nil {
		return p.Judge(h.view, earlier)
	}
	return p.Recall(h.sighting, earlier)
}

// admit asks the rule's quiet time whether a finding passes.
func (k *keeper) admit(p *rule.Program, f *finding.Finding, h *hit) (ok bool, suppressed uint32) {
	t := k.trackers[p.Rule.ID]
	key := quietKeyOf(p, f.Tenant, f.Actor, h.quiet)
	at := f.Received.UnixMicro()
	if !p.Fleet {
		at = min(at, f.Time.UnixMicro())
	}
	var opener []byte
	if !t.holdsBack(key, at) { // a flood of what is held back is not encoded
		opener = encoded(*f)
	}
	var next int64
	t.quiet.Update(key, credentialOf(h.tenant, h.source), f.Received.UnixMicro(), func(q *window.Quiet, _ bool) bool {
		ok, suppressed = q.Admit(at, f.Received.UnixMicro(), p.Quiet.Microseconds(), opener)
		next = q.Next()
		return true
	})
	if ok {
		k.wake(timer{next, t.program.Rule.ID, key, true})
	}
	return ok, suppressed
}

// holdsBack reports whether a quiet time of the key is under way.
func (t *tracker) holdsBack(key window.Key, at int64) bool {
	q, there := t.quiet.Find(key)
	if !there {
		return false
	}
	until, _, open := q.Holding()
	return open && at < until
}

// quietKeyOf digests what suppression goes by. It holds the actor in the first stage, which sees all
// of an actor, and of nothing else.
func quietKeyOf(p *rule.Program, tenant, actor string, parts []string) window.Key {
	if !p.Fleet {
		parts = append([]string{actor}, parts...)
	}
	return keyOf(tenant, parts...)
}

// encoded is a finding's JSON, for when its quiet time ends. It takes a copy, since what is encoded
// lies on the heap, and most findings need not.
func encoded(f finding.Finding) []byte {
	opener, err := finding.Encode(&f)
	if err != nil {
		return nil // its end will say nothing then
	}
	return opener
}

// sweepEvery is how often what no window can need any more is looked for.
const sweepEvery = int64(time.Minute / time.Microsecond)

// tick ends the waits and quiet times that are over by the collectors' clock. Several ticks end
// what the last of them alone would, in the same order.
func (k *keeper) tick(clock int64, out *Outcome) {
	if clock <= k.clock {
		return
	}
	minute := clock - clock%sweepEvery
	sweep := minute > k.clock
	for {
		next, due := k.timers.pop(clock)
		if !due {
			break
		}
		k.clock = max(k.clock, next.at+1)
		t := k.trackers[next.rule]
		if next.quiet {
			k.endQuiet(t, next, out)
		} else {
			k.endWaits(t, next, out)
		}
	}
	k.clock = clock
	if sweep {
		for _, t := range k.order {
			t.sweep(minute)
		}
	}
}

// endQuiet reports what a quiet time held back, where it held something back.
func (k *keeper) endQuiet(t *tracker, due timer, out *Outcome) {
	key := due.key
	if q, there := t.quiet.Find(key); !there || q.Next() != due.at {
		return // it has ended, or another has begun, which has a timer of its own
	}
	var opener []byte
	var held uint32
	t.quiet.Update(key, 0, k.clock, func(q *window.Quiet, _ bool) bool {
		var over bool
		opener, held, over = q.Due(k.clock)
		return !over
	})
	if held == 0 {
		return
	}
	f, err := finding.Decode(opener)
	if err != nil {
		return // only what was encoded here is decoded
	}
	f.SuppressedAfter, f.Suppressed = f.ID, held
	f.Events = nil
	f.Key = append(f.Key, "suppressed after "+f.ID)
	f.DeriveID()
	f.ExpiredExceptions, f.Observed = nil, nil
	out.Findings = append(out.Findings, f)
}
