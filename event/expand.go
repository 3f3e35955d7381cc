package event

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/valyala/fastjson"
)

// maxChildren bounds what one message can be expanded into.
const maxChildren = 64

// Expand lifts out of an event what the old protocol revisions sent as messages of their
// own, so that one rule covers both eras:
//
//   - each message of a batch array (2025-03-26);
//   - each of a result's inputRequests (2026-07-28): a sampling, elicitation or roots
//     request of the server, whose JSON-RPC id is its key;
//   - each of a retry's inputResponses: the agent's answer to one of those.
//
// A child has the parent's context, Parent set, and an id that derives from the parent's.
// Past 64 children the parent is marked "children_dropped". The parent itself is not
// among those returned.
func Expand(e *Event, m *Message) []Event {
	x := expander{parent: e}
	for i, item := range m.Items {
		x.add(strconv.Itoa(i), e.Direction, item.MarshalTo(nil))
	}
	visit(Get(m.Result, "inputRequests"), func(key string, request *fastjson.Value) {
		x.add("input/"+key, e.Direction, rpc(key, func(a *fastjson.Arena, o *fastjson.Value) {
			o.Set("method", orNull(a, Get(request, "method")))
			if params := Get(request, "params"); params != nil {
				o.Set("params", params)
			}
		}))
	})
	visit(Get(m.Params, "inputResponses"), func(key string, response *fastjson.Value) {
		x.add("answer/"+key, e.Direction, rpc(key, func(_ *fastjson.Arena, o *fastjson.Value) {
			o.Set("result", response)
		}))
	})
	return x.children
}

type expander struct {
	parent   *Event
	children []Event
}

func (x *expander) add(suffix string, direction Direction, message []byte) {
	if len(x.children) == maxChildren {
		x.parent.Mark("children_dropped")
		return
	}
	child := *x.parent
	child.ID = x.parent.ID + "/" + suffix
	child.Parent = x.parent.ID
	child.Direction = direction
	child.Message = jsontext.Value(message)
	child.Request, child.Marks, child.Extra = nil, nil, nil
	x.children = append(x.children, child)
}

// rpc builds a JSON-RPC message whose id is the string key.
func rpc(key string, fill func(*fastjson.Arena, *fastjson.Value)) []byte {
	var arena fastjson.Arena
	o := arena.NewObject()
	o.Set("jsonrpc", arena.NewString("2.0"))
	o.Set("id", arena.NewString(key))
	fill(&arena, o)
	return o.MarshalTo(nil)
}

func visit(v *fastjson.Value, each func(key string, member *fastjson.Value)) {
	if v == nil || v.Type() != fastjson.TypeObject {
		return
	}
	v.GetObject().Visit(func(key []byte, member *fastjson.Value) { each(string(key), member) })
}

func orNull(a *fastjson.Arena, v *fastjson.Value) *fastjson.Value {
	if v == nil {
		return a.NewNull()
	}
	return v
}
