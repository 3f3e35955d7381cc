package format

import "github.com/mcpwatch/mcpwatch/event"

// shape is which of the names that tell formats apart an object has, found in one pass.
type shape struct {
	has   names
	texts names // those whose value, the last one, is a string
}

// names is a set of bits.
type names uint32

const (
	hasAgent names = 1 << iota
	hasArgsText
	hasDescription
	hasDirection
	hasError
	hasID
	hasJSONRPC
	hasMessage
	hasMethod
	hasName
	hasParams
	hasRaw
	hasResult
	hasResultText
	hasSchema
	hasServer
	hasSource
	hasTool
	hasTools
)

func bitOf(name string) names {
	switch name {
	case "agent":
		return hasAgent
	case "args_text":
		return hasArgsText
	case "description":
		return hasDescription
	case "direction":
		return hasDirection
	case "error":
		return hasError
	case "id":
		return hasID
	case "jsonrpc":
		return hasJSONRPC
	case "message":
		return hasMessage
	case "method":
		return hasMethod
	case "name":
		return hasName
	case "params":
		return hasParams
	case "raw":
		return hasRaw
	case "result":
		return hasResult
	case "result_text":
		return hasResultText
	case "inputSchema":
		return hasSchema
	case "server":
		return hasServer
	case "source":
		return hasSource
	case "tool":
		return hasTool
	case "tools":
		return hasTools
	}
	return 0
}

func shapeOf(root event.Value) (s shape) {
	for name, value := range root.Members() {
		bit := bitOf(name)
		s.has |= bit
		s.texts &^= bit
		if value.Kind() == event.String {
			s.texts |= bit
		}
	}
	return s
}

// isMessage reports whether an object is a JSON-RPC message itself rather than the
// envelope of one. Some writers leave "jsonrpc" out.
func (s shape) isMessage() bool {
	return s.has&hasJSONRPC != 0 ||
		s.has&hasMethod != 0 && s.has&(hasParams|hasID) != 0 ||
		s.has&hasResult != 0 && s.has&hasID != 0
}

// isFlat reports whether an object is a flat log of a call. Nothing that a message has in it may
// be there: it would go unread.
func isFlat(_ event.Value, s shape) bool {
	return s.texts&hasMethod != 0 && s.has&(hasTool|hasArgsText|hasResultText) != 0 &&
		s.texts&hasJSONRPC == 0 && s.has&(hasParams|hasResult|hasError|hasMessage|hasRaw) == 0
}

// isMessageRecord reports whether an object is a JSON-RPC message or the envelope of one that is
// not ours.
func isMessageRecord(_ event.Value, s shape) bool {
	return s.isMessage() || s.isEnvelope() && s.texts&(hasServer|hasSource|hasAgent) != 0 // ours holds objects there
}

// isEvent reports whether an object is an event.
func isEvent(_ event.Value, s shape) bool { return s.isEnvelope() }

// isEnvelope reports whether an object holds a message: a text is some log's.
func (s shape) isEnvelope() bool {
	return s.has&hasMessage != 0 && s.texts&hasMessage == 0 || s.has&hasRaw != 0 && s.has&hasDirection != 0
}

// isTool reports whether an object is a tool definition or a list of them.
func isTool(_ event.Value, s shape) bool {
	return s.has&hasTools != 0 || s.texts&hasName != 0 && s.has&(hasSchema|hasDescription) != 0
}
