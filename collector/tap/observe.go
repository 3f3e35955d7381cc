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
	streams  [directions]stream

	out     []byte // records not yet appended
	unsaved gap    // what out holds
	failing bool   // the last append failed
	gaps    gaps   // to be declared
}

// stream is one direction.
type stream struct {
	splitter splitter
	// lost are bytes of a gap that is still open: up to the next line's start what comes
	// is the rest of a line whose beginning is missing.
	lost uint64
}

func newObserver(o *Options, instance string, store *store, counters *Counters, appended func()) *observer {
	base := event.Event{
		Agent:     o.Agent,
		Server:    event.Server{ID: o.Server},
		Session:   instance,
		Transport: "stdio",
		Source:    event.Source{Format: "tap", Instance: instance, Completeness: Carries()},
	}
	var truncated bool
	if base.Server.Command, truncated = commandLine(o.Command); truncated {
		base.Mark("truncated:server.command")
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

// run observes until the queue is closed and empty, then ends both streams.
func (o *observer) run(q *queue) {
	for {
		b, done := q.take()
		switch {
		case b != nil:
			o.block(b)
			q.recycle(b)
			o.flush()
		case done:
			o.end(q.rest())
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
		o.chunk(c, data[:c.n])
		data = data[c.n:]
	}
}

func (o *observer) chunk(c chunk, p []byte) {
	s := &o.streams[c.way]
	if c.lost > 0 {
		s.lost += c.lost + uint64(s.splitter.drop())
	}
	if s.lost > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			s.lost += uint64(len(p))
			return
		}
		s.lost += uint64(i)
		p = p[i+1:]
		o.gapOf(c.way, c.at)
	}
	s.splitter.feed(p, func(l line) { o.line(c.way, l, c.at) })
}

// end takes what is left of both streams as their last lines.
func (o *observer) end(lost [directions]uint64) {
	for way := range o.streams {
		s := &o.streams[way]
		if lost[way] > 0 {
			s.lost += lost[way] + uint64(s.splitter.drop())
		}
		if s.lost > 0 {
			o.gapOf(way, o.now())
		}
		s.splitter.end(func(l line) { o.line(way, l, o.now()) })
	}
	o.flush()
}

// gapOf ends a direction's open gap and declares it.
func (o *observer) gapOf(way int, at time.Time) {
	g := gap{reason: GapQueueFull, bytes: o.streams[way].lost}
	o.streams[way].lost = 0
	o.counters.queueLost.Add(g.bytes)
	o.log.Warn().Uint64("bytes", g.bytes).Msg("bytes were not observed: too many at once")
	e := o.event(at)
	e.Direction = directionOf(way)
	o.declare(&e, g)
}

// line makes an event of one line. A fault of ours must not end the connection: it costs
// the line, and is declared.
func (o *observer) line(way int, l line, at time.Time) {
	defer func() {
		if fault := recover(); fault != nil {
			o.counters.faultLost.Add(1)
			o.log.Error().Str("fault", clip(fmt.Sprint(fault))).Msg("a message could not be observed")
			o.parser, o.items = event.Parser{}, event.Parser{}
			o.gaps.add(o.faulty(l))
		}
	}()
	e := o.event(at)
	e.Direction = directionOf(way)
	switch {
	case l.long():
		o.truncate(&e, l, "truncated:message")
	case !o.message(&e, l.head):
		o.counters.notJSON.Add(1)
		o.raw(&e, l)
	}
	e.Agent, e.Server = o.base.Agent, o.base.Server
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

// message fills in a line of JSON; it reports false if the line is none. What the agents'
// parsers forgive is repaired and marked: invalid UTF-8, and half a surrogate pair.
func (o *observer) message(e *event.Event, text []byte) bool {
	repaired := !utf8.Valid(text)
	if repaired {
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	value := jsontext.Value(text)
	if !value.IsValid(jsontext.AllowDuplicateNames(true)) {
		value = value.Clone()
		if value.Format(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil {
			return false
		}
		repaired = true
	}
	if repaired {
		e.Mark("invalid_utf8")
	}
	e.Message = value
	m, err := o.parser.Parse(value)
	if err != nil {
		return true // JSON to one parser and not to the other, such as nesting over 300 levels
	}
	o.pair(e, &m)
	for _, child := range batched(e, &m) {
		if cm, err := o.items.Parse(child.Message); err == nil {
			o.pair(&child, &cm)
		}
	}
	o.learn(e, &m)
	return true
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
func (o *observer) learn(e *event.Event, m *event.Message) {
	agent, server := &o.base.Agent, &o.base.Server
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
