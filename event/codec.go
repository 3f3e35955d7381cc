package event

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits bound what Decode takes.
type Limits struct {
	// Bytes is the longest event, in bytes of JSON.
	Bytes int
	// Depth is the deepest nesting of objects and arrays.
	Depth int
}

// DefaultLimits are what a collector uses unless it is told otherwise.
func DefaultLimits() Limits { return Limits{Bytes: 1 << 20, Depth: 128} }

// StoredLimits are what readers of Kafka use: wider, since what the intake adds to an
// event counts too.
func StoredLimits() Limits { return Limits{Bytes: 8 << 20, Depth: 256} }

const (
	maxName       = 1024 // bytes of a short context field: ids, names, versions
	maxActor      = 2 * maxName
	maxText       = 8 * 1024 // bytes of a long one: command, URL, header value
	maxList       = 64       // entries of scopes, chain, completeness, marks and headers
	maxExtraBytes = 64 * 1024
)

// FieldError says why one event was refused: which field, and what is wrong with it.
type FieldError struct {
	Field  string // dotted path, "" for the event as a whole
	Reason string
}

func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + ": " + e.Reason
}

// Decode reads one event. Unknown fields are kept in Extra; strings longer than their
// bound are cut and the event is marked; invalid UTF-8 and half surrogate pairs are
// replaced and marked, since an agent's own parser would read them too. An error is a
// *FieldError.
//
// A name that occurs twice in an object counts with its last value, as in the JSON
// parsers of the agents: refusing it would hide the message from the detector.
func Decode(data []byte, limits Limits) (Event, error) {
	var e Event
	if len(data) > limits.Bytes {
		return e, &FieldError{Reason: fmt.Sprintf("%d bytes, at most %d are taken", len(data), limits.Bytes)}
	}
	valid := utf8.Valid(data)
	if !valid {
		data = bytes.ToValidUTF8(data, []byte(replacement))
	}
	if d := depth(data); d > limits.Depth {
		return e, &FieldError{Reason: fmt.Sprintf("%d levels of nesting, at most %d are taken", d, limits.Depth)}
	}
	if err := unmarshal(data, &e); err != nil {
		mended, ok := Mend(data)
		if !ok || unmarshal(mended, &e) != nil {
			return Event{}, fieldError(err)
		}
		valid = false
	}
	if !valid {
		e.Mark("invalid_utf8")
	}
	if err := e.bound(); err != nil {
		return Event{}, err
	}
	return e, nil
}

var errNull = errors.New("is a JSON null, which does not fit")

func unmarshal(data []byte, e *Event) error {
	*e = Event{}
	if err := json.Unmarshal(data, e, jsontext.AllowDuplicateNames(true)); err != nil {
		return err
	}
	if jsontext.Value(data).Kind() == 'n' {
		return errNull
	}
	return nil
}

const replacement = "\uFFFD"

// Mend makes JSON of what agents' parsers take for JSON and ours do not: invalid UTF-8
// and half surrogate pairs become U+FFFD, after which the text is compact and its escapes
// may be others. It reports false, with the text as it was, where there was nothing to
// mend or nothing that could be.
func Mend(text []byte) ([]byte, bool) {
	if jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true)) {
		return text, false
	}
	mended := jsontext.Value(bytes.ToValidUTF8(text, []byte(replacement)))
	if err := mended.Format(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return text, false
	}
	return mended, true
}

// Encode appends the event's JSON to dst. White space between a message's tokens is left
// out; nothing else of it changes.
func Encode(dst []byte, e *Event) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	err := json.MarshalWrite(buf, e,
		jsontext.AllowDuplicateNames(true), jsontext.PreserveRawStrings(true), json.Deterministic(true))
	if err != nil {
		return dst, fmt.Errorf("encoding event %s: %w", e.ID, err)
	}
	return buf.Bytes(), nil
}

// depth is the deepest nesting of brackets outside strings; the text need not be JSON.
func depth(data []byte) int {
	level, deepest := 0, 0
	inString, escaped := false, false
	for _, c := range data {
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped = c == '\\'
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}

// fieldError turns the decoder's error into one that names the field as a user wrote it.
func fieldError(err error) *FieldError {
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		reason := "has the wrong type"
		if semantic.GoType != nil {
			reason = fmt.Sprintf("is a JSON %s, which does not fit", kindName(semantic.JSONKind))
		}
		if semantic.Err != nil {
			reason += ": " + Printable(semantic.Err.Error())
		}
		return &FieldError{Field: dotted(semantic.JSONPointer), Reason: reason}
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		reason := fmt.Sprintf("is not JSON at byte %d", syntactic.ByteOffset)
		if syntactic.Err != nil {
			reason += ": " + Printable(syntactic.Err.Error())
		}
		return &FieldError{Field: dotted(syntactic.JSONPointer), Reason: reason}
	}
	return &FieldError{Reason: Printable(err.Error())}
}

func dotted(p jsontext.Pointer) string {
	parts := make([]string, 0, 4)
	for token := range p.Tokens() {
		parts = append(parts, Printable(token))
	}
	return strings.Join(parts, ".")
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '"':
		return "string"
	case '0':
		return "number"
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	default:
		return "value"
	}
}

