package rule

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"

	"github.com/mcpwatch/mcpwatch/event"
)

// template is a text in which {EXPRESSION} stands for a value; {{ and }} are braces.
type template struct {
	parts []templatePart
}

type templatePart struct {
	text  string
	value *expression
}

// Bounds of a filled template.
const (
	maxTemplateValue = 200  // bytes of one value
	maxTemplate      = 1024 // bytes of the whole
	noValue          = "?"  // what stands for a value that the event does not have
)

// template compiles a text.
func (b *builder) template(path, text string) (template, error) {
	var t template
	literal := strings.Builder{}
	for rest := text; rest != ""; {
		at := strings.IndexAny(rest, "{}")
		if at < 0 {
			literal.WriteString(rest)
			break
		}
		literal.WriteString(rest[:at])
		brace := rest[at]
		rest = rest[at+1:]
		if rest != "" && rest[0] == brace {
			literal.WriteByte(brace)
			rest = rest[1:]
			continue
		}
		end := closing(rest)
		if brace == '}' || end < 0 {
			at := passage{path, text, len(text) - len(rest) - 1, len(text)}
			line, column := at.place(1, 0)
			return template{}, b.in.expressionAt(path, text, line, column, fmt.Sprintf("%s: a brace without its other: write {{ or }} for a brace", strings.TrimPrefix(path, "$.")))
		}
		begin := len(text) - len(rest)
		x, err := b.compilePassage(passage{path, text, begin, begin + end})
		if err != nil {
			return template{}, err
		}
		t.parts = append(t.parts, templatePart{text: literal.String()}, templatePart{value: &x})
		literal.Reset()
		rest = rest[end+1:]
	}
	t.parts = append(t.parts, templatePart{text: literal.String()})
	return t, nil
}

// closing is where the brace closes that an expression stands in, -1 for nowhere.
func closing(text string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
		case c == '"' || c == '\'':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth == 0:
			return i
		case c == '}':
			depth--
		}
	}
	return -1
}

func (t template) expressions() []*expression {
	var all []*expression
	for _, p := range t.parts {
		if p.value != nil {
			all = append(all, p.value)
		}
	}
	return all
}

// fill writes the text. Values are somebody's who may be hostile: they are made printable and cut.
func (t template) fill(a interpreter.Activation) string {
	if len(t.parts) == 1 {
		return t.parts[0].text
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.value == nil {
			b.WriteString(p.text)
			continue
		}
		b.WriteString(event.Printable(cut(shown(p.value.value(a)), maxTemplateValue)))
	}
	return cut(b.String(), maxTemplate)
}

// shown is a value as people read it.
func shown(value ref.Val) string {
	switch value := value.(type) {
	case traits.Lister:
		var list []string
		for it := value.Iterator(); it.HasNext() == types.True && len(list) < maxFactList; {
			list = append(list, shown(it.Next()))
		}
		return strings.Join(list, ", ")
	case nil, *types.Err:
		return noValue
	}
	if text, ok := value.ConvertToType(types.StringType).(types.String); ok {
		return string(text)
	}
	if value.Type() == cel.NullType {
		return noValue
	}
	return fmt.Sprint(value.Value())
}

// cut shortens a text to at most n bytes without breaking a character.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}
