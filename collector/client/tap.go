package client

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mcpwatch/mcpwatch/internal/jsonedit"
)

// Tapping says which servers are to run under the tap, and how.
type Tapping struct {
	// Clients and Servers are names; none is all.
	Clients, Servers []string
	// Program is the path of mcpwatch, Flags are the tap's beside --server.
	Program string
	Flags   []string
}

// Install rewrites the settings so that servers run under the tap, and Uninstall brings them back.
// Servers that have no command are left as they are: they are reached, not started.
func (t *Tapping) Install(h Host, dry bool) ([]Change, error) {
	return t.each(h, func(p *place, f *settings) error {
		return f.change(
			func(text []byte) ([]byte, error) { return t.install(p, text) },
			func(text []byte) ([]byte, error) { return t.uninstall(p, text) }, dry)
	})
}

// Uninstall is Install's opposite. A file that has not been changed since becomes what it was,
// byte for byte.
func (t *Tapping) Uninstall(h Host, dry bool) ([]Change, error) {
	return t.each(h, func(p *place, f *settings) error {
		return f.undo(
			func(text []byte) ([]byte, error) { return t.uninstall(p, text) },
			func(text []byte) ([]byte, error) { return t.install(p, text) }, dry)
	})
}

func (t *Tapping) each(h Host, do func(*place, *settings) error) ([]Change, error) {
	var changes []Change
	var problems []error
	for i := range places {
		p := &places[i]
		path := p.file(h)
		if path == "" || len(t.Clients) > 0 && !slices.Contains(t.Clients, p.client) {
			continue
		}
		f, err := openSettings(path)
		if err == nil && f.missing {
			continue
		}
		if err == nil && p.syntax != inJSON {
			found, _ := p.read(f.text)
			if len(found) == 0 {
				continue
			}
			err = errors.New("only settings in JSON are rewritten: put `mcpwatch tap --server NAME --` before the command yourself")
		}
		if err == nil {
			err = do(p, f)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("changing %s: %w", path, err))
			continue
		}
		if f.changed() {
			changes = append(changes, f.asChange())
		}
	}
	return changes, errors.Join(problems...)
}

// started is a server with a command, in a file.
type started struct {
	name                string
	node, command, args *jsonedit.Node
}

// startedIn lists the servers with commands.
func (p *place) startedIn(root *jsonedit.Node) []started {
	var all []started
	for _, way := range p.servers {
		for _, servers := range nodesAlong(root, way) {
			for _, m := range servers.Members {
				command, args := m.Value.Get("command"), m.Value.Get("args")
				if command.Text() != "" && (args == nil || args.Kind == '[') {
					all = append(all, started{m.Name, m.Value, command, args})
				}
			}
		}
	}
	return all
}

func nodesAlong(n *jsonedit.Node, way []string) []*jsonedit.Node {
	switch {
	case n == nil:
		return nil
	case len(way) == 0:
		return []*jsonedit.Node{n}
	}
	if way[0] != "*" {
		return nodesAlong(n.Get(way[0]), way[1:])
	}
	var all []*jsonedit.Node
	for _, m := range n.Members {
		all = append(all, nodesAlong(m.Value, way[1:])...)
	}
	return all
}

// tapLength is how many of the arguments are the tap's own, up to and with "--"; 0 where the
// command is no tap.
func tapLength(command string, args []string) int {
	if program(command) != "mcpwatch" || len(args) == 0 || args[0] != "tap" {
		return 0
	}
	i := slices.Index(args, "--")
	if i < 0 || i+1 >= len(args) {
		return 0
	}
	return i + 1
}

// rewrite applies a change to one server after another: each moves what stands behind it.
func (t *Tapping) rewrite(p *place, text []byte, change func([]byte, started) ([]byte, error)) ([]byte, error) {
	for n := 0; ; n++ {
		root, err := jsonedit.Parse(text)
		if err != nil {
			return nil, err
		}
		all := p.startedIn(root)
		if n >= len(all) {
			return text, nil
		}
		if len(t.Servers) > 0 && !slices.Contains(t.Servers, all[n].name) {
			continue
		}
		if text, err = change(text, all[n]); err != nil {
			return nil, err
		}
	}
}

func (t *Tapping) install(p *place, text []byte) ([]byte, error) {
	return t.rewrite(p, text, func(text []byte, s started) ([]byte, error) {
		if tapLength(s.command.Text(), s.args.Texts()) > 0 {
			return text, nil
		}
		before := slices.Concat([]string{"tap", "--server", s.name}, t.Flags, []string{"--", s.command.Text()})
		if s.args == nil {
			text = jsonedit.Append(text, s.node, "args", listOf(before))
		} else {
			text = prepend(text, s, before)
		}
		// The command stands where it stood unless the arguments stand before it.
		root, err := jsonedit.Parse(text)
		if err != nil {
			return nil, err
		}
		for _, again := range p.startedIn(root) {
			if again.node.Start == s.node.Start {
				return jsonedit.Replace(text, again.command, jsonedit.Quote(t.Program)), nil
			}
		}
		return nil, errors.New("a server was lost on the way")
	})
}

// prepend puts arguments before those there are, each on a line of its own where those are.
func prepend(text []byte, s started, before []string) []byte {
	if len(s.args.Items) == 0 {
		return jsonedit.Replace(text, s.args, listOf(before))
	}
	args := s.args
	for _, a := range slices.Backward(before) {
		text = jsonedit.Prepend(text, args, "", jsonedit.Quote(a))
		if root, err := jsonedit.Parse(text); err == nil {
			args = nodeAt(root, args.Start)
		}
	}
	return text
}

// nodeAt is the array that begins at a position.
func nodeAt(n *jsonedit.Node, start int) *jsonedit.Node {
	for _, m := range n.Members {
		if m.Value.Start <= start && start < m.Value.End {
			if m.Value.Start == start {
				return m.Value
			}
			return nodeAt(m.Value, start)
		}
	}
	for _, item := range n.Items {
		if item.Start <= start && start < item.End {
			if item.Start == start {
				return item
			}
			return nodeAt(item, start)
		}
	}
	return n
}

func listOf(texts []string) string {
	quoted := make([]string, len(texts))
	for i, s := range texts {
		quoted[i] = jsonedit.Quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func (t *Tapping) uninstall(p *place, text []byte) ([]byte, error) {
	return t.rewrite(p, text, func(text []byte, s started) ([]byte, error) {
		args := s.args.Texts()
		n := tapLength(s.command.Text(), args)
		if n == 0 {
			return text, nil
		}
		command := args[n]
		for range n + 1 {
			text = jsonedit.Remove(text, s.args, 0)
			root, err := jsonedit.Parse(text)
			if err != nil {
				return nil, err
			}
			s.args = nodeAt(root, s.args.Start)
			s.node = nodeAt(root, s.node.Start)
		}
		if len(s.args.Items) == 0 {
			text = jsonedit.Remove(text, s.node, s.node.Index("args"))
		}
		root, err := jsonedit.Parse(text)
		if err != nil {
			return nil, err
		}
		return jsonedit.Replace(text, nodeAt(root, s.node.Start).Get("command"), jsonedit.Quote(command)), nil
	})
}
