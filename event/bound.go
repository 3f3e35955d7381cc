package event

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	maxName       = 1024 // bytes of a short context field: ids, names, versions
	maxActor      = 2 * maxName
	maxText       = 8 * 1024 // bytes of a long one: command, URL, header value
	maxList       = 64       // entries of scopes, chain, completeness, marks and headers
	maxExtraBytes = 64 * 1024
)

// Bound holds an event that was not decoded to the bounds of one that was: what is longer than
// it may be is cut and marked. The error is a *FieldError.
func (e *Event) Bound() error {
	if err := e.bound(true); err != nil {
		return err
	}
	return nil
}

// bound cuts what is longer than it may be and marks it. long says that some text or entry of a
// list may have over maxName bytes.
func (e *Event) bound(long bool) *FieldError {
	if len(e.ID) > maxName {
		return &FieldError{Field: "id", Reason: fmt.Sprintf("%d bytes, at most %d are taken", len(e.ID), maxName)}
	}
	extra := len(e.Extra) + len(e.Agent.Extra) + len(e.Server.Extra) + len(e.Principal.Extra) + len(e.HTTP.Extra) +
		len(e.Source.Extra) + len(e.Measured.Extra) + len(e.Outcome.Extra)
	if e.Request != nil {
		extra += len(e.Request.Extra)
	}
	if extra > maxExtraBytes {
		return &FieldError{Reason: fmt.Sprintf("unknown fields of %d bytes, at most %d are taken", extra, maxExtraBytes)}
	}
	if e.Direction != "" && e.Direction != ToServer && e.Direction != ToClient {
		return &FieldError{Field: "direction", Reason: fmt.Sprintf("is %q, must be to_server or to_client", Printable(string(e.Direction)))}
	}
	if long {
		e.boundTexts()
	}
	e.Principal.Scopes = e.boundList("principal.scopes", e.Principal.Scopes)
	e.Principal.Chain = e.boundList("principal.chain", e.Principal.Chain)
	e.Source.Completeness = e.boundList("source.completeness", e.Source.Completeness)
	e.boundHeaders()
	if r := e.Request; r != nil {
		if len(r.Event) > maxName || len(r.Method) > maxName || len(r.Name) > maxText {
			r.Event, r.Method, r.Name = cut(r.Event, maxName), cut(r.Method, maxName), cut(r.Name, maxText)
			e.Mark("truncated:request")
		}
		if len(r.Arguments) > maxRequestArguments {
			r.Arguments = nil
			e.Mark("request_arguments_dropped")
		}
	}
	e.boundMarks()
	return nil
}

// boundTexts cuts the texts of the context.
func (e *Event) boundTexts() {
	for _, f := range []struct {
		name  string
		value *string
		most  int
	}{
		{"parent", &e.Parent, maxName},
		{"tenant", &e.Tenant, maxName},
		{"actor", &e.Actor, maxActor},
		{"session", &e.Session, maxName},
		{"trace", &e.Trace, maxName},
		{"transport", &e.Transport, maxName},
		{"agent.id", &e.Agent.ID, maxName},
		{"agent.name", &e.Agent.Name, maxName},
		{"agent.version", &e.Agent.Version, maxName},
		{"agent.host", &e.Agent.Host, maxName},
		{"agent.user", &e.Agent.User, maxName},
		{"server.id", &e.Server.ID, maxName},
		{"server.name", &e.Server.Name, maxName},
		{"server.version", &e.Server.Version, maxName},
		{"server.url", &e.Server.URL, maxText},
		{"server.command", &e.Server.Command, maxText},
		{"principal.subject", &e.Principal.Subject, maxName},
		{"principal.issuer", &e.Principal.Issuer, maxName},
		{"principal.client_id", &e.Principal.ClientID, maxName},
		{"principal.audience", &e.Principal.Audience, maxName},
		{"principal.token", &e.Principal.Token, maxName},
		{"http.method", &e.HTTP.Method, maxName},
		{"http.client_ip", &e.HTTP.ClientIP, maxName},
		{"activity", &e.Activity, maxName},
		{"outcome.status", &e.Outcome.Status, maxName},
		{"outcome.reason", &e.Outcome.Reason, maxText},
		{"source.format", &e.Source.Format, maxName},
		{"source.name", &e.Source.Name, maxName},
		{"source.collector", &e.Source.Collector, maxName},
		{"source.instance", &e.Source.Instance, maxName},
	} {
		if len(*f.value) > f.most {
			*f.value = cut(*f.value, f.most)
			e.Mark("truncated:" + f.name)
		}
	}
}

// boundMarks drops the oldest marks first: ours come after those of the shipper.
func (e *Event) boundMarks() {
	whole := len(e.Marks) <= maxList
	for i, m := range e.Marks {
		if len(m) > maxName {
			e.Marks[i], whole = cut(m, maxName), false
		}
	}
	if !whole {
		e.Marks = e.Marks[max(0, len(e.Marks)-maxList+1):]
		e.Mark("truncated:marks")
	}
}

func (e *Event) boundList(field string, list []string) []string {
	if len(list) == 0 {
		return list
	}
	if len(list) > maxList {
		list = list[:maxList:maxList]
		e.Mark("truncated:" + field)
	}
	for i, s := range list {
		if len(s) > maxName {
			list[i] = cut(s, maxName)
			e.Mark("truncated:" + field)
		}
	}
	return list
}

// boundHeaders refuses no event for its headers; it keeps the ones it can.
func (e *Event) boundHeaders() {
	if headersFit(e.HTTP.Headers) {
		return
	}
	kept := make(map[string]string, len(e.HTTP.Headers))
	for _, name := range sortedKeys(e.HTTP.Headers) {
		value := e.HTTP.Headers[name]
		name = strings.ToLower(name)
		if _, twice := kept[name]; twice || len(kept) == maxList || len(name) > maxName {
			e.Mark("truncated:http.headers")
			continue
		}
		if len(value) > maxText {
			value = cut(value, maxText)
			e.Mark("truncated:http.headers")
		}
		kept[name] = value
	}
	e.HTTP.Headers = kept
}

// headersFit reports whether all headers can be kept as they are.
func headersFit(headers map[string]string) bool {
	for name, value := range headers {
		if len(name) > maxName || len(value) > maxText || strings.ToLower(name) != name {
			return false
		}
	}
	return len(headers) <= maxList
}

// cut shortens s to at most n bytes without breaking a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
