// Package format reads what other systems write: bytes to events, one file a format.
// Readers are pure: no clock, no I/O, no state between records.
package format

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/event"
)

// Format is a source format.
type Format string

// The formats that can be read.
const (
	// Agentgateway is the JSON log of agentgateway.
	Agentgateway Format = "agentgateway"
	// CEF is the Common Event Format as IBM ContextForge writes it.
	CEF Format = "cef"
	// ClaudeDesktop is the log of Claude Desktop.
	ClaudeDesktop Format = "claude-desktop"
	// ContextForge is the SIEM envelope, the JSON log and the log tables of IBM ContextForge.
	ContextForge Format = "contextforge"
	// Docker is the policy audit and the call log of Docker's MCP Gateway.
	Docker Format = "docker"
	// Envoy is the access log of Envoy AI Gateway.
	Envoy Format = "envoy"
	// Events is our own: one event a record.
	Events Format = "events"
	// Flat is one flat object a call: method, tool, args_text, result_text and so on beside each
	// other, as gateways log and log pipelines index it.
	Flat Format = "flat"
	// JSONRPC is a transcript: one JSON-RPC message a record, bare or in an object's "message".
	JSONRPC Format = "jsonrpc"
	// JSONRPCText is a transcript of lines that are more than JSON: behind arrows, framed, streamed.
	JSONRPCText Format = "jsonrpc-text"
	// Kuadrant is the log of the router of Kuadrant's MCP gateway.
	Kuadrant Format = "kuadrant"
	// Lasso is the tracking of Lasso's MCP gateway.
	Lasso Format = "lasso"
	// MCPProxy is the record of a session of hoophq/mcpproxy, and its log.
	MCPProxy Format = "mcpproxy"
	// Obot is the audit log of Obot.
	Obot Format = "obot"
	// Pipelock is what Pipelock sends to a SIEM.
	Pipelock Format = "pipelock"
	// Splunk is the source type mcp:jsonrpc.
	Splunk Format = "splunk"
	// Toolhive is the audit log of ToolHive.
	Toolhive Format = "toolhive"
	// OTLP is OpenTelemetry's: one request to export spans or log records a record, as JSON.
	OTLP Format = "otlp"
	// Tools is one tool definition a record, as in a tools/list result.
	Tools Format = "tools"
	// HookClaude, HookCodex, HookCursor and HookGemini are what these agents hand their hooks.
	HookClaude Format = "hook-claude"
	HookCodex  Format = "hook-codex"
	HookCursor Format = "hook-cursor"
	HookGemini Format = "hook-gemini"
	// VSCode is the output of an MCP server in Visual Studio Code.
	VSCode Format = "vscode"
)

// Auto is the name, where one is needed, of no format: that of each record is found.
const Auto = "auto"

// spec is what there is to know of a format.
type spec struct {
	format Format
	// of says whose format it is, in a few words.
	of string
	// carries lists what its records carry at all, as in event.Source.Completeness.
	carries []string
	// unverified says that no genuine record was at hand when the reader was written.
	unverified bool
	// begins reports whether a line begins a record, for a format of text whose records may have
	// several lines.
	begins func(line []byte) bool
	// isLine reports whether a line is a record, for a format of text that has one a line.
	isLine func(line []byte) bool
	// strays says that others' lines stand between the records of the log, which are none of it.
	strays bool
	// is reports whether a JSON record is one of the format.
	is func(root event.Value, s shape) bool
	// readText reads a record of text, which is valid UTF-8, readJSON one of JSON. A format may
	// have both.
	readText func(r *Reader, record []byte) error
	readJSON func(r *Reader, root event.Value) error
}

