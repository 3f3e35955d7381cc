package event

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of what a request leaves behind.
const (
	maxRequestArguments = 64 * 1024
	// maxArgumentsHeld is over how many bytes of later requests' arguments a request keeps its own.
	maxArgumentsHeld = 64 << 20
	maxKeyID         = 64
)

// Pairer joins responses to their requests. A response knows only its request's id, so
// the pairer remembers requests by (tenant, source, connection or session, requester's
// direction, id with its JSON type). It belongs to one goroutine.
//
// It forgets by distance alone: the request of an answer is the last one of its key at most a
// window of positions before, unless an answer of that key came in between. So what it pairs
// with is a function of what it was given in that window, wherever it began. So is what
// remains of the arguments: they are dropped once later requests, answered or not, brought
// 64 MiB of them, and a pairer never holds more. The answer is marked then.
//
// Clients of the TypeScript SDK read the id of an answer by Number(), so they take "3" for
// the answer to 3. Where no request "3" is open it is paired so and marked, lest a server
// hide its answers; 3 stays open for the answer that stricter clients wait for.
type Pairer struct {
	open map[pairKey]openRequest
	// order holds the window's requests by age, those no longer open too.
	order  ring[orderEntry]
	window int64
	// arena holds what is remembered, keyed texts and requests.
	arena arena
	// paired is the request of the last answer.
	paired Request
	// brought is how many bytes of arguments all requests had; the first bare ones of order
	// have lost theirs.
	brought uint64
	bare    int
	evicted uint64
}

type openRequest struct {
	request  Request
	position int64
}

type orderEntry struct {
	key      pairKey
	position int64
	brought  uint64
}

type pairKey struct {
	tenant, source, connection, id string
	direction                      Direction
	instance                       bool // connection is a tap's instance, not a session
}

// NewPairer returns a Pairer that remembers requests for that many positions.
func NewPairer(window int64) *Pairer {
	return &Pairer{open: make(map[pairKey]openRequest), window: window}
}

// Pair remembers e if it is a request, and sets e.Request if it answers one. An event
// that its source has paired already stays as it is. One that cannot be paired, for want
// of a session or connection or of its request, is marked. The position is e's place in the
// stream and never lower than the one before. e.Request is the pairer's then, and good until
// its next Pair.
func (p *Pairer) Pair(position int64, e *Event, m *Message) {
	p.forget(position)
	switch m.Kind {
	case KindRequest:
		if key, ok := keyOf(e, m.ID, e.Direction); ok {
			p.remember(position, p.kept(key), p.requestOf(e, m))
		}
	case KindResponse, KindError:
		if e.Request != nil || m.ID == "" {
			return
		}
		key, ok := keyOf(e, m.ID, e.Direction.Opposite())
		if !ok {
			e.Mark("unpaired:no_session")
			return
		}
		opened, ok := p.open[key]
		if ok {
			delete(p.open, key)
		} else {
			key.id = keyID(asNumber(m.ID))
			if opened, ok = p.open[key]; !ok {
				e.Mark("unpaired:no_request")
				return
			}
			e.Mark("answered_by_text_id")
		}
		p.paired = opened.request
		e.Request = &p.paired
		if r := e.Request; r.Arguments == nil && (r.Method == "tools/call" || r.Method == "prompts/get") {
			e.Mark("request_arguments_dropped")
		}
	case KindNotification, KindBatch, KindUnknown:
	}
}

// Evicted is how many requests the window passed before their answer came.
func (p *Pairer) Evicted() uint64 { return p.evicted }

// requestBytes is about what a request takes beside its texts: its places in the map and in the order.
const requestBytes = 512

// Bytes is about how much memory is taken. It looks at all requests.
func (p *Pairer) Bytes() int {
	bytes := p.order.count * requestBytes
	for key := range p.open {
		r := p.open[key].request
		bytes += len(key.tenant) + len(key.source) + len(key.connection) + len(key.id)
		bytes += len(r.Event) + len(r.Method) + len(r.Name) + len(r.Arguments)
	}
	return bytes
}

