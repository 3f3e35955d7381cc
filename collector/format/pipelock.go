package format

import (
	"strings"

	"github.com/mcpwatch/mcpwatch/event"
)

var pipelockCarries = []string{
	event.CarriesTrace, "http.client_ip", "http.method", event.CarriesOutcome, event.CarriesActivity,
}

// isPipelock reports whether an object is an event that Pipelock sends to a SIEM.
func isPipelock(_ event.Value, s shape) bool {
	return s.isLog() && s.texts&hasPipelock != 0 && s.texts&hasType != 0
}

// readPipelock reads an event that Pipelock sends to a SIEM: something that it found or blocked. It
// holds no message of MCP, so each is an activity, as Pipelock calls it. The layout is that of its
// guide on SIEMs. The URL is left out: it may hold the very secret that was found in it.
func (r *Reader) readPipelock(root event.Value) error {
	kind, fields := root.Get("type").Text(), root.Get("fields")
	if kind == "error" { // its own
		return nil
	}
	var e event.Event
	e.Time = timeOf(root.Get("timestamp").Text())
	e.Trace = fields.Get("request_id").Text()
	e.HTTP.ClientIP = fields.Get("client_ip").Text()
	if method := fields.Get("method").Text(); method == strings.ToUpper(method) {
		e.HTTP.Method = method
	}
	e.Outcome.Reason = because(fields.Get("scanner").Text(), fields.Get("tool").Text(), fields.Get("reason").Text())
	if strings.Contains(kind, "blocked") || strings.HasSuffix(kind, "_deny") {
		e.Outcome.Status = event.OutcomeDenied
	}
	if kind == "config_reload" {
		kind = "policy_change"
	}
	r.tells(&e, word(kind))
	return nil
}
