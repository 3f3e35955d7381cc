// Package redact takes secrets and personal data out of events before they leave the machine or
// reach Kafka.
//
// What is taken out leaves a content.Marker: what it was, how long, and a keyed digest, so that equal
// values are known as equal and nobody without the key can try values. Rules find the same secrets in
// the marker. The event is marked "redacted", and "redacted:KIND:COUNT" for each kind.
//
// All of an event is looked at, to its end: whatever is a string in its JSON, names of members too.
// What is encoded (base64, hexadecimal, compressed) is not looked into.
//
// The package is pure: no clock, no I/O. The time taken is linear in the event.
package redact

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/mcpwatch/mcpwatch/content"
	"github.com/mcpwatch/mcpwatch/event"
)

// Kinds of markers beside those of secrets (see content.Secrets), which rules take for no secret.
const (
	// KindMember is the value of a member whose name says that it is a secret.
	KindMember = "member"
	// KindArgument is a value that a path of the configuration names, KindHeader a header's.
	KindArgument = "argument"
	KindHeader   = "header"
)

// Mark is on every event of which something was taken out. ForgedMark is on one in which something
// looked like a marker and was none of ours: its "~" is no longer one.
const (
	Mark       = "redacted"
	ForgedMark = "marker_forged"
)

// Counts says how much was taken out, by kind.
type Counts map[string]int

// Policy says what is taken out. It is safe for concurrent use.
type Policy struct {
	keys     []Key
	personal []personal
	paths    []path
	headers  []string
}

// New makes a policy. The first key makes the digests; markers of the others are known too, as those
// that were made before a key was changed. The error says what is wrong with the configuration.
func New(keys []Key, c Config) (*Policy, error) {
	if len(keys) == 0 {
		return nil, errors.New("redaction needs a key")
	}
	p := &Policy{keys: keys, headers: slices.Clone(usualHeaders)}
	for _, name := range c.Personal {
		i := slices.IndexFunc(personalClasses, func(c personal) bool { return c.kind == name })
		if i < 0 {
			return nil, fmt.Errorf("personal: unknown class %q, there are %s", name, classNames())
		}
		p.personal = append(p.personal, personalClasses[i])
	}
	for _, a := range c.Arguments {
		parsed, err := parsePath(a)
		if err != nil {
			return nil, fmt.Errorf("arguments: %w", err)
		}
		p.paths = append(p.paths, parsed)
	}
	for _, h := range c.Headers {
		p.headers = append(p.headers, strings.ToLower(h))
	}
	return p, nil
}

// usualHeaders are taken out always: what is in them authenticates.
var usualHeaders = []string{"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key", "x-auth-token"}

// Redactor takes out by a policy. It belongs to one goroutine.
type Redactor struct {
	policy *Policy
	parser event.Parser
	// text holds the strings of the document at hand, a line break behind each; segments say whose
	// they are. Reading them at once finds a private key whose lines are strings of their own, as
	// rules do.
	text     []byte
	segments []segment
}

// Redactor gives a new one.
func (p *Policy) Redactor() *Redactor { return &Redactor{policy: p} }

// Text takes out of a text that is no event's, such as an error's.
func (r *Redactor) Text(s string) string {
	spans, _ := r.policy.find(s)
	if len(spans) == 0 {
		return s
	}
	return string(r.policy.replace(nil, s, 0, spans))
}

// ErrTooLong is the error for an event that markers make too long.
var ErrTooLong = errors.New("is too long once secrets are taken out of it")

// maxRedacted is the longest event with its markers, in bytes.
const maxRedacted = 3 << 20

// Done says what was done to an event.
type Done struct {
	Counts Counts
	// Forged says that there were markers that are none of ours.
	Forged bool
}

// Mark writes it on the event.
func (d *Done) Mark(e *event.Event) {
	if d.Forged {
		e.Mark(ForgedMark)
	}
	if len(d.Counts) > 0 {
		e.Mark(Mark)
	}
	kinds := slices.Sorted(maps.Keys(d.Counts))
	for _, kind := range kinds {
		e.Mark(fmt.Sprintf("%s:%s:%d", Mark, kind, d.Counts[kind]))
	}
}

