package format

// meaning is what an attribute of OpenTelemetry says.
type meaning uint8

// The meanings that are understood.
const (
	otlpMethod meaning = iota
	otlpRequestID
	otlpTool
	otlpPrompt
	otlpResource
	otlpArguments
	otlpResult
	otlpOperation
	otlpErrorType
	otlpErrorCode
	otlpErrorText
	otlpSuccess
	otlpSession
	otlpRevision
	otlpTransport
	otlpNetwork
	otlpAgentID
	otlpAgentName
	otlpAgentVersion
	otlpUserAgent
	otlpServer
	otlpUser
	otlpClientAddress
	otlpServerAddress
	otlpServerPort
	otlpURL
	otlpHTTPMethod
	otlpHTTPStatus
	otlpSize
	otlpDuration
	otlpService
	otlpServiceVersion
	otlpHost
	otlpOwner
	meanings
)

// otlpNames is the one place that knows the names of attributes: those of the conventions for MCP and
// GenAI of today first, then those that came before or that a product has of its own. Where a record
// has several of a line, the first counts.
//
// Sources: OpenTelemetry's semantic conventions 1.39 to 1.41 and what became of them in
// semantic-conventions-genai (mcp.*, gen_ai.*, jsonrpc.*, rpc.*), 1.20 and before (http.*, net.*,
// rpc.jsonrpc.*, enduser.*); ToolHive (mcp.method and others without .name, mcp.server.name,
// mcp.transport); agentgateway (mcp.target, jwt.sub); Envoy AI Gateway (mcp.provider.name); ContextForge
// (tool.name, resource.uri, prompt.id, tool.gateway_id, success).
var otlpNames = [meanings][]string{
	otlpMethod:    {"mcp.method.name", "mcp.method"},
	otlpRequestID: {"jsonrpc.request.id", "rpc.jsonrpc.request_id", "mcp.request.id"},
	otlpTool:      {"gen_ai.tool.name", "mcp.tool.name", "tool.name"},
	otlpPrompt:    {"gen_ai.prompt.name", "mcp.prompt.name", "prompt.id"},
	otlpResource:  {"mcp.resource.uri", "resource.uri"},
	otlpArguments: {"gen_ai.tool.call.arguments", "mcp.tool.arguments", "mcp.prompt.arguments", "tool.invocation.args"},
	otlpResult:    {"gen_ai.tool.call.result", "mcp.tool.result"},
	otlpOperation: {"gen_ai.operation.name"},

	otlpErrorType: {"error.type"},
	otlpErrorCode: {"rpc.response.status_code", "rpc.jsonrpc.error_code", "mcp.error.code"},
	otlpErrorText: {"rpc.jsonrpc.error_message", "mcp.error.message", "error.message"},
	otlpSuccess:   {"success"},

	otlpSession:   {"mcp.session.id", "session.id", "gen_ai.conversation.id"},
	otlpRevision:  {"mcp.protocol.version", "mcp.protocol_version"},
	otlpTransport: {"mcp.transport", "contextforge.transport"},
	otlpNetwork:   {"network.transport", "net.transport"},

	otlpAgentID:      {"gen_ai.agent.id"},
	otlpAgentName:    {"mcp.client.name", "gen_ai.agent.name"},
	otlpAgentVersion: {"mcp.client.version", "gen_ai.agent.version"},
	otlpUserAgent:    {"user_agent.original", "http.user_agent"},
	otlpServer:       {"mcp.server.name", "mcp.target", "mcp.provider.name", "tool.gateway_id"},
	otlpUser:         {"user.id", "enduser.id", "jwt.sub", "user"},

	otlpClientAddress: {"client.address", "http.client_ip", "net.sock.peer.addr", "net.peer.ip"},
	otlpServerAddress: {"server.address", "net.peer.name"},
	otlpServerPort:    {"server.port", "net.peer.port"},
	otlpURL:           {"url.full", "http.url"},
	otlpHTTPMethod:    {"http.request.method", "http.method"},
	otlpHTTPStatus:    {"http.response.status_code", "http.status_code", "http.status", "response_code"},
	otlpSize:          {"http.response.body.size", "http.response_content_length"},
	otlpDuration:      {"duration.ms", "duration_ms", "http.duration_ms", "duration"},

	otlpService:        {"service.name"},
	otlpServiceVersion: {"service.version"},
	otlpHost:           {"host.name"},
	otlpOwner:          {"process.owner"},
}

// otlpName says what a name means, and how many of the same meaning go before it.
type otlpName struct {
	meaning meaning
	rank    uint8
}

var otlpMeanings = byName(&otlpNames)

func byName(names *[meanings][]string) map[string]otlpName {
	all := map[string]otlpName{}
	for m, line := range names {
		for rank, name := range line {
			all[name] = otlpName{meaning(m), uint8(rank)}
		}
	}
	return all
}

// contextForge is the scope of ContextForge's spans, which name no method: the span's name tells. Its
// other spans (tool.lookup, tool.gateway_call, mcp.client.call and so on) are steps of these.
const contextForge = "mcp-gateway"

var contextForgeMethods = map[string]string{
	"tool.invoke":            "tools/call",
	"tool.list":              "tools/list",
	"resource.read":          "resources/read",
	"resource.list":          "resources/list",
	"resource_template.list": "resources/templates/list",
	"prompt.render":          "prompts/get",
	"prompt.list":            "prompts/list",
	"mcp.initialize":         "initialize",
}

// executeTool is the gen_ai.operation.name of an agent that calls a tool, of MCP or of its own.
const executeTool = "execute_tool"

// toolError is the error.type of a tool that said that it failed.
const toolError = "tool_error"

// pythonSends begins the names of the client spans of MCP's Python SDK.
const pythonSends = "MCP send "
