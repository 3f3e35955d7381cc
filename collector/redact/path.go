package redact

import (
	"fmt"
	"strings"

	"github.com/mcpwatch/mcpwatch/event"
)

// path is a JSON path of messages: of members and items, by name or all of them.
type path struct {
	tool  string   // "" for all
	steps []string // after $; anyStep is all members or items
}

// anyStep is the step to everything.
const anyStep = "*"

// parsePath reads a JSON path (RFC 9535) of the small kind: $, then .name, .*, ['name'] or [*].
func parsePath(a Argument) (path, error) {
	wrong := fmt.Errorf("path %q: must be $ and then .name, .*, ['name'] or [*], such as $.params.arguments.password", a.Path)
	rest, found := strings.CutPrefix(a.Path, "$")
	if !found || rest == "" {
		return path{}, wrong
	}
	p := path{tool: a.Tool}
	for rest != "" {
		var step string
		switch {
		case strings.HasPrefix(rest, "[*]"):
			step, rest = anyStep, rest[len("[*]"):]
		case strings.HasPrefix(rest, "['"):
			if step, rest, found = strings.Cut(rest[len("['"):], "']"); !found {
				return path{}, wrong
			}
		case rest[0] == '.':
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			step, rest = rest[1:1+end], rest[1+end:]
		}
		if step == "" {
			return path{}, wrong
		}
		p.steps = append(p.steps, step)
	}
	return p, nil
}

// find gives each the values that the path names in an event: in its message, the messages of a batch,
// those that a result or a retry holds (see event.Expand), and the request that it answers.
func (p *path) find(root event.Value, each func(event.Value)) {
	request := root.Get("request")
	tool := request.Get("name").Text()
	message := root.Get("message")
	if message.Kind() == event.Array {
		for m := range message.Items() {
			p.message(m, tool, each)
		}
	} else {
		p.message(message, tool, each)
	}
	if len(p.steps) > 2 && p.steps[0] == "params" && p.steps[1] == "arguments" && p.speaksOf(tool) {
		walk(request.Get("arguments"), p.steps[2:], each)
	}
}

func (p *path) message(m event.Value, tool string, each func(event.Value)) {
	if name := m.Get("params", "name"); name.Exists() {
		tool = name.Text()
	}
	if !p.speaksOf(tool) {
		return
	}
	walk(m, p.steps, each)
	for _, request := range m.Get("result", "inputRequests").Members() {
		walk(request, p.steps, each)
	}
	if p.steps[0] == "result" {
		for _, response := range m.Get("params", "inputResponses").Members() {
			walk(response, p.steps[1:], each)
		}
	}
}

func (p *path) speaksOf(tool string) bool { return p.tool == "" || p.tool == tool }

// walk follows steps. Of members with one name it takes all.
func walk(v event.Value, steps []string, each func(event.Value)) {
	if len(steps) == 0 {
		each(v)
		return
	}
	for name, m := range v.Members() {
		if steps[0] == anyStep || steps[0] == name {
			walk(m, steps[1:], each)
		}
	}
	if steps[0] == anyStep {
		for item := range v.Items() {
			walk(item, steps[1:], each)
		}
	}
}
