package tap

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/mcpwatch/mcpwatch/event"
)

// A tool's parameter may be marked to be sent as a header too ("x-mcp-header" in its schema). What
// lies between agent and server may decide by headers, and the server by the body: they must agree.

const (
	maxBindings     = 32 // of one tool
	maxBindingDepth = 8
	base64Head      = "=?base64?"
	base64Tail      = "?="
)

// binding is a parameter that is sent as a header.
type binding struct {
	header string   // in lower case, with its prefix
	path   []string // in the arguments
}

// bindings finds a tool's parameters with a header in its input schema.
func bindings(schema event.Value) (found []binding) {
	var walk func(v event.Value, path []string)
	walk = func(v event.Value, path []string) {
		for name, property := range v.Get("properties").Members() {
			if len(found) >= maxBindings || len(path) >= maxBindingDepth {
				return
			}
			at := append(slices.Clip(path), bounded(name))
			if h := property.Get("x-mcp-header").Text(); h != "" {
				found = append(found, binding{header: bounded(strings.ToLower(paramHeader + h)), path: at})
			}
			walk(property, at)
		}
	}
	walk(schema, nil)
	return found
}

// mismatches names the headers that say something else than the message in the body. From
// 2026-07-28 on, where Mcp-Method is mandatory, those that are missing count too.
func (t *talk) mismatches(headers map[string]string, m *event.Message) (names []string) {
	if m.Kind != event.KindRequest && m.Kind != event.KindNotification {
		return nil
	}
	check := func(name string, want event.Value, text string) {
		got, sent := headers[name]
		if !sent {
			if headers["mcp-method"] != "" && text != "" {
				names = append(names, name)
			}
			return
		}
		if got, ok := plainHeader(got); !ok || !same(got, text, want) {
			names = append(names, name)
		}
	}
	if headers["mcp-method"] != "" {
		check("mcp-method", event.Value{}, m.Method)
	}
	switch m.Method {
	case "tools/call", "prompts/get", "resources/read":
		check("mcp-name", event.Value{}, m.Name())
	}
	if version := m.Params.Get("_meta", event.MetaPrefix+"protocolVersion").Text(); version != "" {
		check("mcp-protocol-version", event.Value{}, version)
	}
	if m.Method == "tools/call" {
		known, _ := t.tools.get(m.Name())
		for _, b := range known {
			v := m.Params.Get("arguments").Get(b.path...)
			check(b.header, v, scalar(v))
		}
	}
	return names
}

// plainHeader undoes the encoding of values that a header cannot carry.
func plainHeader(value string) (string, bool) {
	inner, found := strings.CutPrefix(value, base64Head)
	if !found {
		return value, true
	}
	if len(value) >= maxHeader-len(base64Tail) {
		return value, true // it was cut: nothing can be said
	}
	inner, found = strings.CutSuffix(inner, base64Tail)
	decoded, err := base64.StdEncoding.DecodeString(inner)
	return string(decoded), found && err == nil
}

// scalar is the text of a value that can be a header, or "".
func scalar(v event.Value) string {
	switch v.Kind() {
	case event.String:
		return v.Text()
	case event.Number, event.Bool:
		return string(v.Raw())
	default:
		return ""
	}
}

// same compares a header, of which no more than maxHeader bytes are there, with the body.
func same(header, body string, v event.Value) bool {
	if header == body || len(header) >= maxHeader-len(base64Tail) && (strings.HasPrefix(body, header) || strings.HasPrefix(header, base64Head)) {
		return true
	}
	number, isNumber := v.Float()
	f, err := strconv.ParseFloat(header, 64)
	return isNumber && err == nil && f == number
}
