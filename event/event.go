// Package event says what an MCP event is: one JSON-RPC message on its way
// between an agent and a server, with the context it was seen in.
//
// The package is pure: it has no clock, no I/O and no goroutine, and imports
// nothing of ours. Values are plain data; a Pairer and a Parser keep state and
// belong to one goroutine each.
//
// Everything in an event was written by somebody who may be hostile. Sizes are
// bounded on the way in (see Limits); what was cut is named in Marks.
package event

import (
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Direction says which way a message travelled.
type Direction string

// The two directions. A response to a client's request travels to the client.
const (
	ToServer Direction = "to_server"
	ToClient Direction = "to_client"
)

// Opposite returns the direction an answer travels in.
func (d Direction) Opposite() Direction {
	if d == ToServer {
		return ToClient
	}
	return ToServer
}

// Event is one MCP message and its context, or what a source tells of beside the messages (see
// Activity). Its JSON form is what agents ship,
// what Kafka carries and what the detector and the sink read.
type Event struct {
	// ID names the event for ever: a message seen twice has the same ID.
	ID string `json:"id,omitempty"`
	// Parent is the ID of the event this one was lifted from (see Expand).
	Parent string `json:"parent,omitempty"`
	// Time is the source's clock, UTC. Windows run on it.
	Time time.Time `json:"time,omitzero"`
	// Received is the collector's clock, UTC. Storage expires by it.
	Received time.Time `json:"received,omitzero"`
	// ClaimedTime is the source's clock where it was beyond the bounds; Time is then Received.
	ClaimedTime time.Time `json:"claimed_time,omitzero"`
	// Tenant and Source.Name come from the shipper's credential, never from the body.
	Tenant string `json:"tenant,omitempty"`
	// Actor is who acts, computed once by the collector (see Accept); it keys Kafka and all state.
	Actor string `json:"actor,omitempty"`

	Agent     Agent     `json:"agent,omitzero"`
	Server    Server    `json:"server,omitzero"`
	Principal Principal `json:"principal,omitzero"`

	Session   string    `json:"session,omitempty"`
	Trace     string    `json:"trace,omitempty"`
	Transport string    `json:"transport,omitempty"`
	Direction Direction `json:"direction,omitempty"`

	HTTP     HTTP     `json:"http,omitzero"`
	Source   Source   `json:"source,omitzero"`
	Measured Measured `json:"measured,omitzero"`

	// Activity is what the source tells of where that is no MCP message, such as "authentication",
	// "session_start" or "policy_change": a short word in lower case with underscores. Such an
	// event may have no message.
	Activity string `json:"activity,omitempty"`
	// Outcome is how it ended, as the source says.
	Outcome Outcome `json:"outcome,omitzero"`

	// Request is the request that this message answers, where somebody paired them.
	Request *Request `json:"request,omitempty"`
	// Marks name what was done to the event or found wrong with it on the way, such as
	// "time_in_future" or "truncated:agent.name".
	Marks []string `json:"marks,omitempty"`

	// Message is the JSON-RPC message as it was on the wire.
	Message jsontext.Value `json:"message,omitzero"`
	// Raw holds, in place of Message, bytes that were no JSON (invalid UTF-8 replaced).
	Raw string `json:"raw,omitempty"`

	// Extra keeps the fields that this version does not know.
	Extra jsontext.Value `json:",embed"`
}

// Agent is the program that acts: the MCP client and the machine and user it runs as.
type Agent struct {
	ID      string `json:"id,omitempty"`
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
	Host    string `json:"host,omitempty"`
	User    string `json:"user,omitempty"`

	// Extra keeps the fields that this version does not know.
	Extra jsontext.Value `json:",embed"`
}

// Server is the MCP server. Name and Version are the server's own claims.
type Server struct {
	ID      string `json:"id,omitempty"`
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
	URL     string `json:"url,omitempty"`
	Command string `json:"command,omitempty"`

	// Extra keeps the fields that this version does not know.
	Extra jsontext.Value `json:",embed"`
}

// Principal is whom the source authenticated, with what the credential says.
type Principal struct {
	Subject  string    `json:"subject,omitempty"`
	Issuer   string    `json:"issuer,omitempty"`
	ClientID string    `json:"client_id,omitempty"`
	Audience string    `json:"audience,omitempty"`
	Scopes   []string  `json:"scopes,omitempty"`
	Token    string    `json:"token,omitempty"`
	Issued   time.Time `json:"issued,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`
	Chain    []string  `json:"chain,omitempty"`

	// Extra keeps the fields that this version does not know.
	Extra jsontext.Value `json:",embed"`
}

// IsZero reports whether the source named no principal.
func (p Principal) IsZero() bool {
	return p.Subject == "" && p.Issuer == "" && p.ClientID == "" && p.Audience == "" &&
		len(p.Scopes) == 0 && p.Token == "" && p.Issued.IsZero() && p.Expires.IsZero() && len(p.Chain) == 0 && len(p.Extra) == 0
}

// HTTP is what an HTTP transport adds. Header names are lower case.
type HTTP struct {
	Status   int               `json:"status,omitzero"`
	Method   string            `json:"method,omitempty"`
	ClientIP string            `json:"client_ip,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`

	// Extra keeps the fields that this version does not know.
	Extra jsontext.Value `json:",embed"`
}

// IsZero reports whether nothing is known of HTTP.
func (h HTTP) IsZero() bool {
	return h.Status == 0 && h.Method == "" && h.ClientIP == "" && len(h.Headers) == 0 && len(h.Extra) == 0
}

// Measured is what a source measured and the message does not show.
type Measured struct {
	// DurationMS is how long the call took, in milliseconds.
	DurationMS int64 `json:"duration_ms,omitzero"`
	// Size is the bytes of the result.
	Size int64 `json:"size,omitzero"`

	// Extra keeps the fields that this version does not know.
	Extra jsontext.Value `json:",embed"`
}

// IsZero reports whether nothing was measured.
func (m Measured) IsZero() bool { return m.DurationMS == 0 && m.Size == 0 && len(m.Extra) == 0 }

// Outcome is how that which an event tells of ended, as its source says. An error that is a
// message's own is in the message.
type Outcome struct {
	// Status is one of the statuses below, or "" where the source says none.
	Status string `json:"status,omitempty"`
	// Reason is why, in the source's words.
	Reason string `json:"reason,omitempty"`

	// Extra keeps the fields that this version does not know.
	Extra jsontext.Value `json:",embed"`
}

// The statuses of an outcome.
const (
	// OutcomeSuccess says that it was done.
	OutcomeSuccess = "success"
	// OutcomeFailure says that it was tried and came to nothing: an answer that is an error, a
	// credential that was not valid.
	OutcomeFailure = "failure"
	// OutcomeDenied says that somebody in between refused it.
	OutcomeDenied = "denied"
	// OutcomeError says that what stands in between broke.
	OutcomeError = "error"
	// OutcomeUnknown says that the source knows that it does not know.
	OutcomeUnknown = "unknown"
)

// IsZero reports whether nothing is known of an outcome.
func (o Outcome) IsZero() bool { return o.Status == "" && o.Reason == "" && len(o.Extra) == 0 }

// Source says how the event came to us.
type Source struct {
	// Format is the reader's or tap's name.
	Format string `json:"format,omitempty"`
	// Name is the shipper's, from its credential.
	Name string `json:"name,omitempty"`
	// Collector is the name of the collector that took the event in.
	Collector string `json:"collector,omitempty"`
	// Instance is one run of a tap: one connection to one server.
	Instance string `json:"instance,omitempty"`
	// Sequence numbers the events of an instance from 1 without holes.
	Sequence uint64 `json:"sequence,omitzero"`
	// Completeness lists what this source can carry at all (see the Carries constants).
	Completeness []string `json:"completeness,omitempty"`

	// Extra keeps the fields that this version does not know.
	Extra jsontext.Value `json:",embed"`
}

// IsZero reports whether nothing is known of the source.
func (s Source) IsZero() bool {
	return s.Format == "" && s.Name == "" && s.Collector == "" && s.Instance == "" &&
		s.Sequence == 0 && len(s.Completeness) == 0 && len(s.Extra) == 0
}

// What a source can carry, for Source.Completeness.
const (
	CarriesArguments   = "arguments"
	CarriesResults     = "results"
	CarriesDefinitions = "definitions"
	CarriesSession     = "session"
	CarriesPrincipal   = "principal"
	CarriesHTTP        = "http"
)

// Carriers lists all that a source can carry.
func Carriers() []string {
	return []string{CarriesArguments, CarriesResults, CarriesDefinitions, CarriesSession, CarriesPrincipal, CarriesHTTP}
}

// Request is what a response answers.
type Request struct {
	// Event is the ID of the event that carried the request.
	Event string `json:"event,omitempty"`
	// Method is the request's JSON-RPC method.
	Method string `json:"method,omitempty"`
	// Name is the tool or prompt name, or the resource URI.
	Name string `json:"name,omitempty"`
	// Arguments are the tool's or prompt's arguments as they were on the wire. They are
	// left out, and the event marked "request_arguments_dropped", over 64 KiB, or where later
	// requests have brought 64 MiB of them.
	Arguments jsontext.Value `json:"arguments,omitzero"`

	// Extra keeps the fields that this version does not know.
	Extra jsontext.Value `json:",embed"`
}

// Clone gives an event that shares nothing that is changed later with a Decoder or another
// event: texts and JSON are shared.
func (e *Event) Clone() Event {
	c := *e
	c.Principal.Scopes, c.Principal.Chain = slices.Clone(e.Principal.Scopes), slices.Clone(e.Principal.Chain)
	c.HTTP.Headers, c.Source.Completeness, c.Marks = maps.Clone(e.HTTP.Headers), slices.Clone(e.Source.Completeness), slices.Clone(e.Marks)
	if e.Request != nil {
		c.Request = new(*e.Request)
	}
	return c
}

// Mark adds a mark once.
func (e *Event) Mark(mark string) {
	if !e.HasMark(mark) {
		e.Marks = append(e.Marks, mark)
	}
}

// HasMark reports whether the event bears a mark.
func (e *Event) HasMark(mark string) bool {
	return slices.Contains(e.Marks, mark)
}