// bound cuts what is longer than it may be and marks it.
func (e *Event) bound() error {
	if len(e.ID) > maxName {
		return &FieldError{Field: "id", Reason: fmt.Sprintf("%d bytes, at most %d are taken", len(e.ID), maxName)}
	}
	extra := len(e.Extra) + len(e.Agent.Extra) + len(e.Server.Extra) + len(e.Principal.Extra) + len(e.HTTP.Extra) + len(e.Source.Extra) + len(e.Measured.Extra)
	if e.Request != nil {
		extra += len(e.Request.Extra)
	}
	if extra > maxExtraBytes {
		return &FieldError{Reason: fmt.Sprintf("unknown fields of %d bytes, at most %d are taken", extra, maxExtraBytes)}
	}
	if e.Direction != "" && e.Direction != ToServer && e.Direction != ToClient {
		return &FieldError{Field: "direction", Reason: fmt.Sprintf("is %q, must be to_server or to_client", Printable(string(e.Direction)))}
	}
	for _, f := range []struct {
		name  string
		value *string
		most  int
	}{
		{"parent", &e.Parent, maxName},
		{"tenant", &e.Tenant, maxName},
		{"actor", &e.Actor, maxActor},
		{"session", &e.Session, maxName},
		{"trace", &e.Trace, maxName},
		{"transport", &e.Transport, maxName},
		{"agent.id", &e.Agent.ID, maxName},
		{"agent.name", &e.Agent.Name, maxName},
		{"agent.version", &e.Agent.Version, maxName},
		{"agent.host", &e.Agent.Host, maxName},
		{"agent.user", &e.Agent.User, maxName},
		{"server.id", &e.Server.ID, maxName},
		{"server.name", &e.Server.Name, maxName},
		{"server.version", &e.Server.Version, maxName},
		{"server.url", &e.Server.URL, maxText},
		{"server.command", &e.Server.Command, maxText},
		{"principal.subject", &e.Principal.Subject, maxName},
		{"principal.issuer", &e.Principal.Issuer, maxName},
		{"principal.client_id", &e.Principal.ClientID, maxName},
		{"principal.audience", &e.Principal.Audience, maxName},
		{"principal.token", &e.Principal.Token, maxName},
		{"http.method", &e.HTTP.Method, maxName},
		{"http.client_ip", &e.HTTP.ClientIP, maxName},
		{"source.format", &e.Source.Format, maxName},
		{"source.name", &e.Source.Name, maxName},
		{"source.collector", &e.Source.Collector, maxName},
		{"source.instance", &e.Source.Instance, maxName},
	} {
		if len(*f.value) > f.most {
			*f.value = cut(*f.value, f.most)
			e.Mark("truncated:" + f.name)
		}
	}
	e.Principal.Scopes = e.boundList("principal.scopes", e.Principal.Scopes)
	e.Principal.Chain = e.boundList("principal.chain", e.Principal.Chain)
	e.Source.Completeness = e.boundList("source.completeness", e.Source.Completeness)
	e.boundHeaders()
	if r := e.Request; r != nil {
		if len(r.Event) > maxName || len(r.Method) > maxName || len(r.Name) > maxText {
			r.Event, r.Method, r.Name = cut(r.Event, maxName), cut(r.Method, maxName), cut(r.Name, maxText)
			e.Mark("truncated:request")
		}
		if len(r.Arguments) > maxRequestArguments {
			r.Arguments = nil
			e.Mark("request_arguments_dropped")
		}
	}
	e.boundMarks()
	return nil
}

// boundMarks drops the oldest marks first: ours come after those of the shipper.
func (e *Event) boundMarks() {
	whole := len(e.Marks) <= maxList
	for i, m := range e.Marks {
		if len(m) > maxName {
			e.Marks[i], whole = cut(m, maxName), false
		}
	}
	if !whole {
		e.Marks = e.Marks[max(0, len(e.Marks)-maxList+1):]
		e.Mark("truncated:marks")
	}
}

func (e *Event) boundList(field string, list []string) []string {
	if len(list) > maxList {
		list = list[:maxList]
		e.Mark("truncated:" + field)
	}
	for i, s := range list {
		if len(s) > maxName {
			list[i] = cut(s, maxName)
			e.Mark("truncated:" + field)
		}
	}
	return list
}

// boundHeaders refuses no event for its headers; it keeps the ones it can.
func (e *Event) boundHeaders() {
	if len(e.HTTP.Headers) == 0 {
		return
	}
	kept := make(map[string]string, len(e.HTTP.Headers))
	for _, name := range sortedKeys(e.HTTP.Headers) {
		value := e.HTTP.Headers[name]
		name = strings.ToLower(name)
		if _, twice := kept[name]; twice || len(kept) == maxList || len(name) > maxName {
			e.Mark("truncated:http.headers")
			continue
		}
		if len(value) > maxText {
			value = cut(value, maxText)
			e.Mark("truncated:http.headers")
		}
		kept[name] = value
	}
	e.HTTP.Headers = kept
}

// cut shortens s to at most n bytes without breaking a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
