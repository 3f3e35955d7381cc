package rule

import (
	"unicode/utf8"
	"unsafe"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// memo remembers what functions of texts gave, so that five rules that ask for the secrets in
// a text look for them once.
type memo struct {
	entries []memoEntry
}

type memoEntry struct {
	function int
	text     string // held, so that no other text takes its place in memory
	value    ref.Val
}

// maxMemo bounds what is remembered of one event.
const maxMemo = 32

// memoName is the variable, which no author can write, behind which an activation has a memo.
const memoName = "@memo"

func (m *memo) reset() {
	clear(m.entries)
	m.entries = m.entries[:0]
}

// get knows a text by where it lies: comparing it would cost as much as many functions do.
func (m *memo) get(function int, text string) ref.Val {
	for i := range m.entries {
		e := &m.entries[i]
		if e.function == function && len(e.text) == len(text) && unsafe.StringData(e.text) == unsafe.StringData(text) { //nolint:gosec // compared, not read
			return e.value
		}
	}
	return nil
}

func (m *memo) put(function int, text string, value ref.Val) {
	if len(m.entries) < maxMemo {
		m.entries = append(m.entries, memoEntry{function, text, value})
	}
}

// memoized makes calls of our functions of one text, and of CEL's lowerAscii, which is in most
// conditions on texts, ask the memo first.
func (s *schema) memoized() cel.ProgramOption {
	return cel.CustomDecoratorV2(func(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
		call, ok := i.(interpreter.InterpretableCall)
		if !ok || len(call.Args()) != 1 {
			return i, nil
		}
		if call.Function() == "lowerAscii" {
			return &rememberedCall{InterpretableCall: call, argument: call.Args()[0], function: lowerAscii, of: lowered}, nil
		}
		for n := range s.functions {
			if f := &s.functions[n]; f.ofText != nil && f.Name == call.Function() {
				return &rememberedCall{InterpretableCall: call, argument: call.Args()[0], function: n, of: f.of}, nil
			}
		}
		return i, nil
	})
}

// lowerAscii is the number of CEL's function in a memo, where ours have their place in the schema.
const lowerAscii = -1

// lowered does what CEL's lowerAscii does, without a slice of runes: letters beyond ASCII stay, and a
// byte that is no UTF-8 becomes U+FFFD.
func lowered(text string) ref.Val {
	if !utf8.ValidString(text) {
		text = string([]rune(text))
	}
	for i := range len(text) {
		if c := text[i]; 'A' <= c && c <= 'Z' {
			copied := []byte(text)
			for ; i < len(copied); i++ {
				if c := copied[i]; 'A' <= c && c <= 'Z' {
					copied[i] = c + 'a' - 'A'
				}
			}
			return types.String(copied)
		}
	}
	return types.String(text)
}

type rememberedCall struct {
	interpreter.InterpretableCall
	argument interpreter.InterpretableV2
	function int
	of       func(string) ref.Val
}

// Exec implements interpreter.InterpretableV2.
func (c *rememberedCall) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	argument := c.argument.Exec(frame)
	text, ok := argument.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(argument)
	}
	behind, ok := frame.ResolveName(memoName)
	m, isMemo := behind.(*memo)
	if !ok || !isMemo {
		return c.of(string(text))
	}
	if value := m.get(c.function, string(text)); value != nil {
		return value
	}
	value := c.of(string(text))
	m.put(c.function, string(text), value)
	return value
}