// PairerBytes bounds Bytes for a window, where the texts of every request are as long as can be.
func PairerBytes(window int64) int {
	return int(window+1)*(requestBytes+5*maxName+maxKeyID+maxText) + maxArgumentsHeld + maxRequestArguments
}

// forget drops what the window has passed.
func (p *Pairer) forget(position int64) {
	for p.order.count > 0 && position-p.order.at(0).position > p.window {
		if o := p.order.at(0); p.isOpen(o) {
			delete(p.open, o.key)
			p.evicted++
		}
		p.order.pop()
		p.bare = max(p.bare-1, 0)
	}
}

func (p *Pairer) remember(position int64, key pairKey, r Request) {
	p.brought += uint64(len(r.Arguments))
	p.open[key] = openRequest{request: r, position: position}
	p.order.push(orderEntry{key, position, p.brought})
	for ; p.brought-p.order.at(p.bare).brought > maxArgumentsHeld; p.bare++ {
		if o := p.order.at(p.bare); p.isOpen(o) {
			opened := p.open[o.key]
			opened.request.Arguments = nil
			p.open[o.key] = opened
		}
	}
}

func (p *Pairer) isOpen(o *orderEntry) bool {
	opened, ok := p.open[o.key]
	return ok && opened.position == o.position
}

func keyOf(e *Event, id string, requester Direction) (pairKey, bool) {
	key := pairKey{tenant: e.Tenant, source: e.Source.Name, connection: e.Session, id: keyID(id), direction: requester}
	// A tap of a pipe is one connection; one of HTTP has many clients, whose ids are the same.
	if e.Source.Instance != "" && e.Transport != "http" && e.Transport != "sse" {
		key.connection, key.instance = e.Source.Instance, true
	}
	return key, key.connection != ""
}

// keyID stands for an id in what is remembered: the id itself, or the hash of a long one.
func keyID(id string) string {
	if len(id) <= maxKeyID {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "sha256:" + string(sum[:]) // no id in JSON begins so
}

// asNumber is the id that JavaScript's Number makes of a text id, "" where it makes none.
func asNumber(id string) string {
	quoted, err := jsontext.AppendUnquote(nil, id)
	if err != nil {
		return "" // a number
	}
	text := strings.TrimSpace(string(quoted))
	if text == "" {
		return "0"
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return integer(strconv.FormatFloat(f, 'g', -1, 64))
	}
	if n, err := strconv.ParseInt(text, 0, 64); err == nil { // 0x3
		return strconv.FormatInt(n, 10)
	}
	return ""
}

// kept is a key with texts of the pairer's own.
func (p *Pairer) kept(k pairKey) pairKey {
	k.tenant, k.source, k.connection, k.id = p.own(k.tenant), p.own(k.source), p.own(k.connection), p.own(k.id)
	return k
}

// own is a copy: a string of the event would hold all of it in memory for as long as the window.
func (p *Pairer) own(s string) string {
	return p.arena.keep(append(p.arena.take(len(s)), s...))
}

func (p *Pairer) requestOf(e *Event, m *Message) Request {
	r := Request{Event: p.own(e.ID), Method: p.own(cut(m.Method, maxName)), Name: p.own(cut(m.Name(), maxText))}
	if m.Method != "tools/call" && m.Method != "prompts/get" {
		return r
	}
	switch arguments := m.Params.Get("arguments"); arguments.Kind() {
	case Absent:
		r.Arguments = jsontext.Value("{}")
	case Object:
		raw := arguments.Raw()
		compact := arguments.AppendCompact(p.arena.take(len(raw)))
		if len(compact) <= maxRequestArguments {
			p.arena.keep(compact)
			r.Arguments = slices.Clip(compact)
		}
	default:
	}
	return r
}
