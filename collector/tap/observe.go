package tap

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/rs/zerolog"

	"github.com/mcpwatch/mcpwatch/collector/redact"
	"github.com/mcpwatch/mcpwatch/event"
)

const (
	// gatherTime is how long the observer lets messages come in before it takes them. It
	// keeps the observer off the processor while the messages that woke it are passed on,
	// and saves writes of the spool. It is also about what a killed tap loses.
	gatherTime = 2 * time.Millisecond
	// maxOpen is how many requests later one that waits for its response is forgotten.
	maxOpen = 4096
	// flushBytes is how much the observer gathers before it writes to the spool. It writes
	// at the end of each block of the queue anyway.
	flushBytes = 256 << 10
)

// observer makes events of the bytes that pass and appends them to the store. It belongs
// to one goroutine.
type observer struct {
	base     event.Event // what all events have in common; Agent and Server grow by claims
	instance string
	sequence uint64
	store    *store
	counters *Counters
	log      zerolog.Logger
	now      func() time.Time
	// appended is told that the spool has grown.
	appended func()

	redactor *redact.Redactor // nil where nothing is taken out
	parser   event.Parser
	items    event.Parser // for a batch's messages, while parser holds the batch
	pairer   *event.Pairer
	asked    int64 // requests so far

	out     []byte // records not yet appended
	unsaved gap    // what out holds
	failing bool   // the last append failed
	gaps    gaps   // to be declared
}

// scene is where a message is said.
type scene interface {
	// set sets what the scene alone knows of an event.
	set(e *event.Event)
	// said pairs a message with its request and learns from it. A text that cannot be read comes as
	// an empty message. It reports whether there shall be an event of it.
	said(e *event.Event, m *event.Message) bool
}

func newObserver(o *Options, instance string, store *store, counters *Counters, appended func()) *observer {
	base := event.Event{
		Agent:  o.Agent,
		Server: event.Server{ID: o.Server},
		Source: event.Source{Format: "tap", Instance: instance},
	}
	var redactor *redact.Redactor
	if o.Redaction != nil {
		redactor = o.Redaction.Redactor()
	}
	return &observer{
		redactor: redactor, base: base, instance: instance, store: store, counters: counters, log: o.Logger, now: o.Now, appended: appended,
		pairer: event.NewPairer(maxOpen),
	}
}

// run observes until the queue is closed and empty.
func (o *observer) run(q *queue) {
	for {
		b, done := q.take()
		switch {
		case b != nil:
			o.block(b)
			q.recycle(b)
			o.flush()
		case done:
			return
		default:
			o.flush() // gaps that the store has to declare
			<-q.wake
			q.gather(gatherTime)
		}
	}
}

func (o *observer) block(b *block) {
	data := b.data
	for _, c := range b.chunks {
		c.stream.observe(c, data[:c.n])
		data = data[c.n:]
	}
}

// line makes an event of one line, or one body. A fault of ours must not end the connection:
// it costs the line, and is declared.
func (o *observer) line(in scene, l line, at time.Time) {
	defer func() {
		if fault := recover(); fault != nil {
			o.counters.faultLost.Add(1)
			o.log.Error().Str("fault", clip(fmt.Sprint(fault))).Msg("a message could not be observed")
			o.parser, o.items = event.Parser{}, event.Parser{}
			o.gaps.add(o.faulty(l))
		}
	}()
	e := o.event(at)
	in.set(&e)
	var m event.Message
	isJSON := true
	if !l.long() {
		m, isJSON = o.message(&e, l.head)
	}
	if !in.said(&e, &m) {
		o.sequence-- // the number is not used
		return
	}
	switch {
	case l.long():
		o.truncate(&e, l, "truncated:message")
	case !isJSON:
		o.counters.notJSON.Add(1)
		o.raw(&e, l)
	}
	o.emit(&e, l)
}

// faulty is the gap that the line of the current sequence number leaves.
func (o *observer) faulty(l line) gap {
	return gap{
		reason: GapFault, instance: o.instance, first: o.sequence, last: o.sequence,
		events: 1, bytes: uint64(l.size),
	}
}

