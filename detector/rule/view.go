package rule

import (
	"unicode/utf8"
	"unsafe"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"

	"github.com/mcpwatch/mcpwatch/event"
)

// View is one event as expressions see it. Each value is computed on first use and once. It
// belongs to one goroutine and is reused from event to event; texts that it gives are good
// until its next Reset.
type View struct {
	schema *schema

	event      *event.Event
	message    *event.Message
	definition *Definition
	has        part

	// arguments of a paired request are parsed apart from the message.
	argumentsParser event.Parser
	argumentsValue  event.Value
	argumentsRead   bool
	argumentsCut    bool // call.args_text lacks a part of them

	// A slot is a field's value; it is good where it was filled in this round.
	slots []slot
	round uint32
	// texts holds the texts of the event, definitionTexts those of the shown definition.
	texts, definitionTexts textBuffer
	hidden                 span // what event.text leaves out of the event's text
	uninspected            int64

	scratch  scratch
	verdicts verdicts
	memo     memo

	// budget is what is left of budgetOf the event; unjudgedRules are the conditions that it cut.
	budget        int64
	unjudgedRules int
	unjudged      int // definitions
	// absent counts the reads of values that the event does not have.
	absent uint64
}

type slot struct {
	value   ref.Val // nil where there is none
	text    string
	valueIn uint32 // the round in which value was computed
	textIn  uint32
}

// Texts longer than both together are read at their head and their tail.
const (
	maxHead = 48 << 10
	maxTail = 16 << 10
	// maxBuffer is the most memory that a view keeps for good for texts. More is kept until an event
	// did not need it.
	maxBuffer = 1 << 20
)

// absentValue is what a variable resolves to where the event has no such value. CEL treats
// an error as "not true", and lets the other side of || decide.
func absentValue() *types.Err {
	return types.NewErr("absent").(*types.Err)
}

// Reset makes the view show another event. The message was parsed from the event's.
func (v *View) Reset(e *event.Event, m *event.Message) {
	v.event, v.message, v.definition = e, m, nil
	v.argumentsValue, v.argumentsRead, v.argumentsCut = event.Value{}, false, false
	v.has = v.partsOf()
	v.round++
	if v.round == 0 { // it wrapped: what looks filled is four milliards of events old
		clear(v.slots)
		v.round = 1
	}
	v.texts.reset()
	v.definitionTexts.reset()
	v.memo.reset()
	v.unjudgedRules = 0
	v.uninspected = v.countUninspected()
}

// Absent is how many reads of the view found no value so far.
func (v *View) Absent() uint64 { return v.absent }

func (v *View) setDefinition(d *Definition) {
	v.definitionTexts.buffer = v.definitionTexts.buffer[:0]
	v.definition = d
	v.has &^= partDefinition
	if d != nil {
		v.has |= partDefinition
	}
	for _, i := range v.schema.definitionSlots {
		v.slots[i] = slot{}
	}
	v.memo.reset()
}

// ResolveName implements CEL's activation.
func (v *View) ResolveName(name string) (any, bool) {
	i, known := v.schema.index[name]
	switch {
	case known:
		return v.resolve(i), true
	case name == memoName:
		return &v.memo, true
	}
	return nil, false
}

// resolve is a field's CEL value, or absentValue.
func (v *View) resolve(i int) any {
	if value := v.value(i); value != nil {
		return value
	}
	v.absent++
	return v.schema.absent
}

// value is a field's CEL value, computed once an event, or nil where the event has none.
func (v *View) value(i int) ref.Val {
	s := &v.slots[i]
	if s.valueIn != v.round {
		s.value, s.valueIn = v.computed(i), v.round
	}
	return s.value
}

func (v *View) computed(i int) ref.Val {
	f := &v.schema.fields[i]
	switch {
	case f.needs&^v.has != 0:
	case f.text != nil:
		if text := v.textOf(i); text != "" || f.empty {
			return types.String(text)
		}
	case f.number != nil:
		if n, there := f.number(v); there {
			return types.Int(n)
		}
	default:
		return f.value(v)
	}
	return nil
}

