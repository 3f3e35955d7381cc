package redact

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/content"
	"github.com/mcpwatch/mcpwatch/event"
)

// segment is a string or number of a document, and where it begins in the text of all.
type segment struct {
	event.Place
	at int
	// member says that it is a value that its name makes a secret.
	member bool
}

// Document gives an event's JSON, as it was shipped and parsed, with what is to be taken out of it taken
// out; nil where there is nothing.
func (r *Redactor) Document(data []byte, root event.Value) ([]byte, Done) {
	whole := r.policy.whole(root)
	r.read(root)
	text := string(r.text)
	spans, ours := r.policy.find(text)
	spans = merge(spans, without(without(r.members(), ours), spans))
	if len(spans) == 0 && len(whole) == 0 {
		return nil, Done{}
	}
	w := writer{policy: r.policy, data: data, counts: Counts{}}
	for _, s := range r.segments {
		for len(whole) > 0 && whole[0].end <= s.Start {
			w.whole(whole[0])
			whole = whole[1:]
		}
		for len(spans) > 0 && spans[0].end <= s.at {
			spans = spans[1:]
		}
		n := 0
		for n < len(spans) && spans[n].start < s.at+len(s.Text) {
			n++
		}
		w.segment(s, spans[:n], len(whole) > 0 && s.Start >= whole[0].start)
	}
	for _, s := range whole {
		w.whole(s)
	}
	if !w.changed {
		return nil, Done{}
	}
	return append(w.out, data[w.at:]...), Done{w.counts, w.forged}
}

// read gathers the strings of a document.
func (r *Redactor) read(root event.Value) {
	r.text, r.segments = r.text[:0], r.segments[:0]
	from, to := root.Get("message").Span()
	name := ""
	for p := range root.Places() {
		if !p.String && (name == "id" || p.Start < from || p.End > to || len(p.Text) < shortestCard) {
			continue
		}
		s := segment{Place: p, at: len(r.text)}
		s.member = !p.Name && p.String && name != "" && content.SecretMember(name, p.Text)
		r.segments = append(r.segments, s)
		r.text = append(append(r.text, p.Text...), '\n')
		name = ""
		if p.Name {
			name = p.Text
		}
	}
	if cap(r.text) > maxRedacted {
		r.text = nil
	}
}

// members are the values that are secrets by their names.
func (r *Redactor) members() []span {
	var found []span
	for _, s := range r.segments {
		if s.member {
			found = append(found, span{s.at, s.at + len(s.Text), KindMember})
		}
	}
	return found
}

// wholeValue is a value that is taken out whatever is in it, and where it stands.
type wholeValue struct {
	start, end int
	kind, text string
}

// whole finds the values that the configuration names, in the order of the document, none in another.
func (p *Policy) whole(root event.Value) []wholeValue {
	var found []wholeValue
	add := func(v event.Value, kind string) {
		text := v.Text()
		if v.Kind() != event.String {
			text = string(v.AppendCompact(nil))
		}
		if v.Kind() == event.Absent || v.Kind() == event.Null || text == "" {
			return
		}
		start, end := v.Span()
		found = append(found, wholeValue{start: start, end: end, kind: kind, text: text})
	}
	for name, v := range root.Get("http", "headers").Members() {
		if slices.Contains(p.headers, strings.ToLower(name)) {
			add(v, KindHeader)
		}
	}
	for _, x := range p.paths {
		x.find(root, func(v event.Value) { add(v, KindArgument) })
	}
	slices.SortFunc(found, func(a, b wholeValue) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return b.end - a.end
	})
	outer := found[:0]
	for _, f := range found {
		if n := len(outer); n == 0 || f.start >= outer[n-1].end {
			outer = append(outer, f)
		}
	}
	return outer
}

// writer writes a document anew.
type writer struct {
	policy  *Policy
	data    []byte
	out     []byte
	at      int // of data, what is not yet written
	counts  Counts
	changed bool
	forged  bool
	inner   []string
}

// segment writes a string with what is taken out of it. Of one within a whole value only the markers
// of its secrets are kept.
func (w *writer) segment(s segment, spans []span, inWhole bool) {
	if len(spans) == 0 || s.Text == "" {
		return
	}
	if inWhole {
		for _, p := range spans {
			from, to := max(p.start-s.at, 0), min(p.end-s.at, len(s.Text))
			if m := w.policy.marker(p.kind, s.Text[from:to]); len(content.Secrets(m)) > 0 {
				w.inner = append(w.inner, m)
				w.counts[p.kind]++
			}
		}
		return
	}
	w.put(s.Start, s.End, string(w.policy.replace(nil, s.Text, s.at, spans)))
	for _, p := range spans {
		if p.kind == "" {
			w.forged = true
		} else {
			w.counts[p.kind]++
		}
	}
}

// whole writes the marker of a whole value, and after it those of the secrets that it held. One that
// was taken out before stays.
func (w *writer) whole(v wholeValue) {
	inner := w.inner
	w.inner = nil
	for i, m := range content.Markers(v.text) {
		if !w.policy.made(m) {
			continue
		}
		if i == 0 && m.Start == 0 && m.Kind == v.kind {
			return
		}
		inner = append(inner, m.String())
	}
	text := strings.Join(append([]string{w.policy.marker(v.kind, v.text)}, inner...), " ")
	w.counts[v.kind]++
	w.put(v.start, v.end, text)
}

// put writes what is before a place, and a string in its stead.
func (w *writer) put(start, end int, text string) {
	w.out = append(w.out, w.data[w.at:start]...)
	quoted, err := jsontext.AppendQuote(w.out, text)
	if err != nil { // a secret has split a character that is no UTF-8
		quoted, _ = jsontext.AppendQuote(w.out, strings.ToValidUTF8(text, "\uFFFD"))
	}
	w.out, w.at, w.changed = quoted, end, true
}
