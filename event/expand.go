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
// A child has the parent's context, Parent set, and an id that derives from the parent's
// and is no other child's. Past 64 children the parent is marked "children_dropped". The
// parent itself is not among those returned.
func Expand(e *Event, m *Message) []Event {
	x := expander{parent: e}
	for i, item := range m.Items {
		x.add(strconv.Itoa(i), item.MarshalTo(nil))
	}
	visit(Get(m.Result, "inputRequests"), func(key string, request *fastjson.Value) {
		x.add("input/"+key, rpc(key, member{"method", Get(request, "method")}, member{"params", Get(request, "params")}))
	})
	visit(Get(m.Params, "inputResponses"), func(key string, response *fastjson.Value) {
		x.add("answer/"+key, rpc(key, member{"result", response}))
	})
	return x.children
}

type expander struct {
	parent   *Event
	children []Event
}

func (x *expander) add(suffix string, message []byte) {
	if len(x.children) == maxChildren {
		x.parent.Mark("children_dropped")
		return
	}
	child := *x.parent
	child.ID = within(maxName, x.parent.ID+"/"+suffix)
	child.Parent = x.parent.ID
	child.Message = jsontext.Value(message)
	child.Request, child.Marks, child.Extra, child.Raw = nil, nil, nil, ""
	x.children = append(x.children, child)
}

type member struct {
	name  string
	value *fastjson.Value
}

// rpc writes a JSON-RPC message whose id is the string key, with those members that there are.
func rpc(key string, members ...member) []byte {
	message := append([]byte(`{"jsonrpc":"2.0","id":`), quote(key)...)
	for _, m := range members {
		if m.value != nil {
			message = append(append(append(message, ','), quote(m.name)...), ':')
			message = m.value.MarshalTo(message)
		}
	}
	return append(message, '}')
}

// visit calls each for an object's members, of those with one name for the last.
func visit(v *fastjson.Value, each func(key string, value *fastjson.Value)) {
	if v == nil || v.Type() != fastjson.TypeObject {
		return
	}
	var members []member
	last := map[string]int{}
	v.GetObject().Visit(func(key []byte, value *fastjson.Value) {
		last[string(key)] = len(members)
		members = append(members, member{string(key), value})
	})
	for i, m := range members {
		if last[m.name] == i {
			each(m.name, m.value)
		}
	}
}