// textOf is a text field's text, "" where the event does not have it.
func (v *View) textOf(i int) string {
	f := &v.schema.fields[i]
	if f.needs&^v.has != 0 {
		return ""
	}
	if !f.large {
		return cutMiddle(f.text(v))
	}
	s := &v.slots[i]
	if s.textIn != v.round {
		s.text, s.textIn = f.text(v), v.round
	}
	return s.text
}

// text is the text of a field by its name.
func (v *View) text(name string) string { return v.textOf(v.schema.index[name]) }

// Parent implements CEL's activation.
func (v *View) Parent() interpreter.Activation { return nil }

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

// hasArguments reports whether a call has arguments; those of a paired request are not parsed for it.
func (v *View) hasArguments() bool {
	if v.message.Method != "" {
		return v.arguments().Kind() > event.Null
	}
	r := v.event.Request
	return r != nil && len(r.Arguments) > 0 && r.Arguments.Kind() != 'n'
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

// argumentsText is every string of the arguments, one a line.
func (v *View) argumentsText() string {
	begin := len(v.texts.buffer)
	v.texts.buffer = v.arguments().AppendStrings(v.texts.buffer, false)
	text, hidden := v.texts.from(begin)
	v.argumentsCut = hidden != (span{})
	return text
}

// eventText is every string of the message, and what was sent in place of one.
func (v *View) eventText() string {
	begin := len(v.texts.buffer)
	parts := [...]event.Value{{}, v.message.Params, v.message.Result, v.message.ErrorData}
	if v.message.Kind == event.KindUnknown {
		parts[0] = v.message.Root
	}
	for _, part := range parts {
		v.texts.buffer = part.AppendStrings(v.texts.buffer, false)
	}
	for _, text := range []string{v.message.ErrorText, v.event.Raw} {
		if text != "" {
			v.texts.buffer = append(append(v.texts.buffer, text...), '\n')
		}
	}
	text, hidden := v.texts.from(begin)
	v.hidden = hidden
	return text
}

// textBuffer is texts that are built one after the other, in memory that is used again.
type textBuffer struct {
	buffer  []byte
	longest int // that the buffer was since the last reset
}

func (t *textBuffer) reset() {
	if cap(t.buffer) > maxBuffer && t.longest <= maxBuffer {
		t.buffer = nil
	}
	t.buffer, t.longest = t.buffer[:0], 0
}

// strings is every string in a value, one a line, in order; names of members too, if wanted.
func (t *textBuffer) strings(value event.Value, names bool) string {
	begin := len(t.buffer)
	t.buffer = value.AppendStrings(t.buffer, names)
	text, _ := t.from(begin)
	return text
}

// from is the text in the buffer from a place on, without its last line break: head and
// tail where it is long, and what between them was cut out.
func (t *textBuffer) from(begin int) (text string, hidden span) {
	t.longest = max(t.longest, len(t.buffer))
	built := t.buffer[begin:]
	if n := len(built); n > 0 {
		built = built[:n-1]
	}
	if head, tail := middle(built); head < tail {
		hidden = span{head, tail}
		built = append(append(built[:head], '\n'), built[tail:]...)
	}
	t.buffer = t.buffer[:begin+len(built)]
	return unsafe.String(unsafe.SliceData(built), len(built)), hidden //nolint:gosec // written once an event, read until the next
}

// middle is where what no rule sees of a text begins and ends, between characters.
func middle[T string | []byte](text T) (head, tail int) {
	if len(text) <= maxHead+maxTail {
		return len(text), len(text)
	}
	head, tail = maxHead, len(text)-maxTail
	for n := 1; n < utf8.UTFMax && !utf8.RuneStart(text[head]); n++ {
		head--
	}
	for n := 1; n < utf8.UTFMax && !utf8.RuneStart(text[tail]); n++ {
		tail++
	}
	return head, tail
}

// cutMiddle leaves head and tail of a long text.
func cutMiddle(text string) string {
	head, tail := middle(text)
	if head == tail {
		return text
	}
	return text[:head] + "\n" + text[tail:]
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
		return cutMiddle(v.Text())
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
		members := make(map[string]any, v.Len())
		for name, member := range v.Members() {
			members[name] = native(member)
		}
		return members
	case event.Absent, event.Null:
	}
	return types.NullValue
}