// event begins an event with the next sequence number.
func (o *observer) event(at time.Time) event.Event {
	o.sequence++
	e := o.base
	e.ID = o.instance + "." + strconv.FormatUint(o.sequence, 10)
	e.Time = at.UTC().Truncate(time.Microsecond)
	e.Source.Sequence = o.sequence
	e.Marks = append([]string(nil), o.base.Marks...)
	return e
}

// message fills in a line of JSON and takes it apart; it reports false if the line is none. What the agents'
// parsers forgive is repaired and marked: invalid UTF-8, and half a surrogate pair.
func (o *observer) message(e *event.Event, text []byte) (event.Message, bool) {
	repaired := !utf8.Valid(text)
	if repaired {
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	value := jsontext.Value(text)
	if !value.IsValid(jsontext.AllowDuplicateNames(true)) {
		value = value.Clone()
		if value.Format(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil {
			return event.Message{}, false
		}
		repaired = true
	}
	if repaired {
		e.Mark("invalid_utf8")
	}
	e.Message = value
	m, err := o.parser.Parse(value)
	if err != nil {
		m = event.Message{} // JSON to one parser and not to the other, such as nesting over 300 levels
	}
	return m, true
}

// pair counts requests for positions, so that a slow one may notify as often as it likes.
func (o *observer) pair(e *event.Event, m *event.Message) {
	if m.Kind == event.KindRequest {
		o.asked++
	}
	o.pairer.Pair(o.asked, e, m)
}

// batched returns a batch's messages, so that a request in a batch is known when its
// response comes alone.
func batched(e *event.Event, m *event.Message) []event.Event {
	if m.Kind != event.KindBatch {
		return nil
	}
	return event.Expand(e, m)
}

// learn takes the names that client and server claim: in initialize, in server/discover
// and, from 2026-07-28 on, in each message's _meta.
func learn(e *event.Event, m *event.Message, agent *event.Agent, server *event.Server) {
	if e.Direction == event.ToServer {
		claim(m.Params.Get("_meta", event.MetaPrefix+"clientInfo"), &agent.Name, &agent.Version)
		if m.Method == "initialize" {
			claim(m.Params.Get("clientInfo"), &agent.Name, &agent.Version)
		}
		return
	}
	claim(m.Result.Get("_meta", event.MetaPrefix+"serverInfo"), &server.Name, &server.Version)
	if e.Request != nil && (e.Request.Method == "initialize" || e.Request.Method == "server/discover") {
		claim(m.Result.Get("serverInfo"), &server.Name, &server.Version)
	}
}

// claim takes a name and version together, bounded.
func claim(info event.Value, name, version *string) {
	if n := info.Get("name").Text(); n != "" {
		*name, *version = bounded(n), bounded(info.Get("version").Text())
	}
}

func bounded(s string) string {
	if len(s) > maxName {
		s = s[:maxName]
	}
	return string(bytes.ToValidUTF8([]byte(s), nil))
}

// raw fills in a line that is no JSON.
func (o *observer) raw(e *event.Event, l line) {
	e.Mark("not_json")
	if l.size > 2*rawEnd {
		o.truncate(e, l, "truncated:raw")
		return
	}
	e.Raw = string(bytes.ToValidUTF8(l.head, []byte("\uFFFD")))
	if !utf8.Valid(l.head) {
		e.Mark("invalid_utf8")
	}
}

// truncate keeps both ends of a line, and its true size in the extra field "line_bytes".
func (o *observer) truncate(e *event.Event, l line, mark string) {
	o.counters.truncated.Add(1)
	tail := l.tail
	if tail == nil {
		tail = l.head[len(l.head)-rawEnd:]
	}
	cut := fmt.Appendf(nil, "[… %d bytes left out by the tap …]", l.size-rawEnd-len(tail))
	kept := bytes.Join([][]byte{l.head[:rawEnd], cut, tail}, nil)
	e.Message = nil
	e.Raw = string(bytes.ToValidUTF8(kept, []byte("\uFFFD")))
	e.Extra = jsontext.Value(fmt.Sprintf(`{"line_bytes":%d}`, l.size))
	e.Mark(mark)
}
