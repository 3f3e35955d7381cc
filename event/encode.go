package event

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Encode appends the event's JSON to dst. White space between a message's tokens is left
// out; nothing else of it changes.
func Encode(dst []byte, e *Event) ([]byte, error) {
	w := encoder{out: dst}
	w.event(e)
	if w.err != nil {
		return dst, fmt.Errorf("encoding event %s: %w", e.ID, w.err)
	}
	return w.out, nil
}

// encoder appends the members of objects, which leave out what is empty. Its first error stays.
type encoder struct {
	out []byte
	err error
}

func (w *encoder) event(e *Event) {
	w.out = append(w.out, '{')
	w.text(`"id":`, e.ID)
	w.text(`"parent":`, e.Parent)
	w.time(`"time":`, e.Time)
	w.time(`"received":`, e.Received)
	w.time(`"claimed_time":`, e.ClaimedTime)
	w.text(`"tenant":`, e.Tenant)
	w.text(`"actor":`, e.Actor)
	w.agent(&e.Agent)
	w.server(&e.Server)
	if !e.Principal.IsZero() {
		w.principal(&e.Principal)
	}
	w.text(`"session":`, e.Session)
	w.text(`"trace":`, e.Trace)
	w.text(`"transport":`, e.Transport)
	w.text(`"direction":`, string(e.Direction))
	if !e.HTTP.IsZero() {
		w.http(&e.HTTP)
	}
	if !e.Source.IsZero() {
		w.source(&e.Source)
	}
	w.measured(&e.Measured)
	w.text(`"activity":`, e.Activity)
	w.outcome(&e.Outcome)
	if e.Request != nil {
		w.request(e.Request)
	}
	w.list(`"marks":`, e.Marks)
	w.raw(`"message":`, e.Message)
	w.text(`"raw":`, e.Raw)
	w.extra(e.Extra)
	w.out = append(w.out, '}')
}

// open begins an object; close ends it, or takes it back where nothing is in it.
func (w *encoder) open(name string) (begin int) {
	begin = len(w.out)
	w.name(name)
	w.out = append(w.out, '{')
	return begin
}

func (w *encoder) close(begin int) {
	if w.out[len(w.out)-1] == '{' {
		w.out = w.out[:begin]
		return
	}
	w.out = append(w.out, '}')
}

func (w *encoder) agent(a *Agent) {
	begin := w.open(`"agent":`)
	w.text(`"id":`, a.ID)
	w.text(`"name":`, a.Name)
	w.text(`"version":`, a.Version)
	w.text(`"host":`, a.Host)
	w.text(`"user":`, a.User)
	w.extra(a.Extra)
	w.close(begin)
}

func (w *encoder) server(s *Server) {
	begin := w.open(`"server":`)
	w.text(`"id":`, s.ID)
	w.text(`"name":`, s.Name)
	w.text(`"version":`, s.Version)
	w.text(`"url":`, s.URL)
	w.text(`"command":`, s.Command)
	w.extra(s.Extra)
	w.close(begin)
}

func (w *encoder) principal(p *Principal) {
	begin := w.open(`"principal":`)
	w.text(`"subject":`, p.Subject)
	w.text(`"issuer":`, p.Issuer)
	w.text(`"client_id":`, p.ClientID)
	w.text(`"audience":`, p.Audience)
	w.list(`"scopes":`, p.Scopes)
	w.text(`"token":`, p.Token)
	w.time(`"issued":`, p.Issued)
	w.time(`"expires":`, p.Expires)
	w.list(`"chain":`, p.Chain)
	w.extra(p.Extra)
	w.close(begin)
}

func (w *encoder) http(h *HTTP) {
	begin := w.open(`"http":`)
	w.number(`"status":`, int64(h.Status))
	w.text(`"method":`, h.Method)
	w.text(`"client_ip":`, h.ClientIP)
	w.headers(h.Headers)
	w.extra(h.Extra)
	w.close(begin)
}

func (w *encoder) headers(headers map[string]string) {
	if len(headers) == 0 {
		return
	}
	var room [maxList]string
	names := room[:0]
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	begin := w.open(`"headers":`)
	for _, name := range names {
		w.comma()
		w.quote(name)
		w.out = append(w.out, ':')
		w.quote(headers[name])
	}
	w.close(begin)
}

