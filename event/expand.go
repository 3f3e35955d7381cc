package event

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
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
	i := 0
	for item := range m.Root.Items() {
		x.add(strconv.Itoa(i), item.AppendCompact(nil))
		i++
	}
	visit(m.Result.Get("inputRequests"), func(key string, request Value) {
		x.add("input/"+key, rpc(key, member{"method", request.Get("method")}, member{"params", request.Get("params")}))
	})
	visit(m.Params.Get("inputResponses"), func(key string, response Value) {
		x.add("answer/"+key, rpc(key, member{"result", response}))
	})
	return x.children
}

// Holds reports whether a message has others in it, which Expand lifts out.
func (m *Message) Holds() bool {
	return m.Root.Kind() == Array || m.Result.Get("inputRequests").Exists() || m.Params.Get("inputResponses").Exists()
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
	value Value
}

// rpc writes a JSON-RPC message whose id is the string key, with those members that there are.
func rpc(key string, members ...member) []byte {
	message := append([]byte(`{"jsonrpc":"2.0","id":`), quote(key)...)
	for _, m := range members {
		if m.value.Exists() {
			message = append(append(append(message, ','), quote(m.name)...), ':')
			message = m.value.AppendCompact(message)
		}
	}
	return append(message, '}')
}

// visit calls each for an object's members, of those with one name for the last.
func visit(v Value, each func(key string, value Value)) {
	var members []member
	last := map[string]int{}
	for key, value := range v.Members() {
		last[key] = len(members)
		members = append(members, member{key, value})
	}
	for i, m := range members {
		if last[m.name] == i {
			each(m.name, m.value)
		}
	}
}