// specs lists the formats. Where a record could be of several, the first is meant: those of one
// product stand before those that many could have written.
var specs = []spec{
	{format: Agentgateway, of: "agentgateway, JSON log", carries: agentgatewayCarries, unverified: true, is: isAgentgateway, readJSON: (*Reader).readAgentgateway},
	{format: CEF, of: "IBM ContextForge, CEF for a SIEM", carries: cefCarries, unverified: true, isLine: isCEF, readText: (*Reader).readCEF},
	{format: ClaudeDesktop, of: "Claude Desktop, mcp*.log", carries: hostCarries, unverified: true, strays: true, isLine: isClaude, readText: (*Reader).readClaude},
	{format: ContextForge, of: "IBM ContextForge, JSON for a SIEM, log and tables", carries: contextforgeCarries, is: isContextForge, readJSON: (*Reader).readContextForge},
	{
		format: Docker, of: "Docker MCP Gateway, policy audit and call log", carries: dockerCarries, unverified: true, strays: true,
		isLine: isDockerLine, readText: (*Reader).readDockerLine, is: isDocker, readJSON: (*Reader).readDocker,
	},
	{format: Envoy, of: "Envoy AI Gateway, access log", carries: envoyCarries, unverified: true, is: isEnvoy, readJSON: (*Reader).readEnvoy},
	{format: Kuadrant, of: "Kuadrant MCP gateway, router's log", carries: kuadrantCarries, unverified: true, isLine: isKuadrant, readText: (*Reader).readKuadrant},
	{format: Lasso, of: "Lasso MCP gateway, tracking", carries: lassoCarries, unverified: true, is: isLasso, readJSON: (*Reader).readLasso},
	{
		format: MCPProxy, of: "hoophq/mcpproxy, session record and log", carries: mcpproxyCarries,
		isLine: isMCPProxyLine, readText: (*Reader).readMCPProxyLine, is: isMCPProxy, readJSON: (*Reader).readMCPProxy,
	},
	{format: Obot, of: "Obot, audit log", carries: obotCarries, unverified: true, is: isObot, readJSON: (*Reader).readObot},
	{format: Pipelock, of: "Pipelock, events for a SIEM", carries: pipelockCarries, unverified: true, is: isPipelock, readJSON: (*Reader).readPipelock},
	{format: Splunk, of: "Splunk, source type mcp:jsonrpc", carries: splunkCarries, unverified: true, is: isSplunk, readJSON: (*Reader).readSplunk},
	{format: Toolhive, of: "ToolHive, audit log", carries: toolhiveCarries, is: isToolhive, readJSON: (*Reader).readToolhive},
	{format: VSCode, of: "Visual Studio Code, output of an MCP server", carries: hostCarries, unverified: true, strays: true, isLine: isVSCode, readText: (*Reader).readVSCode},
	{format: JSONRPCText, of: "JSON-RPC messages behind arrows or words, framed or streamed", carries: messageCarries, unverified: true, strays: true, isLine: isTranscript, readText: (*Reader).readTranscript},
	{format: Flat, of: "one flat object a call", carries: flatCarries, is: isFlat, readJSON: (*Reader).readFlat},
	{format: OTLP, of: "OpenTelemetry spans and logs, OTLP/JSON", carries: otlpCarries},
	{format: JSONRPC, of: "JSON-RPC messages, bare or in an envelope", carries: messageCarries, is: isMessageRecord, readJSON: (*Reader).readMessage},
	{format: Events, of: "mcpwatch", carries: event.Carriers(), is: isEvent},
	{format: Tools, of: "tool definitions", carries: toolCarries, is: isTool, readJSON: (*Reader).readTool},
	{format: HookClaude, of: "hooks of Claude Code", carries: hookCarries, unverified: true, is: isHook(HookClaude), readJSON: (*Reader).readHookClaude},
	{format: HookCodex, of: "hooks of Codex", carries: hookCarries, unverified: true, is: isHook(HookCodex), readJSON: (*Reader).readHookCodex},
	{format: HookCursor, of: "hooks of Cursor", carries: hookCarries, unverified: true, is: isHook(HookCursor), readJSON: (*Reader).readHookCursor},
	{format: HookGemini, of: "hooks of Gemini CLI", carries: hookCarries, unverified: true, is: isHook(HookGemini), readJSON: (*Reader).readHookGemini},
}

func specOf(f Format) (*spec, bool) {
	i := slices.IndexFunc(specs, func(s spec) bool { return s.format == f })
	if i < 0 {
		return nil, false
	}
	return &specs[i], true
}

// Description is what a user is told of a format.
type Description struct {
	Format Format
	// Of says whose it is.
	Of string
	// Carries lists what its records carry at all, as in event.Source.Completeness. Of Events
	// that is the source's to say: all is what it can be.
	Carries []string
	// Verified says that the reader was written against genuine records.
	Verified bool
	// JSON and Text say what its records may be.
	JSON, Text bool
}

// Formats describes the formats that can be read, by name.
func Formats() []Description {
	all := make([]Description, len(specs))
	for i := range specs {
		s := &specs[i]
		all[i] = Description{s.format, s.of, slices.Clone(s.carries), !s.unverified, s.is != nil || s.format == OTLP, s.readText != nil}
	}
	slices.SortFunc(all, func(a, b Description) int { return cmp.Compare(a.Format, b.Format) })
	return all
}

// UnmarshalText takes the name of a format, or "" or Auto, which find the format of each record.
func (f *Format) UnmarshalText(text []byte) error {
	if string(text) == Auto {
		*f = ""
		return nil
	}
	if _, known := specOf(Format(text)); !known && len(text) > 0 {
		return unknown(Format(text))
	}
	*f = Format(text)
	return nil
}

func unknown(f Format) error {
	return fmt.Errorf("unknown format %q, there are %s", f, Names())
}

// Names lists the formats, by name, between commas.
func Names() string {
	names := make([]string, len(specs))
	for i, d := range Formats() {
		names[i] = string(d.Format)
	}
	return strings.Join(names, ", ")
}

// Reader reads the records of one source. It belongs to one goroutine.
type Reader struct {
	format  Format
	limits  event.Limits
	decoder *event.Decoder
	parser  event.Parser

	record   []byte
	spec     *spec // of the record
	made     []event.Event
	requests []event.Request // of those
	mended   bool            // the record was no valid Unicode
	unread   error           // of what lies beside the events in the record
}

// NewReader returns a reader of a format; "" finds the format of each record by itself. Like
// event.Decode it bounds what is too long and mends invalid UTF-8, and marks the event.
func NewReader(f Format, limits event.Limits) *Reader {
	return &Reader{format: f, limits: limits, decoder: event.NewDecoder(limits)}
}