// Clean gives a record, JSON or not, with what is to be taken out of it taken out. An event that is
// made of it is still to be redacted: a text may hide what its escapes stand for.
func (r *Redactor) Clean(record []byte) []byte {
	root, err := r.parser.ParseValue(record)
	if err != nil {
		return []byte(r.Text(string(record)))
	}
	if out, _ := r.Document(record, root); out != nil {
		return out
	}
	return record
}

// Encode appends the event's JSON to dst, as event.Encode does, once what is to be taken out of the
// event is. Tenant, actor, the source's name and the collector's are never changed. ErrTooLong tells
// nothing of the event.
func (r *Redactor) Encode(dst []byte, e *event.Event) ([]byte, Counts, error) {
	out, err := event.Encode(dst, e)
	if err != nil {
		return dst, nil, err
	}
	root, err := r.parser.ParseValue(out[len(dst):])
	if err != nil {
		return dst, nil, errors.New("cannot be read once it is written")
	}
	redacted, done := r.Document(out[len(dst):], root)
	if redacted == nil {
		return out, nil, nil
	}
	limits := event.StoredLimits()
	limits.Bytes = maxRedacted
	changed, err := event.Decode(redacted, limits)
	if err != nil {
		return dst, nil, ErrTooLong
	}
	changed.Tenant, changed.Actor, changed.Source.Name, changed.Source.Collector = e.Tenant, e.Actor, e.Source.Name, e.Source.Collector
	done.Mark(&changed)
	*e = changed
	out, err = event.Encode(dst, e)
	return out, done.Counts, err
}

// span is a part of a text that is taken out; one of kind "" is a marker that is none of ours.
type span struct {
	start, end int
	kind       string
}

// find says what is to be taken out of a text, in order, and which markers in it are ours.
func (p *Policy) find(s string) (out, ours []span) {
	var forged []span
	for _, m := range content.Markers(s) {
		if p.made(m) {
			ours = append(ours, span{m.Start, m.End, m.Kind})
		} else {
			forged = append(forged, span{m.Start, m.End, ""})
		}
	}
	for _, f := range content.AllSecrets(s) {
		out = append(out, span{f.Start, f.End, f.Kind})
	}
	out = merge(without(out, ours), without(forged, out))
	for _, class := range p.personal {
		out = merge(out, without(apart(class.find(s), ours), out))
	}
	return out, ours
}

// apart are those of spans that touch no marker of ours: a marker before an "@" makes no address.
func apart(spans, ours []span) []span {
	return slices.DeleteFunc(spans, func(s span) bool {
		i := sort.Search(len(ours), func(i int) bool { return ours[i].end > s.start })
		return i < len(ours) && ours[i].start < s.end
	})
}

// merge is two lists of spans, none overlapping another, in order.
func merge(a, b []span) []span {
	if len(b) == 0 {
		return a
	}
	a = append(a, b...)
	slices.SortFunc(a, func(a, b span) int { return a.start - b.start })
	return a
}

// without is what of spans is not taken; both are in order and without overlaps.
func without(spans, taken []span) []span {
	if len(taken) == 0 || len(spans) == 0 {
		return spans
	}
	var left []span
	next := 0
	for _, s := range spans {
		for next < len(taken) && taken[next].end <= s.start {
			next++
		}
		for i := next; i < len(taken) && taken[i].start < s.end; i++ {
			if taken[i].start > s.start {
				left = append(left, span{s.start, taken[i].start, s.kind})
			}
			s.start = max(s.start, taken[i].end)
		}
		if s.start < s.end {
			left = append(left, s)
		}
	}
	return left
}

// replace appends a part of a text, which begins at an offset that spans count from, with markers in
// place of what of it is taken out.
func (p *Policy) replace(dst []byte, part string, from int, spans []span) []byte {
	at := 0
	for _, s := range spans {
		start, end := max(s.start-from, at), min(s.end-from, len(part))
		dst = append(dst, part[at:start]...)
		if s.kind == "" {
			dst = append(dst, strings.Replace(part[start:end], "~", "!", 1)...)
		} else {
			dst = append(dst, p.marker(s.kind, part[start:end])...)
		}
		at = end
	}
	return append(dst, part[at:]...)
}
