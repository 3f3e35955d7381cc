package event

import (
	"strconv"
	"strings"
)

// readEvent fills in the event. A member that is null is as one that is not there; one that
// occurs twice is filled in twice, an object's members one after the other.
func (d *Decoder) readEvent(root Value) *FieldError {
	if root.Kind() != Object {
		return misfit("", root)
	}
	e := &d.event
	for name, v := range root.Members() {
		var err *FieldError
		switch name {
		case "id":
			err = d.text(&e.ID, v, "", name)
		case "parent":
			err = d.text(&e.Parent, v, "", name)
		case "time":
			err = readTime(&e.Time, v, "", name)
		case "received":
			err = readTime(&e.Received, v, "", name)
		case "claimed_time":
			err = readTime(&e.ClaimedTime, v, "", name)
		case "tenant":
			err = d.text(&e.Tenant, v, "", name)
		case "actor":
			err = d.text(&e.Actor, v, "", name)
		case "agent":
			err = d.readAgent(&e.Agent, v)
		case "server":
			err = d.readServer(&e.Server, v)
		case "principal":
			err = d.readPrincipal(&e.Principal, v)
		case "session":
			err = d.text(&e.Session, v, "", name)
		case "trace":
			err = d.text(&e.Trace, v, "", name)
		case "transport":
			err = d.text(&e.Transport, v, "", name)
		case "direction":
			err = d.readDirection(&e.Direction, v)
		case "http":
			err = d.readHTTP(&e.HTTP, v)
		case "source":
			err = d.readSource(&e.Source, v)
		case "request":
			err = d.readRequest(v)
		case "measured":
			err = readMeasured(&e.Measured, v)
		case "activity":
			err = d.text(&e.Activity, v, "", name)
		case "outcome":
			err = d.readOutcome(&e.Outcome, v)
		case "marks":
			e.Marks, err = d.list(v, "", name)
		case "message":
			e.Message = v.Raw()
			d.message = messageOf(v)
		case "raw":
			if err = d.text(&e.Raw, v, "", name); err == nil {
				continue
			}
		default:
			keep(&e.Extra, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) readAgent(a *Agent, v Value) *FieldError {
	if v.Kind() != Object {
		*a = Agent{}
		return object("agent", v)
	}
	for name, v := range v.Members() {
		var to *string
		switch name {
		case "id":
			to = &a.ID
		case "name":
			to = &a.Name
		case "version":
			to = &a.Version
		case "host":
			to = &a.Host
		case "user":
			to = &a.User
		default:
			keep(&a.Extra, v)
			continue
		}
		if err := d.text(to, v, "agent.", name); err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) readServer(s *Server, v Value) *FieldError {
	if v.Kind() != Object {
		*s = Server{}
		return object("server", v)
	}
	for name, v := range v.Members() {
		var to *string
		switch name {
		case "id":
			to = &s.ID
		case "name":
			to = &s.Name
		case "version":
			to = &s.Version
		case "url":
			to = &s.URL
		case "command":
			to = &s.Command
		default:
			keep(&s.Extra, v)
			continue
		}
		if err := d.text(to, v, "server.", name); err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) readPrincipal(p *Principal, v Value) *FieldError {
	if v.Kind() != Object {
		*p = Principal{}
		return object("principal", v)
	}
	const prefix = "principal."
	for name, v := range v.Members() {
		var err *FieldError
		switch name {
		case "subject":
			err = d.text(&p.Subject, v, prefix, name)
		case "issuer":
			err = d.text(&p.Issuer, v, prefix, name)
		case "client_id":
			err = d.text(&p.ClientID, v, prefix, name)
		case "audience":
			err = d.text(&p.Audience, v, prefix, name)
		case "scopes":
			p.Scopes, err = d.list(v, prefix, name)
		case "token":
			err = d.text(&p.Token, v, prefix, name)
		case "issued":
			err = readTime(&p.Issued, v, prefix, name)
		case "expires":
			err = readTime(&p.Expires, v, prefix, name)
		case "chain":
			p.Chain, err = d.list(v, prefix, name)
		default:
			keep(&p.Extra, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) readHTTP(h *HTTP, v Value) *FieldError {
	if v.Kind() != Object {
		*h = HTTP{}
		return object("http", v)
	}
	const prefix = "http."
	for name, v := range v.Members() {
		var err *FieldError
		switch name {
		case "status":
			var status int64
			status, err = readInt(v, strconv.IntSize, prefix, name)
			h.Status = int(status)
		case "method":
			err = d.text(&h.Method, v, prefix, name)
		case "client_ip":
			err = d.text(&h.ClientIP, v, prefix, name)
		case "headers":
			err = d.readHeaders(h, v)
		default:
			keep(&h.Extra, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) readHeaders(h *HTTP, v Value) *FieldError {
	if v.Kind() != Object {
		h.Headers = nil
		return object("http.headers", v)
	}
	if d.headers == nil {
		d.headers = make(map[string]string)
	}
	if h.Headers == nil {
		clear(d.headers)
		h.Headers = d.headers
	}
	for name, v := range v.Members() {
		var value string
		if err := d.text(&value, v, "http.headers.", name); err != nil {
			return err
		}
		h.Headers[name] = value
	}
	return nil
}

func (d *Decoder) readSource(s *Source, v Value) *FieldError {
	if v.Kind() != Object {
		*s = Source{}
		return object("source", v)
	}
	const prefix = "source."
	for name, v := range v.Members() {
		var err *FieldError
		switch name {
		case "format":
			err = d.text(&s.Format, v, prefix, name)
		case "name":
			err = d.text(&s.Name, v, prefix, name)
		case "collector":
			err = d.text(&s.Collector, v, prefix, name)
		case "instance":
			err = d.text(&s.Instance, v, prefix, name)
		case "sequence":
			s.Sequence, err = readUint(v, prefix, name)
		case "completeness":
			s.Completeness, err = d.readCompleteness(v, prefix, name)
		default:
			keep(&s.Extra, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readCompleteness is the list that was made of the same text before, if there is one. It is
// clipped: what is appended to it goes elsewhere.
func (d *Decoder) readCompleteness(v Value, prefix, name string) ([]string, *FieldError) {
	raw := v.Raw()
	if cached, ok := d.completeness[string(raw)]; ok {
		return cached, nil
	}
	list, err := d.list(v, prefix, name)
	if err != nil || d.completeness == nil || len(raw) > maxCachedList {
		return list, err
	}
	if len(d.completeness) >= maxCachedLists {
		clear(d.completeness)
	}
	if list != nil {
		own := make([]string, len(list))
		for i, s := range list {
			own[i] = strings.Clone(s)
		}
		list = own
	}
	d.completeness[string(raw)] = list
	return list, nil
}

func (d *Decoder) readRequest(v Value) *FieldError {
	if v.Kind() != Object {
		d.event.Request = nil
		return object("request", v)
	}
	r := &d.request
	if d.event.Request == nil {
		*r = Request{}
		d.event.Request = r
	}
	const prefix = "request."
	for name, v := range v.Members() {
		var err *FieldError
		switch name {
		case "event":
			err = d.text(&r.Event, v, prefix, name)
		case "method":
			err = d.text(&r.Method, v, prefix, name)
		case "name":
			err = d.text(&r.Name, v, prefix, name)
		case "arguments":
			r.Arguments = v.Raw()
		default:
			keep(&r.Extra, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func readMeasured(m *Measured, v Value) *FieldError {
	if v.Kind() != Object {
		*m = Measured{}
		return object("measured", v)
	}
	const prefix = "measured."
	for name, v := range v.Members() {
		var err *FieldError
		switch name {
		case "duration_ms":
			m.DurationMS, err = readInt(v, 64, prefix, name)
		case "size":
			m.Size, err = readInt(v, 64, prefix, name)
		default:
			keep(&m.Extra, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) readOutcome(o *Outcome, v Value) *FieldError {
	if v.Kind() != Object {
		*o = Outcome{}
		return object("outcome", v)
	}
	for name, v := range v.Members() {
		var to *string
		switch name {
		case "status":
			to = &o.Status
		case "reason":
			to = &o.Reason
		default:
			keep(&o.Extra, v)
			continue
		}
		if err := d.text(to, v, "outcome.", name); err != nil {
			return err
		}
	}
	return nil
}

// readDirection gives the constant, which holds no document in memory.
func (d *Decoder) readDirection(to *Direction, v Value) *FieldError {
	var s string
	if err := d.text(&s, v, "", "direction"); err != nil {
		return err
	}
	switch Direction(s) {
	case ToServer:
		*to = ToServer
	case ToClient:
		*to = ToClient
	default:
		*to = Direction(s) // bound refuses it
	}
	return nil
}
