package event

import (
	"fmt"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Kind says what a JSON-RPC message is.
type Kind string

// The kinds of message. A response is a success; an error answers a request too.
const (
	KindRequest      Kind = "request"
	KindNotification Kind = "notification"
	KindResponse     Kind = "response"
	KindError        Kind = "error"
	KindBatch        Kind = "batch"
	KindUnknown      Kind = "unknown" // no JSON-RPC message, or no JSON at all
)

// Message is a JSON-RPC message taken apart. Where a name occurs twice in an object the
// last one counts, as it does for the JSON parsers of the agents.
//
// Its values are good until the next Parse or Decode of what made it (see Value).
type Message struct {
	Kind Kind
	// ID is the id's JSON text, so that 3 and "3" stay two ids; "" where there is none. What
	// the agents' parsers take for one id has one text: 3, 3.0 and 3e0 are 3.
	ID     string
	Method string
	// Params, Result, ErrorData are absent where the message has none.
	Params Value
	Result Value
	// ErrorCode and ErrorText are a JSON-RPC error's code and message.
	ErrorCode int64
	ErrorText string
	ErrorData Value
	// Root is the whole JSON value, absent where there is none. A batch's messages are its items.
	Root Value
}

// maxDepth is the deepest nesting that a Parser takes: more than any event that was stored has.
const maxDepth = 300

// Parser reads JSON and takes messages apart. It reuses its memory, of which it keeps a
// bounded part, and belongs to one goroutine.
type Parser struct {
	doc tape
}

// Parse takes a message apart, whose bytes must not be changed afterwards. JSON that is no
// JSON-RPC message gives KindUnknown; bytes that are no JSON give an error as well.
func (p *Parser) Parse(raw []byte) (Message, error) {
	if len(raw) == 0 {
		return Message{Kind: KindUnknown}, nil
	}
	root, err := p.ParseValue(raw)
	if err != nil {
		return Message{Kind: KindUnknown}, fmt.Errorf("parsing message: %w", err)
	}
	return messageOf(root), nil
}

// ParseValue reads any JSON, whose bytes must not be changed afterwards. It refuses what RFC
// 8259 does not allow, invalid UTF-8, half a surrogate pair and nesting over 300 levels.
func (p *Parser) ParseValue(raw []byte) (Value, error) {
	if err := p.doc.parse(raw, maxDepth); err != nil {
		return Value{}, err
	}
	return p.doc.root(), nil
}

// messageOf takes a message apart.
func messageOf(root Value) Message {
	m := Message{Kind: KindUnknown, Root: root}
	switch root.Kind() {
	case Array:
		m.Kind = KindBatch
	case Object:
		m.read(root)
	default:
	}
	return m
}

func (m *Message) read(root Value) {
	var hasResult, hasError, hasMethod bool
	for name, v := range root.Members() {
		switch name {
		case "id":
			m.ID = v.idText()
		case "method":
			m.Method, hasMethod = v.Text(), v.Kind() == String
		case "params":
			m.Params = v
		case "result":
			m.Result, hasResult = v, true
		case "error":
			hasError = v.Kind() == Object
			m.readError(v)
		}
	}
	switch {
	case hasMethod && m.ID != "":
		m.Kind = KindRequest
	case hasMethod:
		m.Kind = KindNotification
	case hasError:
		m.Kind = KindError
	case hasResult:
		m.Kind = KindResponse
	}
}

// idText is the JSON text of an id: the value as it is written where there is but one way.
func (v Value) idText() string {
	switch v.Kind() {
	case String:
		n := &v.doc.nodes[v.at]
		if n.meta&escaped == 0 {
			return v.doc.data[n.start-1 : n.end+1]
		}
		return string(quote(v.Text()))
	case Number:
		return integer(v.number())
	default:
		return ""
	}
}

// integer gives a number that is a whole one, however it is written, in its plain form,
// as far as every parser holds it exactly; all else stays as it is.
func integer(number string) string {
	if isInteger(number) && number != "-0" {
		return number
	}
	const exact = 1 << 53
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > exact {
		return number
	}
	return strconv.FormatInt(int64(f), 10)
}

func isInteger(number string) bool {
	for i := range len(number) {
		if c := number[i]; c == '.' || c|0x20 == 'e' {
			return false
		}
	}
	return true
}

// quote writes a JSON string.
func quote(s string) []byte {
	quoted, _ := jsontext.AppendQuote(nil, s) // an error says that invalid UTF-8 was replaced
	return quoted
}

func (m *Message) readError(v Value) {
	m.ErrorCode, m.ErrorText, m.ErrorData = 0, "", Value{}
	for name, v := range v.Members() {
		switch name {
		case "code":
			m.ErrorCode, _ = v.Int()
		case "message":
			m.ErrorText = v.Text()
		case "data":
			m.ErrorData = v
		}
	}
}

// Name is the tool or prompt that a request names, or the URI of its resource.
func (m *Message) Name() string { return RequestName(m.Method, m.Params) }

// RequestName is the tool or prompt that a request's params name, or the URI of its resource.
func RequestName(method string, params Value) string {
	switch method {
	case "tools/call", "prompts/get":
		return params.Get("name").Text()
	case "resources/read", "resources/subscribe", "resources/unsubscribe", "notifications/resources/updated":
		return params.Get("uri").Text()
	case "completion/complete":
		ref := params.Get("ref")
		if name := ref.Get("name").Text(); name != "" {
			return name
		}
		return ref.Get("uri").Text()
	}
	return ""
}

// MetaPrefix begins the _meta names that the 2026-07-28 revision reserves.
const MetaPrefix = "io.modelcontextprotocol/"

// ProtocolVersion is the revision that the message itself names: in _meta (2026-07-28
// on) or in initialize. It is "" for every other message.
func (m *Message) ProtocolVersion() string {
	for _, body := range []Value{m.Params, m.Result} {
		if v := body.Get("_meta", MetaPrefix+"protocolVersion").Text(); v != "" {
			return v
		}
	}
	if m.Method == "initialize" {
		return m.Params.Get("protocolVersion").Text()
	}
	return m.Result.Get("protocolVersion").Text()
}
