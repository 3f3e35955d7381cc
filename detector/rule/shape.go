package rule

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// shape holds a YAML node to the Go type that it is decoded into, and names every field that is
// unknown and every value of another kind than is wanted. Field is the node's path, such as
// count.by. Aliases are left to the decoder.
func (d *document) shape(field string, n ast.Node, t reflect.Type) []error {
	switch special := n.(type) {
	case *ast.AnchorNode:
		return d.shape(field, special.Value, t)
	case *ast.TagNode:
		if tag := special.GetToken().Value; t.Kind() == reflect.String && !strings.HasPrefix(tag, "!!") {
			return []error{d.wrongNode(n, field, fmt.Sprintf("%s begins with %s, which YAML takes for a tag: put the text in quotes, or on the next line after |", field, tag))}
		}
		return nil
	case *ast.AliasNode, *ast.NullNode:
		return nil
	case *ast.MappingValueNode: // a mapping of one
		n = ast.Mapping(special.Start, false, special)
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	wrong := func(mend string) []error {
		reason := fmt.Sprintf("%s is %s, must be %s", cmp.Or(field, "the file"), nodeWords(n), mend)
		return []error{d.wrongNode(n, field, reason)}
	}
	switch t.Kind() {
	case reflect.Struct:
		mapping, ok := n.(*ast.MappingNode)
		if !ok {
			return wrong("a mapping of " + strings.Join(fieldNames(t), ", "))
		}
		return d.shapeOfFields(field, mapping, t)
	case reflect.Slice:
		sequence, ok := n.(*ast.SequenceNode)
		if !ok {
			return wrong("a list: " + asList(field, n))
		}
		var problems []error
		for i, element := range sequence.Values {
			problems = append(problems, d.shape(fmt.Sprintf("%s[%d]", field, i), element, t.Elem())...)
		}
		return problems
	case reflect.String:
		if _, ok := n.(ast.ScalarNode); !ok {
			return wrong("a text: put it in quotes, or on the next line after |")
		}
	case reflect.Int:
		if n.Type() != ast.IntegerType {
			return wrong("a whole number, without quotes")
		}
	case reflect.Float64:
		if n.Type() != ast.IntegerType && n.Type() != ast.FloatType {
			return wrong("a number, without quotes")
		}
	case reflect.Bool:
		if n.Type() != ast.BoolType {
			return wrong("true or false")
		}
	default: // an interface takes everything
	}
	return nil
}

func (d *document) shapeOfFields(within string, mapping *ast.MappingNode, t reflect.Type) []error {
	var problems []error
	for _, entry := range mapping.Values {
		if entry.Key.IsMergeKey() {
			continue
		}
		name := entry.Key.GetToken().Value
		field := strings.TrimPrefix(within+"."+name, ".")
		if known, ok := fieldNamed(t, name); ok {
			problems = append(problems, d.shape(field, entry.Value, known)...)
			continue
		}
		mend := didYouMean(name, fieldNames(t))
		if mend == "" {
			mend = "there are " + strings.Join(fieldNames(t), ", ")
			if within != "" {
				mend = "in " + within + " " + mend
			}
		}
		problems = append(problems, d.wrongNode(entry.Key, field, fmt.Sprintf("unknown field %q: %s", name, mend)))
	}
	return problems
}

func (d *document) wrongNode(n ast.Node, field, reason string) *Error {
	e := &Error{File: d.file, Field: field, Reason: reason}
	e.Line, e.Column = placeOf(n)
	return e
}

// fieldNames are the names of a struct's fields in YAML.
func fieldNames(t reflect.Type) []string {
	var names []string
	for f := range t.Fields() {
		if name := f.Tag.Get("yaml"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func fieldNamed(t reflect.Type, name string) (reflect.Type, bool) {
	for f := range t.Fields() {
		if f.Tag.Get("yaml") == name {
			return f.Type, true
		}
	}
	return nil, false
}

func nodeWords(n ast.Node) string {
	switch n.Type() {
	case ast.MappingType, ast.MappingValueType:
		return "a mapping"
	case ast.SequenceType:
		return "a list"
	case ast.IntegerType, ast.FloatType:
		return n.String()
	case ast.BoolType:
		return "true or false"
	default:
		return "a text"
	}
}

// asList is how the value of a field is written as a list of one.
func asList(field string, n ast.Node) string {
	if _, ok := n.(ast.ScalarNode); !ok {
		return "begin each entry with -"
	}
	if text := n.String(); len(text) < maxShown && !strings.Contains(text, "\n") {
		return "[" + text + "]"
	}
	return field[strings.LastIndex(field, ".")+1:] + ": [ … ]"
}

// mendYAML adds to the YAML parser's message what the author most likely has to do.
func mendYAML(message string) string {
	for _, known := range []struct{ begins, mend string }{
		{"mapping value is not allowed in this context", "a text that holds `: ` goes into quotes or, the best for an expression, on the next line after |"},
		{"value is not allowed in this context. map key-value is pre-defined", "a text that begins with a quote ends with it: put the whole in single quotes, or on the next line after |"},
		{"value is not allowed in this context", "the line is indented otherwise than those that it belongs to"},
		{"non-map value is specified", "the line is indented less than the text that it belongs to, or lacks its `name: `"},
		{"found character '\t' that cannot start any token", "indent with spaces, not with a tab"},
		{"sequence end token ']' not found", "close it with ]"},
		{"could not find flow mapping end token '}'", "close it with }; a text that begins with { goes into quotes"},
		{"could not find end character of", "close the quote; within single quotes write '' for one"},
		{"unexpected directive value", "put the text in quotes"},
	} {
		if strings.HasPrefix(message, known.begins) {
			return known.begins + ": " + known.mend
		}
	}
	if strings.HasSuffix(message, "is a reserved character") {
		return message + ": put the text in quotes"
	}
	return message
}
