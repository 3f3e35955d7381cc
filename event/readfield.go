package event

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// text reads a string.
func (d *Decoder) text(to *string, v Value, prefix, name string) *FieldError {
	if n := &v.doc.nodes[v.at]; n.meta == uint32(String) { // the usual one, without escapes
		*to = v.doc.data[n.start:n.end]
		d.longest = max(d.longest, len(*to))
		return nil
	}
	switch v.Kind() {
	case String:
		*to = v.doc.text(v.at)
		d.longest = max(d.longest, len(*to))
		return nil
	case Null:
		*to = ""
		return nil
	default:
		return misfit(prefix+Printable(name), v)
	}
}

// list reads an array of strings.
func (d *Decoder) list(v Value, prefix, name string) ([]string, *FieldError) {
	if v.Kind() != Array {
		return nil, object(prefix+name, v)
	}
	first := len(d.lists)
	for item := range v.Items() {
		var s string
		if d.text(&s, item, "", "") != nil {
			return nil, misfit(fmt.Sprintf("%s%s.%d", prefix, name, len(d.lists)-first), item)
		}
		d.lists = append(d.lists, s)
	}
	return d.lists[first:len(d.lists):len(d.lists)], nil
}

func readInt(v Value, size int, prefix, name string) (int64, *FieldError) {
	if v.Kind() != Number {
		return 0, object(prefix+name, v)
	}
	n, err := strconv.ParseInt(v.number(), 10, size)
	return n, outOfRange(err, v, prefix, name)
}

func readUint(v Value, prefix, name string) (uint64, *FieldError) {
	if v.Kind() != Number {
		return 0, object(prefix+name, v)
	}
	n, err := strconv.ParseUint(v.number(), 10, 64)
	return n, outOfRange(err, v, prefix, name)
}

func outOfRange(err error, v Value, prefix, name string) *FieldError {
	if err == nil {
		return nil
	}
	refused := misfit(prefix+name, v)
	refused.Reason += ": " + errors.Unwrap(err).Error()
	return refused
}

// keep adds a member that is not known to what is kept of them.
func keep(extra *jsontext.Value, member Value) {
	name := Value{member.doc, member.at - 1}
	if len(*extra) == 0 {
		*extra = append(*extra, '{')
	} else {
		(*extra)[len(*extra)-1] = ','
	}
	*extra = append(append(append(*extra, name.Raw()...), ':'), member.Raw()...)
	*extra = append(*extra, '}')
}

// object refuses what is neither null nor of the kind that the field has.
func object(field string, v Value) *FieldError {
	if v.Kind() == Null {
		return nil
	}
	return misfit(field, v)
}

func misfit(field string, v Value) *FieldError {
	return &FieldError{Field: field, Reason: fmt.Sprintf("is a JSON %s, which does not fit", v.Kind())}
}
