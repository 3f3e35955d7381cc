package tap

import (
	"errors"
	"fmt"
	"time"
)

// body is one of an exchange's two, as the observer reads it: a message, a batch, or a stream of
// server-sent events with a message each.
type body struct {
	stream
	exchange *exchange
	way      int

	begun   bool
	decoder *decoder
	sse     *sse     // nil where the body is one text
	text    splitter // that text so far
	missed  uint64   // bytes that were not observed
	blind   bool     // the rest cannot be read
}

// chunk takes what the queue has of the body.
func (t *talk) chunk(b *body, c chunk, p []byte) {
	defer func() {
		if fault := recover(); fault != nil {
			t.counters.faultLost.Add(1)
			t.log.Error().Str("fault", clip(fmt.Sprint(fault))).Msg("a body could not be observed")
			t.unread(b, c.at, "body_unread:fault")
		}
	}()
	if c.lost > 0 {
		t.lose(b, c.lost)
	}
	if len(p) > 0 {
		t.bytes(b, p, c.at)
	}
	switch c.note {
	case noteNone:
	case noteBegin:
		t.begin(b.exchange)
	case noteHead:
		t.head(b.exchange)
	case noteEnd, noteCut:
		t.end(b, c.at, c.note == noteCut)
	}
}

// bytes takes the next bytes as they passed.
func (t *talk) bytes(b *body, p []byte, at time.Time) {
	if !b.begun {
		t.open(b, at)
	}
	switch {
	case b.missed > 0:
		b.missed += uint64(len(p))
	case b.blind:
	case b.decoder == nil:
		t.plain(b, p, at)
	default:
		if err := b.decoder.feed(p, func(plain []byte) { t.plain(b, plain, at) }); err != nil {
			t.unread(b, at, "body_unread:"+reasonOf(err))
		}
	}
}

// open looks at the headers for how to read the body.
func (t *talk) open(b *body, at time.Time) {
	b.begun = true
	headers := b.exchange.headers
	if b.way == toClient {
		headers = b.exchange.answer
		if b.exchange.sse {
			b.sse = new(sse)
		}
	}
	var err error
	if b.decoder, err = newDecoder(headers["content-encoding"]); b.decoder != nil {
		t.decoders++
	}
	if err == nil && t.decoders > maxDecoders {
		err = errTooMany
	}
	if err != nil {
		t.unread(b, at, "body_unread:"+reasonOf(err))
	}
}

var errTooMany = errors.New("too many bodies are decoded at once")

// reasonOf is an error as the end of a mark.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, errEncoding):
		return "encoding"
	case errors.Is(err, errBomb):
		return "bomb"
	case errors.Is(err, errTooMany):
		return "too_many"
	default:
		return "damaged"
	}
}

// plain takes the next bytes as the reader sees them.
func (t *talk) plain(b *body, p []byte, at time.Time) {
	if b.sse != nil {
		before := b.sse.data.held()
		b.sse.feed(p, func(f frame) { t.line(&utterance{t, b, f}, f.data, at) }, func(n uint64) { t.gap(b, at, n) })
		if t.held += b.sse.data.held() - before; t.held > maxHeld {
			t.lose(b, 0)
		}
		return
	}
	before := b.text.held()
	b.text.add(p)
	if t.held += b.text.held() - before; t.held > maxHeld {
		t.lose(b, 0)
	}
}

// lose gives up what is unfinished, as bytes of it are missing, or too much of all bodies is.
func (t *talk) lose(b *body, bytes uint64) {
	switch {
	case b.decoder != nil: // it can't go on behind a gap
		t.close(b)
		b.blind = true
		b.missed += bytes
	case b.sse != nil:
		t.held -= b.sse.data.held()
		b.sse.lose(bytes)
	default:
		t.held -= b.text.held()
		b.missed += bytes + uint64(b.text.drop())
	}
}

func (t *talk) gap(b *body, at time.Time, bytes uint64) {
	if bytes > 0 {
		t.unseen(&utterance{talk: t, body: b}, at, bytes)
	}
}

// unread says in an event of its own that the rest of the body is not read, and why.
func (t *talk) unread(b *body, at time.Time, mark string) {
	t.close(b)
	b.blind = true
	if b.way == toClient {
		b.exchange.responses++
	}
	e := t.event(at)
	u := &utterance{talk: t, body: b}
	u.set(&e)
	e.Mark(mark)
	t.emit(&e, line{})
}

// end ends a body. One that was cut is no whole message.
func (t *talk) end(b *body, at time.Time, cut bool) {
	if b.sse != nil && !b.blind {
		t.held -= b.sse.data.held()
		b.sse.end(func(f frame) { t.line(&utterance{t, b, f}, f.data, at) }, func(n uint64) { t.gap(b, at, n) })
	}
	t.held -= b.text.held()
	b.text.end(func(l line) {
		u := &utterance{talk: t, body: b}
		if cut {
			u.frame.name = cutFrame
		}
		t.line(u, l, at)
	})
	t.close(b)
	t.gap(b, at, b.missed)
	if b.way == toClient {
		t.ended(b.exchange, at)
	}
}

// close lets go of what the body's decoder holds, and of what is unfinished.
func (t *talk) close(b *body) {
	if b.decoder != nil {
		b.decoder.stop()
		b.decoder = nil
		t.decoders--
	}
	if b.sse != nil {
		t.held -= b.sse.data.held()
		b.sse.data.drop()
	}
	t.held -= b.text.held()
	b.text.drop()
}
