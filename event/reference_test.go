package event

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ReferenceDecode reads an event by reflection: what Decode does, ten times slower.
func ReferenceDecode(data []byte, limits Limits) (Event, error) {
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
	if err := referenceUnmarshal(data, &e); err != nil {
		mended, ok := Mend(data)
		if !ok || referenceUnmarshal(mended, &e) != nil {
			return Event{}, referenceError(err)
		}
		valid = false
	}
	if !valid {
		e.Mark("invalid_utf8")
	}
	if err := e.bound(true); err != nil {
		return Event{}, err
	}
	return e, nil
}

func referenceUnmarshal(data []byte, e *Event) error {
	*e = Event{}
	if err := json.Unmarshal(data, e, jsontext.AllowDuplicateNames(true)); err != nil {
		return err
	}
	if jsontext.Value(data).Kind() == 'n' {
		return errors.New("is a JSON null, which does not fit")
	}
	return nil
}

// ReferenceEncode writes an event by reflection.
func ReferenceEncode(dst []byte, e *Event) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	err := json.MarshalWrite(buf, e,
		jsontext.AllowDuplicateNames(true), jsontext.PreserveRawStrings(true), json.Deterministic(true))
	if err != nil {
		return dst, err
	}
	return buf.Bytes(), nil
}

// referenceError names the field, and for what is JSON the reason too.
func referenceError(err error) *FieldError {
	refused := &FieldError{Reason: Printable(err.Error())}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		refused.Reason = "has the wrong type"
		if semantic.GoType != nil {
			refused.Reason = fmt.Sprintf("is a JSON %s, which does not fit", referenceKind(semantic.JSONKind))
		}
		if semantic.Err != nil {
			refused.Reason += ": " + Printable(semantic.Err.Error())
		}
		refused.Field = referencePath(semantic.JSONPointer)
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		refused.Reason = fmt.Sprintf("is not JSON at byte %d", syntactic.ByteOffset)
		refused.Field = referencePath(syntactic.JSONPointer)
	}
	return refused
}

func referencePath(p jsontext.Pointer) string {
	path := ""
	for token := range p.Tokens() {
		if path != "" {
			path += "."
		}
		path += Printable(token)
	}
	return path
}

func referenceKind(k jsontext.Kind) ValueKind {
	return map[jsontext.Kind]ValueKind{'"': String, '0': Number, '{': Object, '[': Array, 't': Bool, 'f': Bool, 'n': Null}[k]
}
