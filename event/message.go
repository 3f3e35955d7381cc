package event

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/valyala/fastjson"
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
// Values point into the Parser's memory: they are good until its next Parse.
type Message struct {
	Kind Kind
	// ID is the id's JSON text, so that 3 and "3" stay two ids; "" where there is none. What
	// the agents' parsers take for one id has one text: 3, 3.0 and 3e0 are 3.
	ID     string
	Method string
	// Params, Result, Data are nil where the message has none.
	Params *fastjson.Value
	Result *fastjson.Value
	// ErrorCode and ErrorText are a JSON-RPC error's code and message.
	ErrorCode int64
	ErrorText string
	ErrorData *fastjson.Value
	// Items are a batch's messages.
	Items []*fastjson.Value
	// Root is the whole JSON value, nil where there is none.
	Root *fastjson.Value
}

// Parser takes messages apart. It reuses its memory and belongs to one goroutine.
type Parser struct {
	json fastjson.Parser
}

// Parse takes a message apart. JSON that is no JSON-RPC message gives KindUnknown; bytes
// that are no JSON give an error as well.
func (p *Parser) Parse(raw []byte) (Message, error) {
	m := Message{Kind: KindUnknown}
	if len(raw) == 0 {
		return m, nil
	}
	root, err := p.json.ParseBytes(raw)
	if err != nil {
		return m, fmt.Errorf("parsing message: %s", Printable(err.Error()))
	}
	m.Root = root
	switch root.Type() {
	case fastjson.TypeArray:
		m.Kind = KindBatch
		m.Items, _ = root.Array()
	case fastjson.TypeObject:
		m.read(root)
	case fastjson.TypeNull, fastjson.TypeString, fastjson.TypeNumber, fastjson.TypeTrue, fastjson.TypeFalse:
	}
	return m, nil
}

func (m *Message) read(root *fastjson.Value) {
	var hasResult, hasError, hasMethod bool
	root.GetObject().Visit(func(key []byte, v *fastjson.Value) {
		switch string(key) {
		case "id":
			m.ID = idText(v)
		case "method":
			m.Method, hasMethod = Text(v), v.Type() == fastjson.TypeString
		case "params":
			m.Params = v
		case "result":
			m.Result, hasResult = v, true
		case "error":
			hasError = v.Type() == fastjson.TypeObject
			m.readError(v)
		}
	})
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

func idText(v *fastjson.Value) string {
	switch v.Type() {
	case fastjson.TypeString:
		return string(quote(Text(v)))
	case fastjson.TypeNumber:
		return integer(string(v.MarshalTo(nil)))
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

// quote writes a JSON string. fastjson would write one with escapes of Go that JSON lacks.
func quote(s string) []byte {
	quoted, _ := jsontext.AppendQuote(nil, s) // an error says that invalid UTF-8 was replaced
	return quoted
}

func (m *Message) readError(v *fastjson.Value) {
	m.ErrorCode, m.ErrorText, m.ErrorData = 0, "", nil
	o, err := v.Object()
	if err != nil {
		return
	}
	o.Visit(func(key []byte, v *fastjson.Value) {
		switch string(key) {
		case "code":
			m.ErrorCode, _ = v.Int64()
		case "message":
			m.ErrorText = Text(v)
		case "data":
			m.ErrorData = v
		}
	})
}

// Name is the tool or prompt that a request names, or the URI of its resource.
func (m *Message) Name() string { return RequestName(m.Method, m.Params) }

// RequestName is the tool or prompt that a request's params name, or the URI of its resource.
func RequestName(method string, params *fastjson.Value) string {
	switch method {
	case "tools/call", "prompts/get":
		return Text(Get(params, "name"))
	case "resources/read", "resources/subscribe", "resources/unsubscribe", "notifications/resources/updated":
		return Text(Get(params, "uri"))
	case "completion/complete":
		ref := Get(params, "ref")
		if name := Text(Get(ref, "name")); name != "" {
			return name
		}
		return Text(Get(ref, "uri"))
	}
	return ""
}

// MetaPrefix begins the _meta names that the 2026-07-28 revision reserves.
const MetaPrefix = "io.modelcontextprotocol/"

// ProtocolVersion is the revision that the message itself names: in _meta (2026-07-28
// on) or in initialize. It is "" for every other message.
func (m *Message) ProtocolVersion() string {
	for _, body := range []*fastjson.Value{m.Params, m.Result} {
		if v := Text(Get(body, "_meta", MetaPrefix+"protocolVersion")); v != "" {
			return v
		}
	}
	if m.Method == "initialize" {
		return Text(Get(m.Params, "protocolVersion"))
	}
	return Text(Get(m.Result, "protocolVersion"))
}

// Get walks objects by name, taking the last member of that name. It returns nil where
// the path ends early.
func Get(v *fastjson.Value, path ...string) *fastjson.Value {
	for _, name := range path {
		if v == nil || v.Type() != fastjson.TypeObject {
			return nil
		}
		var found *fastjson.Value
		v.GetObject().Visit(func(key []byte, member *fastjson.Value) {
			if string(key) == name {
				found = member
			}
		})
		v = found
	}
	return v
}

// Text is the string that v holds, or "".
func Text(v *fastjson.Value) string {
	if v == nil || v.Type() != fastjson.TypeString {
		return ""
	}
	return string(v.GetStringBytes())
}
