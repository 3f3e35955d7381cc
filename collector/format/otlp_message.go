package format

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// question is the message that was sent.
func (c *otlpCall) question(id, arguments jsontext.Value) jsontext.Value {
	m := slices.Concat(beginMessage(id), []byte(`,"method":`), quoted(c.method))
	var params []byte
	if c.target != "" {
		params = slices.Concat([]byte(`"`+nameOf(c.method)+`":`), quoted(c.target))
	}
	if arguments != nil {
		if params != nil {
			params = append(params, ',')
		}
		params = slices.Concat(params, []byte(`"arguments":`), arguments)
	}
	if params != nil {
		m = slices.Concat(m, []byte(`,"params":{`), params, []byte(`}`))
	}
	return append(m, '}')
}

func beginMessage(id jsontext.Value) []byte {
	m := []byte(`{"jsonrpc":"2.0"`)
	if id == nil {
		return m
	}
	return slices.Concat(m, []byte(`,"id":`), id)
}

// result is what came back, as far as it was told; nil where it was not.
func (r *Reader) result(c *otlpCall) (jsontext.Value, error) {
	v := c.values[otlpResult]
	if v == nil {
		return nil, nil
	}
	switch known := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		if object := r.objectIn(known.StringValue); object != nil {
			return object, nil
		}
		return textResult(known.StringValue), nil
	case *commonpb.AnyValue_KvlistValue:
		return appendAny(nil, v, r.limits.Depth)
	}
	content, err := appendAny(nil, v, r.limits.Depth)
	if err == nil && content[0] != '[' {
		content = slices.Concat([]byte{'['}, content, []byte{']'})
	}
	return slices.Concat([]byte(`{"content":`), content, []byte(`}`)), err
}

func textResult(text string) jsontext.Value {
	return slices.Concat([]byte(`{"content":[{"type":"text","text":`), quoted(text), []byte(`}]}`))
}

// answer is the message that came back: an error where there was one, else the result, which is empty
// where it was not told.
func (c *otlpCall) answer(id, result jsontext.Value, status *tracepb.Status) jsontext.Value {
	failed, code, text := c.failure(status)
	m := beginMessage(id)
	if failed == failedCall {
		return slices.Concat(m, []byte(`,"error":{"code":`), strconv.AppendInt(nil, code, 10), []byte(`,"message":`), quoted(text), []byte(`}}`))
	}
	switch {
	case result != nil:
	case c.method == "tools/call" && text != "":
		result = textResult(text)
	case c.method == "tools/call":
		result = jsontext.Value(`{"content":[]}`)
	default:
		result = jsontext.Value(`{}`)
	}
	if failed == failedTool {
		inner, isError := bytes.TrimSuffix(result, []byte(`}`)), []byte(`"isError":true}`)
		if len(inner) > 1 {
			isError = append([]byte{','}, isError...)
		}
		result = slices.Concat(inner, isError) // the last of two counts
	}
	return slices.Concat(m, []byte(`,"result":`), result, []byte(`}`))
}

// failing says how a call went.
type failing uint8

const (
	didNotFail failing = iota
	failedTool         // the tool says so
	failedCall         // there is no result
)

// failure tells how a call failed. A code is JSON-RPC's, or else HTTP's; 0 is none that is known.
func (c *otlpCall) failure(status *tracepb.Status) (how failing, code int64, text string) {
	kind := c.text(otlpErrorType)
	if text = c.text(otlpErrorText); text == "" {
		text = status.GetMessage()
	}
	if text == "" && kind != toolError {
		text = kind
	}
	if kind == toolError {
		return failedTool, 0, text
	}
	for _, m := range []meaning{otlpErrorCode, otlpErrorType} {
		if code, found := c.integer(m); found && code != 0 {
			return failedCall, code, text
		}
	}
	http, _ := c.integer(otlpHTTPStatus)
	switch {
	case c.method == "tools/call" && c.text(otlpSuccess) == "false":
		return failedTool, 0, text
	case http >= 400:
		if text == "" {
			text = "HTTP " + strconv.FormatInt(http, 10)
		}
		return failedCall, http, text
	case kind != "", status.GetCode() == tracepb.Status_STATUS_CODE_ERROR, c.text(otlpSuccess) == "false":
		if text == "" {
			text = "failed"
		}
		return failedCall, 0, strings.TrimSpace(text)
	}
	return didNotFail, 0, ""
}
