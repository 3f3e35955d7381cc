package tap

import (
	"bytes"
	"time"

	"github.com/mcpwatch/mcpwatch/event"
)

// pipe observes one direction of a stdio connection, in which each line is a message.
type pipe struct {
	stream
	observer *observer
	way      int
	splitter splitter
	// missed are bytes of a gap that is still open: up to the next line's start what comes
	// is the rest of a line whose beginning is missing.
	missed uint64
}

// newPipes are the two directions of a connection to the command's server.
func newPipes(o *observer, command []string) [directions]*pipe {
	o.base.Session, o.base.Transport = o.instance, "stdio"
	o.base.Source.Completeness = Carries()
	var truncated bool
	if o.base.Server.Command, truncated = commandLine(command); truncated {
		o.base.Mark("truncated:server.command")
	}
	var pipes [directions]*pipe
	for way := range pipes {
		p := &pipe{observer: o, way: way}
		p.observe = p.chunk
		pipes[way] = p
	}
	return pipes
}

func (p *pipe) chunk(c chunk, data []byte) {
	if c.lost > 0 {
		p.missed += c.lost + uint64(p.splitter.drop())
	}
	if c.note == noteEnd {
		p.gap(c.at)
		p.splitter.end(func(l line) { p.observer.line(p, l, c.at) })
		return
	}
	if p.missed > 0 {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			p.missed += uint64(len(data))
			return
		}
		p.missed += uint64(i)
		data = data[i+1:]
		p.gap(c.at)
	}
	p.splitter.feed(data, func(l line) { p.observer.line(p, l, c.at) })
}

// gap ends an open gap and declares it.
func (p *pipe) gap(at time.Time) {
	if p.missed > 0 {
		p.observer.unseen(p, at, p.missed)
		p.missed = 0
	}
}

func (p *pipe) set(e *event.Event) { e.Direction = directionOf(p.way) }

func (p *pipe) said(e *event.Event, m *event.Message) bool {
	o := p.observer
	e.Agent, e.Server = o.base.Agent, o.base.Server
	if m.Kind == "" {
		return true
	}
	o.pair(e, m)
	for _, child := range batched(e, m) {
		if cm, err := o.items.Parse(child.Message); err == nil {
			o.pair(&child, &cm)
		}
	}
	learn(e, m, &o.base.Agent, &o.base.Server)
	e.Agent, e.Server = o.base.Agent, o.base.Server
	return true
}
