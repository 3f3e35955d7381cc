package rule

import (
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"

	"github.com/mcpwatch/mcpwatch/event"
)

// View is one event as expressions see it. Each value is computed on first use and once.
// It belongs to one goroutine and is reused from event to event.
type View struct {
	schema *schema

	event      *event.Event
	message    event.Message
	definition *Definition
	has        part
	verdicts   verdicts

	// arguments of a paired request are parsed apart from the message.
	argumentsParser event.Parser
	argumentsValue  event.Value
	argumentsRead   bool

	slots []slot
	// absent counts the reads of values that the event does not have.
	absent uint64
}

type slot struct {
	value  any // ref.Val, or absentValue
	filled bool
}

// absentValue is what a variable resolves to where the event has no such value. CEL treats
// an error as "not true", and lets the other side of || decide.
func absentValue() *types.Err {
	return types.NewErr("absent").(*types.Err)
}

// Reset makes the view show another event. The message was parsed from the event's.
func (v *View) Reset(e *event.Event, m event.Message) {
	v.event, v.message, v.definition = e, m, nil
	v.argumentsValue, v.argumentsRead = event.Value{}, false
	v.has = v.partsOf()
	clear(v.slots)
}

// Absent is how many reads of the view found no value so far.
func (v *View) Absent() uint64 { return v.absent }

func (v *View) setDefinition(d *Definition) {
	v.definition = d
	v.has &^= partDefinition
	if d != nil {
		v.has |= partDefinition
	}
	for _, i := range v.schema.definitionSlots {
		v.slots[i] = slot{}
	}
}

// ResolveName implements CEL's activation.
func (v *View) ResolveName(name string) (any, bool) {
	i, known := v.schema.index[name]
	if !known {
		return nil, false
	}
	s := &v.slots[i]
	if !s.filled {
		s.value, s.filled = v.schema.absent, true
		if f := &v.schema.fields[i]; f.needs&^v.has == 0 {
			if value := f.read(v); value != nil {
				s.value = value
			}
		}
	}
	if s.value == any(v.schema.absent) {
		v.absent++
	}
	return s.value, true
}

// Parent implements CEL's activation.
func (v *View) Parent() interpreter.Activation { return nil }

// string is the value of a text field, computed once.
func (v *View) string(name string) string {
	value, _ := v.ResolveName(name)
	s, _ := value.(types.String)
	return string(s)
}

// Method is the method of the shown message; of an answer, that of its request.
func (v *View) Method() string {
	if v.message.Method == "" && v.event.Request != nil {
		return v.event.Request.Method
	}
	return v.message.Method
}

// Name is the tool, prompt or resource that the shown message is about.
func (v *View) Name() string {
	if name := v.message.Name(); name != "" {
		return name
	}
	if v.event.Request != nil {
		return v.event.Request.Name
	}
	return ""
}

func (v *View) era() string {
	version := v.message.ProtocolVersion()
	if version == "" {
		version = v.event.HTTP.Headers["mcp-protocol-version"]
	}
	if isModern(version) {
		return "modern"
	}
	return "legacy"
}

func (v *View) arguments() event.Value {
	if v.argumentsRead {
		return v.argumentsValue
	}
	v.argumentsRead = true
	if v.message.Method != "" {
		v.argumentsValue = v.message.Params.Get("arguments")
	} else if r := v.event.Request; r != nil && len(r.Arguments) > 0 {
		if value, err := v.argumentsParser.ParseValue(r.Arguments); err == nil {
			v.argumentsValue = value
		}
	}
	return v.argumentsValue
}

func (v *View) argumentsText() string { return stringsOf(v.arguments(), false) }

func (v *View) text() string {
	var b strings.Builder
	if v.message.Kind == event.KindUnknown {
		appendStrings(&b, v.message.Root, false)
	}
	for _, part := range []event.Value{v.message.Params, v.message.Result, v.message.ErrorData} {
		appendStrings(&b, part, false)
	}
	if v.message.ErrorText != "" {
		b.WriteString(v.message.ErrorText)
		b.WriteByte('\n')
	}
	b.WriteString(v.event.Raw)
	return strings.TrimSuffix(b.String(), "\n")
}

// stringsOf is every string in a value, one a line, in order; names of members too, if wanted.
func stringsOf(v event.Value, names bool) string {
	var b strings.Builder
	appendStrings(&b, v, names)
	return strings.TrimSuffix(b.String(), "\n")
}

func appendStrings(b *strings.Builder, v event.Value, names bool) {
	switch v.Kind() {
	case event.String:
		b.WriteString(v.Text())
		b.WriteByte('\n')
	case event.Array:
		for item := range v.Items() {
			appendStrings(b, item, names)
		}
	case event.Object:
		for name, member := range v.Members() {
			if names {
				b.WriteString(name)
				b.WriteByte('\n')
			}
			appendStrings(b, member, names)
		}
	default:
	}
}

func names(v event.Value) []string {
	var list []string
	for name := range v.Members() {
		list = append(list, name)
	}
	return list
}

// native turns JSON into the Go values that CEL converts from.
func native(v event.Value) any {
	switch v.Kind() {
	case event.String:
		return v.Text()
	case event.Number:
		if n, ok := v.Int(); ok {
			return n
		}
		f, _ := v.Float()
		return f
	case event.Bool:
		return v.Bool()
	case event.Array:
		list := make([]any, 0, v.Len())
		for item := range v.Items() {
			list = append(list, native(item))
		}
		return list
	case event.Object:
		members := make(map[string]any)
		for name, member := range v.Members() {
			members[name] = native(member)
		}
		return members
	default:
		return types.NullValue
	}
}

// stringSet is a list whose membership test is one look-up.
type stringSet struct {
	ref.Val
	members map[string]struct{}
}

// Contains implements CEL's `in`.
func (s stringSet) Contains(value ref.Val) ref.Val {
	text, ok := value.(types.String)
	if !ok {
		return types.False
	}
	_, found := s.members[string(text)]
	return types.Bool(found)
}
