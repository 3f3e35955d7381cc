package event

import (
	"fmt"
	"math"
	"strconv"
	"strings"

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
// Values are good until the Parser's next Parse; strings are good for ever.
type Message struct {
	Kind Kind
	// ID is the id's JSON text, so that 3 and "3" stay two ids; "" where there is none. What
	// the agents' parsers take for one id has one text: 3, 3.0 and 3e0 are 3.
	ID     string
	Method string
	// Params, Result and ErrorData are absent where the message has none.
	Params Value
	Result Value
	// ErrorCode and ErrorText are a JSON-RPC error's code and message.
	ErrorCode int64
	ErrorText string
	ErrorData Value
	// Items are a batch's messages.
	Items []Value
	// Root is the whole JSON value, absent where there is none.
	Root Value
}

// Parser takes messages apart. It reuses its memory and belongs to one goroutine.
type Parser struct {
	tape tape
}

// ParseValue reads any JSON value.
func (p *Parser) ParseValue(raw []byte) (Value, error) {
	if err := p.tape.scan(raw); err != nil {
		return Value{}, fmt.Errorf("parsing JSON: %w", err)
	}
	return Value{&p.tape, 0}, nil
}

// Parse takes a message apart. JSON that is no JSON-RPC message gives KindUnknown; bytes
// that are no JSON give an error as well.
func (p *Parser) Parse(raw []byte) (Message, error) {
	m := Message{Kind: KindUnknown}
	if len(raw) == 0 {
		return m, nil
	}
	if err := p.tape.scan(raw); err != nil {
		return m, fmt.Errorf("parsing message: %s", Printable(err.Error()))
	}
	m.Root = Value{&p.tape, 0}
	switch m.Root.Kind() {
	case Array:
		m.Kind = KindBatch
		for item := range m.Root.Items() {
			m.Items = append(m.Items, item)
		}
	case Object:
		m.read(m.Root)
	case Absent, Null, Bool, Number, String:
	}
	return m, nil
}

func (m *Message) read(root Value) {
	var hasResult, hasError, hasMethod bool
	for key, v := range root.Members() {
		switch key {
		case "id":
			m.ID = idText(v)
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

func idText(v Value) string {
	switch v.Kind() {
	case String:
		if n := v.at(); !n.escaped {
			return alias(v.Raw())
		}
		return string(quote(v.Text()))
	case Number:
		return integer(alias(v.Raw()))
	default:
		return ""
	}
}

// integer gives a number that is a whole one, however it is written, in its plain form,
// as far as every parser holds it exactly; all else stays as it is.
func integer(number string) string {
	if !strings.ContainsAny(number, ".eE") && number != "-0" {
		return number
	}
	const exact = 1 << 53
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > exact {
		return number
	}
	return strconv.FormatInt(int64(f), 10)
}

// quote writes a JSON string.
func quote(s string) []byte {
	quoted, _ := jsontext.AppendQuote(nil, s) // an error says that invalid UTF-8 was replaced
	return quoted
}

func (m *Message) readError(v Value) {
	m.ErrorCode, m.ErrorText, m.ErrorData = 0, "", Value{}
	for key, v := range v.Members() {
		switch key {
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
	for _, body := range [...]Value{m.Params, m.Result} {
		if v := body.Get("_meta", MetaPrefix+"protocolVersion").Text(); v != "" {
			return v
		}
	}
	if m.Method == "initialize" {
		return m.Params.Get("protocolVersion").Text()
	}
	return m.Result.Get("protocolVersion").Text()
}
