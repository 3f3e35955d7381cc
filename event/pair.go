package event

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/valyala/fastjson"
)

const maxRequestArguments = 64 * 1024

// Pairer joins responses to their requests. A response knows only its request's id, so
// the pairer remembers requests by (tenant, source, connection or session, requester's
// direction, id with its JSON type). It holds at most a fixed number of open requests and
// forgets the oldest first. It belongs to one goroutine.
//
// Clients of the TypeScript SDK read the id of an answer by Number(), so they take "3" for
// the answer to 3. Where no request "3" is open it is paired so and marked, lest a server
// hide its answers; 3 stays open for the answer that stricter clients wait for.
type Pairer struct {
	open map[pairKey]openRequest
	// order holds what was remembered by age; entries that are no longer open are skipped.
	order   []orderEntry
	next    uint64
	most    int
	evicted uint64
}

type openRequest struct {
	request Request
	serial  uint64
}

type orderEntry struct {
	key    pairKey
	serial uint64
}

type pairKey struct {
	tenant, source, connection string
	direction                  Direction
	id                         string
}

// NewPairer returns a Pairer that holds at most that many open requests.
func NewPairer(most int) *Pairer {
	return &Pairer{open: make(map[pairKey]openRequest), most: most}
}

// Pair remembers e if it is a request, and sets e.Request if it answers one. An event
// that its source has paired already stays as it is. One that cannot be paired, for want
// of a session or connection or of its request, is marked.
func (p *Pairer) Pair(e *Event, m *Message) {
	switch m.Kind {
	case KindRequest:
		if key, ok := keyOf(e, m.ID, e.Direction); ok {
			p.remember(key, requestOf(e, m))
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
			key.id = asNumber(key.id)
			if opened, ok = p.open[key]; !ok {
				e.Mark("unpaired:no_request")
				return
			}
			e.Mark("answered_by_text_id")
		}
		request := opened.request
		e.Request = &request
		if request.Arguments == nil && (request.Method == "tools/call" || request.Method == "prompts/get") {
			e.Mark("request_arguments_dropped")
		}
	case KindNotification, KindBatch, KindUnknown:
	}
}

// Evicted is how many open requests were forgotten to keep the bound.
func (p *Pairer) Evicted() uint64 { return p.evicted }

func (p *Pairer) remember(key pairKey, r Request) {
	p.next++
	p.open[key] = openRequest{request: r, serial: p.next}
	p.order = append(p.order, orderEntry{key, p.next})
	for len(p.open) > p.most {
		oldest := p.order[0]
		p.order = p.order[1:]
		if p.isOpen(oldest) {
			delete(p.open, oldest.key)
			p.evicted++
		}
	}
	// Answered requests leave their entries behind; sweep them before they outgrow the open ones.
	if len(p.order) > 2*len(p.open)+64 {
		kept := make([]orderEntry, 0, len(p.open))
		for _, o := range p.order {
			if p.isOpen(o) {
				kept = append(kept, o)
			}
		}
		p.order = kept
	}
}

func (p *Pairer) isOpen(o orderEntry) bool { return p.open[o.key].serial == o.serial }

func keyOf(e *Event, id string, requester Direction) (pairKey, bool) {
	connection := "session:" + e.Session
	switch {
	case e.Source.Instance != "":
		connection = "instance:" + e.Source.Instance
	case e.Session == "":
		return pairKey{}, false
	}
	return pairKey{e.Tenant, e.Source.Name, connection, requester, id}, true
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

func requestOf(e *Event, m *Message) Request {
	r := Request{Event: e.ID, Method: cut(m.Method, maxName), Name: cut(m.Name(), maxText)}
	if m.Method != "tools/call" && m.Method != "prompts/get" {
		return r
	}
	arguments := Get(m.Params, "arguments")
	if arguments == nil {
		r.Arguments = jsontext.Value("{}")
		return r
	}
	if raw := arguments.MarshalTo(nil); len(raw) <= maxRequestArguments && arguments.Type() == fastjson.TypeObject {
		r.Arguments = jsontext.Value(bytes.Clone(raw))
	}
	return r
}
