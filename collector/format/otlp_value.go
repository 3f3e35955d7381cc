package format

import (
	"encoding/base64"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"

	"github.com/mcpwatch/mcpwatch/event"
)

// told is what attributes say, by meaning.
type told struct {
	values [meanings]*commonpb.AnyValue
	ranks  [meanings]uint8
}

func (t *told) read(attributes []*commonpb.KeyValue) {
	for _, a := range attributes {
		name, known := otlpMeanings[a.GetKey()]
		if known && a.GetValue().GetValue() != nil && (t.values[name.meaning] == nil || name.rank <= t.ranks[name.meaning]) {
			t.values[name.meaning], t.ranks[name.meaning] = a.GetValue(), name.rank
		}
	}
}

func (t *told) has(m meaning) bool { return t.values[m] != nil }

// text is a text, or a number or truth as one; "" where it is something else.
func (t *told) text(m meaning) string {
	switch v := t.values[m].GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *commonpb.AnyValue_DoubleValue:
		return strconv.FormatFloat(v.DoubleValue, 'g', -1, 64)
	case *commonpb.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	}
	return ""
}

// integer is a whole number, or a text that is one.
func (t *told) integer(m meaning) (int64, bool) {
	n, err := strconv.ParseInt(t.text(m), 10, 64)
	return n, err == nil
}

// millis is a duration in milliseconds, or a text as "12ms".
func (t *told) millis(m meaning) int64 {
	f, err := strconv.ParseFloat(strings.TrimSuffix(t.text(m), "ms"), 64)
	if err != nil || !(f > 0 && f < math.MaxInt32) {
		return 0
	}
	return int64(f)
}

// appendAny writes a value as JSON, with no more than so many levels in it.
func appendAny(dst []byte, v *commonpb.AnyValue, levels int) ([]byte, error) {
	if levels < 0 {
		return dst, &event.FieldError{Field: "message", Reason: "its nesting is too deep"}
	}
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return append(dst, quoted(v.StringValue)...), nil
	case *commonpb.AnyValue_BoolValue:
		return strconv.AppendBool(dst, v.BoolValue), nil
	case *commonpb.AnyValue_IntValue:
		return strconv.AppendInt(dst, v.IntValue, 10), nil
	case *commonpb.AnyValue_DoubleValue:
		return appendFloat(dst, v.DoubleValue), nil
	case *commonpb.AnyValue_BytesValue:
		return append(dst, quoted(base64.StdEncoding.EncodeToString(v.BytesValue))...), nil
	case *commonpb.AnyValue_KvlistValue:
		return appendObject(dst, v.KvlistValue.GetValues(), levels)
	case *commonpb.AnyValue_ArrayValue:
		dst = append(dst, '[')
		for i, item := range v.ArrayValue.GetValues() {
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = appendAny(dst, item, levels-1); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	}
	return append(dst, "null"...), nil
}

func appendObject(dst []byte, members []*commonpb.KeyValue, levels int) ([]byte, error) {
	dst = append(dst, '{')
	for i, member := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, quoted(member.GetKey())...), ':')
		var err error
		if dst, err = appendAny(dst, member.GetValue(), levels-1); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// appendFloat writes what JSON has no number for as text.
func appendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, quoted(strconv.FormatFloat(f, 'g', -1, 64))...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, 64)
}

// structured is a value that the conventions want as an object and that some write as JSON, some as
// a text of name=value: the object, or that text as {"text":…}.
func (r *Reader) structured(v *commonpb.AnyValue) (jsontext.Value, error) {
	text, isText := v.GetValue().(*commonpb.AnyValue_StringValue)
	if !isText {
		object, err := appendAny(nil, v, r.limits.Depth)
		if err != nil || v.GetKvlistValue() != nil {
			return object, err
		}
		return slices.Concat([]byte(`{"value":`), object, []byte(`}`)), nil
	}
	if object := r.objectIn(text.StringValue); object != nil {
		return object, nil
	}
	if object := pairs(text.StringValue); object != nil {
		return object, nil
	}
	return slices.Concat([]byte(`{"text":`), quoted(text.StringValue), []byte(`}`)), nil
}

// objectIn is the JSON object that a text is, or nil where it is none or nested too deeply.
func (r *Reader) objectIn(text string) jsontext.Value {
	if !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		return nil
	}
	root, err := r.parse([]byte(text))
	if err != nil || root.Kind() != event.Object {
		return nil
	}
	return root.AppendCompact(nil)
}

// pair is an argument as ToolHive writes it.
var pair = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.-]*)=((?s).*)$`)

// maxTextPairs bounds the arguments that are read of one text.
const maxTextPairs = 64

// pairs is the object of a text "a=1, b=2", whose values are texts; nil where it is not clear that it
// is one, as when a name comes twice: a value can hold what looks like another argument.
func pairs(text string) jsontext.Value {
	parts := strings.SplitN(text, ", ", maxTextPairs+1)
	if len(parts) > maxTextPairs {
		return nil
	}
	seen := make(map[string]bool, len(parts))
	object := []byte{'{'}
	for _, part := range parts {
		m := pair.FindStringSubmatch(part)
		if m == nil || seen[m[1]] {
			return nil
		}
		seen[m[1]] = true
		if len(object) > 1 {
			object = append(object, ',')
		}
		object = append(append(object, quoted(m[1])...), ':')
		object = append(object, quoted(m[2])...)
	}
	return append(object, '}')
}
