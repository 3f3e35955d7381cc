package rule

import (
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// Field is a variable that expressions read. Names are dotted and flat: `call.tool` is one
// variable, so that an unknown name is an error at load and a known one costs one look-up.
type Field struct {
	Name string
	Type *cel.Type
	Doc  string
	// Carries is what a source must carry (see event.Carries) for its events to have the field; ""
	// where every source has it.
	Carries string

	// One of the three gives the value, asked only where the event has what the field needs.
	// text and number are read by the index too, without a CEL value being made.
	text   func(*View) string        // "" where the event has none, unless empty
	number func(*View) (int64, bool) // false where the event has none
	value  func(*View) ref.Val       // nil where the event has none
	// empty says that an empty text is a value, and not the lack of one.
	empty bool
	// needs is what an event must have for the field to have a value.
	needs part
	// large says that the text is long: it is computed once an event, and its literals are indexed.
	large bool
	// constant says that the value is the same for every event.
	constant bool
}

// text makes a field whose events have it where it is not empty.
func text(name, doc string, get func(*View) string) Field {
	return Field{Name: name, Type: cel.StringType, Doc: doc, text: get}
}

// name makes the name of what a request asks for. Where a request names nothing it is empty and not
// absent: leaving out a name must not lead past `!call.tool.matches(…)`.
func name(field, doc string) Field {
	f := text(field, doc, (*View).Name)
	f.empty = true
	return f
}

// lines makes the text of all strings of something: it is long, and empty where there are none.
func lines(name, doc string, get func(*View) string) Field {
	f := text(name, doc, get).long()
	f.empty = true
	return f
}

func integer(name, doc string, get func(*View) (int64, bool)) Field {
	return Field{Name: name, Type: cel.IntType, Doc: doc, number: get}
}

// always makes a number one that every event has which has what the field needs.
func always(get func(*View) int64) func(*View) (int64, bool) {
	return func(v *View) (int64, bool) { return get(v), true }
}

// unlessZero makes a number one that a source leaves at 0 where it does not know it.
func unlessZero(get func(*View) int64) func(*View) (int64, bool) {
	return func(v *View) (int64, bool) {
		n := get(v)
		return n, n != 0
	}
}

func boolean(name, doc string, get func(*View) bool) Field {
	return Field{Name: name, Type: cel.BoolType, Doc: doc, value: func(v *View) ref.Val { return types.Bool(get(v)) }}
}

func moment(name, doc string, get func(*View) time.Time) Field {
	return Field{Name: name, Type: cel.TimestampType, Doc: doc, value: func(v *View) ref.Val {
		if t := get(v); !t.IsZero() {
			return types.Timestamp{Time: t}
		}
		return nil
	}}
}

// listOf makes a list that the event has where the second result says so.
func listOf(name, doc string, get func(*View) (list []string, there bool)) Field {
	return Field{Name: name, Type: cel.ListType(cel.StringType), Doc: doc, value: func(v *View) ref.Val {
		if list, there := get(v); there {
			return types.NewStringList(types.DefaultTypeAdapter, list)
		}
		return nil
	}}
}

// unlessEmpty makes a list one that a source leaves empty where it does not know it.
func unlessEmpty(get func(*View) []string) func(*View) ([]string, bool) {
	return func(v *View) ([]string, bool) {
		list := get(v)
		return list, len(list) > 0
	}
}

// of makes a field one that only events with a certain part have.
func (f Field) of(needs part) Field {
	f.needs = needs
	return f
}

// long makes a text one that is computed once an event and indexed.
func (f Field) long() Field {
	f.large = true
	return f
}

// carried says what a source must carry for fields to have a value.
func carried(by string, fields ...Field) []Field {
	for i := range fields {
		fields[i].Carries = by
	}
	return fields
}

// carriedByName says of fields that a source names each as what it carries.
func carriedByName(fields ...Field) []Field {
	for i := range fields {
		fields[i].Carries = fields[i].Name
	}
	return fields
}
