package format

import "github.com/mcpwatch/mcpwatch/event"

// shape is which of the names that tell formats apart an object has, found in one pass.
type shape struct {
	has   names
	texts names // those whose value, the last one, is a string
}

// names is a set of bits.
type names uint64

const (
	hasAction names = 1 << iota
	hasActionTaken
	hasActivity
	hasActor
	hasAgent
	hasArgsText
	hasAscTime
	hasAuditID
	hasCapabilityName
	hasCapabilityType
	hasComponent
	hasDescription
	hasDirection
	hasError
	hasEvent
	hasEventType
	hasHTTP
	hasID
	hasIsSecurityEvent
	hasJSONRPC
	hasLevel
	hasLevelName
	hasMCPMethod
	hasMCPProvider
	hasMessage
	hasMethod
	hasName
	hasObotType
	hasOutcome
	hasParams
	hasPipelock
	hasProcessID
	hasRaw
	hasRequiresReview
	hasResourceType
	hasResponseCode
	hasResult
	hasResultText
	hasSID
	hasSchema
	hasScope
	hasServer
	hasSource
	hasSourceType
	hasStartTime
	hasTargetType
	hasTime
	hasTool
	hasTools
	hasTrigger
	hasType
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
	return bitOfLog(name)
}

// bitOfLog is of the names that gateways give the members of their logs.
func bitOfLog(name string) names {
	switch name {
	case "action":
		return hasAction
	case "action_taken":
		return hasActionTaken
	case "asctime":
		return hasAscTime
	case "audit_id":
		return hasAuditID
	case "component":
		return hasComponent
	case "event":
		return hasEvent
	case "event_type":
		return hasEventType
	case "is_security_event":
		return hasIsSecurityEvent
	case "level":
		return hasLevel
	case "levelname":
		return hasLevelName
	case "mcp.method.name":
		return hasMCPMethod
	case "mcp.provider.name":
		return hasMCPProvider
	case "outcome":
		return hasOutcome
	case "process_id":
		return hasProcessID
	case "requires_review":
		return hasRequiresReview
	case "resource_type":
		return hasResourceType
	case "response_code":
		return hasResponseCode
	case "scope":
		return hasScope
	case "sid":
		return hasSID
	case "start_time":
		return hasStartTime
	case "time":
		return hasTime
	case "type":
		return hasType
	}
	return bitOfHost(name)
}

// bitOfHost is of the names that others give the members of their logs.
func bitOfHost(name string) names {
	switch name {
	case "activity":
		return hasActivity
	case "actor":
		return hasActor
	case "capability_name":
		return hasCapabilityName
	case "capability_type":
		return hasCapabilityType
	case "eventType":
		return hasObotType
	case "http":
		return hasHTTP
	case "pipelock_instance":
		return hasPipelock
	case "sourcetype":
		return hasSourceType
	case "target_type":
		return hasTargetType
	case "trigger":
		return hasTrigger
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

// isLog reports whether an object is neither a message nor an event nor a definition, of which who
// wrote them may be hostile and add any member: it is what a gateway wrote, and only texts in it
// may be somebody's.
func (s shape) isLog() bool {
	return !s.isMessage() && !s.isEnvelope() && !isTool(event.Value{}, s)
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
	return s.isMessage() || s.isEnvelope() && s.texts&(hasServer|hasSource|hasAgent) != 0 || s.isExchange()
}

// isExchange reports whether an object is somebody's envelope of an HTTP request or response that
// brought no message. Ours holds objects where this has texts.
func (s shape) isExchange() bool {
	const exchange = hasServer | hasDirection
	return s.has&(hasMessage|hasRaw) == 0 && s.has&hasHTTP != 0 && s.texts&exchange == exchange
}

// isEvent reports whether an object is an event.
func isEvent(_ event.Value, s shape) bool {
	return s.isEnvelope() || s.texts&hasActivity != 0 && s.has&hasDirection != 0 && !s.isMessage()
}

// isEnvelope reports whether an object holds a message: a text is some log's.
func (s shape) isEnvelope() bool {
	return s.has&hasMessage != 0 && s.texts&hasMessage == 0 || s.has&hasRaw != 0 && s.has&hasDirection != 0
}

// isTool reports whether an object is a tool definition or a list of them.
func isTool(_ event.Value, s shape) bool {
	return s.has&hasTools != 0 || s.texts&hasName != 0 && s.has&(hasSchema|hasDescription) != 0
}