// Read reads one record, whose bytes must not be changed afterwards. It holds an event for each
// message that it tells of, such as a call and its answer, and none where it tells of nothing
// that MCP knows, such as a gateway's start. The events are the reader's and good until its next
// Read: who keeps one clones it. The error is an *event.FieldError, or says that there is no such
// format; where a record has parts of which some can be read, as one of OTLP has, it comes with the
// events of those.
func (r *Reader) Read(record []byte) ([]event.Event, error) {
	r.begin(record)
	if err := r.read(record); err != nil {
		return nil, err
	}
	return r.end()
}

func (r *Reader) begin(record []byte) {
	r.record, r.made, r.requests, r.mended, r.unread = record, r.made[:0], r.requests[:0], false, nil
}

// end holds what was made to its bounds.
func (r *Reader) end() ([]event.Event, error) {
	for i := range r.made {
		if r.mended {
			r.made[i].Mark("invalid_utf8")
		}
		if err := r.made[i].Bound(); err != nil {
			return nil, err
		}
	}
	return r.made, r.unread
}

// Raw is what the n-th event of the record was made of, for an id where it has none (see
// event.DeriveID): the record, and where it holds several, which of them.
func (r *Reader) Raw(n int) []byte {
	if n == 0 {
		return r.record
	}
	return binary.AppendUvarint(append(bytes.Clone(r.record), 0), uint64(n))
}

func (r *Reader) read(record []byte) error {
	f := r.format
	if f == "" {
		if found, ok := formatOfText(record); ok {
			f = found
		}
	}
	if f == OTLP {
		return r.readOTLP(record)
	}
	if s, known := specOf(f); known && s.readText != nil && (s.readJSON == nil || !isObject(record)) {
		r.spec = s
		return r.text(record)
	}
	root, err := r.parse(record)
	if err != nil {
		return err
	}
	if f == "" {
		if f, err = detect(root); err != nil {
			return err
		}
	}
	s, known := specOf(f)
	if !known {
		return unknown(f)
	}
	r.spec = s
	if f == Events {
		e, _, err := r.decoder.Event()
		if err == nil {
			r.made = append(r.made, *e)
		}
		return err
	}
	return s.readJSON(r, root)
}

// text reads a record of text, mended if need be.
func (r *Reader) text(record []byte) error {
	if len(record) > r.limits.Bytes {
		return &event.FieldError{Reason: fmt.Sprintf("%d bytes, at most %d are taken", len(record), r.limits.Bytes)}
	}
	if !utf8.Valid(record) {
		record, r.mended = bytes.ToValidUTF8(record, []byte("\uFFFD")), true
	}
	return r.spec.readText(r, record)
}

// parse reads JSON that is the record or lies in it. The value is good until the next parse.
func (r *Reader) parse(data []byte) (event.Value, error) {
	root, err := r.decoder.Parse(data)
	r.mended = r.mended || r.decoder.Mended()
	return root, err
}

// Detect finds the format of a record by its shape.
func Detect(record []byte) (Format, error) {
	if f, ok := formatOfText(record); ok {
		return f, nil
	}
	var parser event.Parser
	root, err := parser.ParseValue(record)
	if err != nil {
		return "", &event.FieldError{Reason: "is not JSON"}
	}
	return detect(root)
}

// formatOfText finds the format of a record by its first bytes: of one that is no JSON, or that can be
// longer than what is parsed to find out.
func formatOfText(record []byte) (Format, bool) {
	if isObject(record) {
		return OTLP, beginsOTLP(record)
	}
	if bytes.HasPrefix(record, []byte("[{")) {
		return "", false
	}
	for i := range specs {
		if s := &specs[i]; s.begins != nil && s.begins(record) || s.isLine != nil && s.isLine(record) {
			return s.format, true
		}
	}
	return "", false
}

func isObject(record []byte) bool { return len(record) > 0 && record[0] == '{' }

func detect(root event.Value) (Format, error) {
	switch root.Kind() {
	case event.Array:
		return JSONRPC, nil // a batch
	case event.Object:
	default:
		return "", &event.FieldError{Reason: "is JSON but no object: no format begins like this"}
	}
	shape := shapeOf(root)
	for i := range specs {
		if s := &specs[i]; s.is != nil && s.is(root, shape) {
			return s.format, nil
		}
	}
	return "", &event.FieldError{Reason: "is a record of no known format, which are " + Names()}
}

// event begins an event of a message. What it is given besides must be the record's or new.
func (r *Reader) event(direction event.Direction, message jsontext.Value) *event.Event {
	r.made = append(r.made, event.Event{
		Direction: direction,
		Source:    event.Source{Format: string(r.spec.format), Completeness: r.spec.carries},
		Message:   message,
	})
	return &r.made[len(r.made)-1]
}

// request is a request for an event that answers it.
func (r *Reader) request(q event.Request) *event.Request {
	r.requests = append(r.requests, q)
	return &r.requests[len(r.requests)-1]
}
