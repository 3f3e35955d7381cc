package event_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/event"
)

// FuzzDecode takes whatever was shipped through the whole of the intake: what is accepted
// can be stored, is read as it was stored, and stays the same however often that is done.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		`{"id":"a","time":"2026-11-22T09:42:11.123456Z","direction":"to_server","message":{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"x","arguments":{}}}}`,
		`{"message":[{"id":1,"method":"ping"},{"id":1.0,"result":{}}],"x":1,"x":{"y":2}}`,
		`{"message":{"id":"a","result":{"inputRequests":{"a/b":{"method":"roots/list"},"\u0001\"":null,"a":1,"a":2}}},"marks":["a","a"]}`,
		`{"message":{"params":{"inputResponses":{"\ud800":"\udc00"}}},"http":{"headers":{"A":"1","a":"2","Ⱥ":"3"}}}`,
		`{"time":"9999-12-31T23:59:59.999999999-23:59","principal":{"subject":"a/b","issuer":"%2F","issued":"0000-01-01T00:00:00+23:59"}}`,
		"{\"raw\":\"\xff\xfe\",\"agent\":{\"user\":\"\xed\xa0\x80\"}}", `null`, `{}`, `[`, `{"message":1e400}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		shipped, err := event.Decode(data, event.DefaultLimits())
		if err != nil {
			return
		}
		var p event.Parser
		ids := map[string]bool{}
		for _, e := range p.Take(event.Shipment{Event: shipped, Origin: origin, Received: received, Raw: data}) {
			if ids[e.ID] {
				t.Errorf("the id %q is there twice", e.ID)
			}
			ids[e.ID] = true
			first, err := event.Encode(nil, &e)
			if err != nil {
				t.Fatalf("what was accepted cannot be stored: %v", err)
			}
			if bytes.ContainsAny(first, "\n\r") {
				t.Errorf("an event of several lines: %s", first)
			}
			stored, err := event.Decode(first, event.StoredLimits())
			if err != nil {
				t.Fatalf("what was stored cannot be read: %v\n%s", err, first)
			}
			second, err := event.Encode(nil, &stored)
			if err != nil {
				t.Fatal(err)
			}
			if len(e.Marks) <= 64 && !bytes.Equal(first, second) {
				t.Errorf("stored\n%s\nand again\n%s", first, second)
			}
			if stored.ID != e.ID || stored.Actor != e.Actor || stored.Parent != e.Parent {
				t.Errorf("id %q, actor %q, parent %q became %q, %q, %q", e.ID, e.Actor, e.Parent, stored.ID, stored.Actor, stored.Parent)
			}
		}
	})
}

// FuzzParse reads messages as agents do, then expands and pairs them.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"a":"\u0001\""}}}`,
		`{"jsonrpc":"2.0","id":1,"result":{}}`, `[{"id":1e400,"method":"a"},null]`, `{"id":1,"error":{"code":1,"message":"x","data":{}}}`,
		`{"id":1,"result":{"inputRequests":{"k":{"method":"a","params":{}}}}}`, `{"params":{"inputResponses":{"k":1}},"method":"m","id":"\u0000"}`,
		`{"method":"a","meth\u006fd":"b","id":-0}`, `nan`, `{"id":inf}`, "\"\xff\"", `"\ud800"`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var p event.Parser
		m, err := p.Parse(data)
		valid := jsontext.Value(data).IsValid(jsontext.AllowDuplicateNames(true))
		if len(data) > 0 && valid != (err == nil) && len(data) < 300 { // deeper than a parser goes it cannot be
			t.Fatalf("valid JSON is %t: %v", valid, err)
		}
		if !valid {
			return
		}
		var agent struct{ Method *string }
		if m.Root.Kind() == event.Object && exactNames(data) && json.Unmarshal(data, &agent) == nil && agent.Method != nil && m.Method != *agent.Method {
			t.Errorf("method %q, an agent reads %q", m.Method, *agent.Method)
		}
		pairer := event.NewPairer(8)
		e := event.Event{ID: "E", Session: "s", Direction: event.ToServer, Message: data}
		children := event.Expand(&e, &m)
		pairer.Pair(1, &e, &m)
		for _, child := range append(children, e) {
			if _, err := event.Encode(nil, &child); err != nil {
				t.Fatalf("%q cannot be stored: %v", child.Message, err)
			}
			cm, err := p.Parse(child.Message)
			if err != nil {
				t.Fatalf("%q: %v", child.Message, err)
			}
			answer := event.Event{Session: "s", Direction: child.Direction.Opposite()}
			pairer.Pair(2, &child, &cm)
			pairer.Pair(2, &answer, &event.Message{Kind: event.KindResponse, ID: cm.ID})
			if cm.Kind == event.KindRequest && (answer.Request == nil || answer.Request.Event != child.ID) {
				t.Errorf("%s: the answer to it pairs with %+v", child.Message, answer.Request)
			}
			if _, err := event.Encode(nil, &answer); err != nil {
				t.Fatalf("the answer to %q cannot be stored: %v", child.Message, err)
			}
		}
	})
}

// exactNames reports whether no top-level name differs from "method" by case alone, which
// encoding/json would take for it.
func exactNames(data []byte) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return false
	}
	for name := range members {
		if name != "method" && bytes.EqualFold([]byte(name), []byte("method")) {
			return false
		}
	}
	return true
}