func (w *encoder) source(s *Source) {
	begin := w.open(`"source":`)
	w.text(`"format":`, s.Format)
	w.text(`"name":`, s.Name)
	w.text(`"collector":`, s.Collector)
	w.text(`"instance":`, s.Instance)
	if s.Sequence != 0 {
		w.name(`"sequence":`)
		w.out = strconv.AppendUint(w.out, s.Sequence, 10)
	}
	w.list(`"completeness":`, s.Completeness)
	w.extra(s.Extra)
	w.close(begin)
}

func (w *encoder) request(r *Request) {
	begin := w.open(`"request":`)
	w.text(`"event":`, r.Event)
	w.text(`"method":`, r.Method)
	w.text(`"name":`, r.Name)
	w.raw(`"arguments":`, r.Arguments)
	w.extra(r.Extra)
	w.close(begin)
}

func (w *encoder) measured(m *Measured) {
	begin := w.open(`"measured":`)
	w.number(`"duration_ms":`, m.DurationMS)
	w.number(`"size":`, m.Size)
	w.extra(m.Extra)
	w.close(begin)
}

func (w *encoder) outcome(o *Outcome) {
	begin := w.open(`"outcome":`)
	w.text(`"status":`, o.Status)
	w.text(`"reason":`, o.Reason)
	w.extra(o.Extra)
	w.close(begin)
}

// comma separates what comes from what is there.
func (w *encoder) comma() {
	if last := w.out[len(w.out)-1]; last != '{' && last != '[' {
		w.out = append(w.out, ',')
	}
}

// name begins a member: its quoted name and the colon.
func (w *encoder) name(name string) {
	w.comma()
	w.out = append(w.out, name...)
}

func (w *encoder) text(name, value string) {
	if value != "" {
		w.name(name)
		w.quote(value)
	}
}

func (w *encoder) quote(s string) {
	begin := len(w.out)
	w.out = append(append(w.out, '"'), s...)
	if n, wide := plain(w.out[begin+1:], 0); n == len(s) && wide&highs == 0 {
		w.out = append(w.out, '"')
		return
	}
	var err error
	w.out, err = jsontext.AppendQuote(w.out[:begin], s)
	w.fail(err)
}

func (w *encoder) number(name string, n int64) {
	if n != 0 {
		w.name(name)
		w.out = strconv.AppendInt(w.out, n, 10)
	}
}

func (w *encoder) time(name string, t time.Time) {
	if !t.IsZero() {
		w.name(name)
		w.out = append(w.out, '"')
		var err error
		w.out, err = appendTime(w.out, t)
		w.fail(err)
		w.out = append(w.out, '"')
	}
}

func (w *encoder) list(name string, list []string) {
	if len(list) == 0 {
		return
	}
	w.name(name)
	w.out = append(w.out, '[')
	for _, s := range list {
		w.comma()
		w.quote(s)
	}
	w.out = append(w.out, ']')
}

func (w *encoder) raw(name string, raw jsontext.Value) {
	if raw != nil {
		w.name(name)
		w.value(raw)
	}
}

// value appends JSON that is written, once it is known to be some.
func (w *encoder) value(raw []byte) {
	var err error
	w.out, err = appendJSON(w.out, raw)
	w.fail(err)
}

// extra appends the members of an object.
func (w *encoder) extra(members jsontext.Value) {
	if len(members) == 0 {
		return
	}
	begin := len(w.out)
	w.comma()
	brace := len(w.out)
	w.value(members)
	switch object := w.out[brace:]; {
	case w.err != nil:
	case object[0] != '{':
		w.fail(errors.New("what is kept of unknown fields is no JSON object"))
	case len(object) == 2:
		w.out = w.out[:begin]
	default:
		copy(object, object[1:len(object)-1])
		w.out = w.out[:len(w.out)-2]
	}
}

func (w *encoder) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// maxWritten is the deepest nesting that is encoded.
const maxWritten = 10_000

// appendJSON appends a JSON text without the white space between its tokens.
func appendJSON(dst, text []byte) ([]byte, error) {
	var room [32]node
	s, err := scan(text, room[:0], maxWritten, true)
	if err != nil {
		return dst, err
	}
	if s.spaced {
		return appendCompact(dst, text), nil
	}
	return append(dst, text...), nil
}
