package client

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mcpwatch/mcpwatch/internal/jsonedit"
)

// agent is an agent that calls hooks.
type agent struct {
	name string
	// user and project are its files, as in place.
	user, project string
	events        []string
	// flat says that an event's list holds commands (Cursor); otherwise it holds groups of them.
	flat bool
	// timeout is how long the agent waits for the hook: ten seconds in its own unit.
	timeout string
}

// agents lists those whose hooks are known.
var agents = []agent{
	{
		name: "claude-code", user: "{home}/.claude/settings.json", project: "{project}/.claude/settings.json", timeout: "10",
		events: []string{
			"PreToolUse", "PostToolUse", "PostToolUseFailure", "PermissionDenied", "Elicitation", "ElicitationResult",
			"UserPromptSubmit", "SessionStart", "SessionEnd", "ConfigChange",
		},
	},
	{
		name: "codex", user: "{home}/.codex/hooks.json", project: "{project}/.codex/hooks.json", timeout: "10",
		events: []string{"PreToolUse", "PostToolUse", "UserPromptSubmit", "SessionStart"},
	},
	{
		name: "cursor", user: "{home}/.cursor/hooks.json", project: "{project}/.cursor/hooks.json", flat: true,
		events: []string{
			"beforeMCPExecution", "afterMCPExecution", "beforeShellExecution", "afterShellExecution", "beforeReadFile",
			"afterFileEdit", "beforeSubmitPrompt",
		},
	},
	{
		name: "gemini-cli", user: "{home}/.gemini/settings.json", project: "{project}/.gemini/settings.json", timeout: "10000",
		events: []string{"BeforeTool", "AfterTool", "BeforeAgent", "SessionStart", "SessionEnd"},
	},
}

// Agents lists the agents whose hooks can be installed.
func Agents() []string {
	names := make([]string, len(agents))
	for i := range agents {
		names[i] = agents[i].name
	}
	return names
}

// Hooking says which agent is to call the hook, and how.
type Hooking struct {
	// Agent is one of Agents.
	Agent string
	// Program is the path of mcpwatch, Flags are the hook's beside --agent.
	Program string
	Flags   []string
}

// Install makes the agent call the hook: in the project's settings where the host names one, else in
// the user's. What is installed already stays.
func (k *Hooking) Install(h Host, dry bool) (Change, error) {
	return k.edit(h, func(a *agent, f *settings) error {
		return f.change(
			func(text []byte) ([]byte, error) { return k.install(a, h, text) },
			func(text []byte) ([]byte, error) { return k.uninstall(a, text) }, dry)
	})
}

// Uninstall takes out the agent's calls of the hook, and nothing else.
func (k *Hooking) Uninstall(h Host, dry bool) (Change, error) {
	return k.edit(h, func(a *agent, f *settings) error {
		if f.missing {
			return nil
		}
		return f.undo(
			func(text []byte) ([]byte, error) { return k.uninstall(a, text) },
			func(text []byte) ([]byte, error) { return k.install(a, h, text) }, dry)
	})
}

func (k *Hooking) edit(h Host, do func(*agent, *settings) error) (Change, error) {
	i := slices.IndexFunc(agents, func(a agent) bool { return a.name == k.Agent })
	if i < 0 {
		return Change{}, fmt.Errorf("unknown agent %q, there are %s", k.Agent, strings.Join(Agents(), ", "))
	}
	a := &agents[i]
	path := h.resolve(a.user)
	if h.Project != "" {
		path = h.resolve(a.project)
	}
	f, err := openSettings(path)
	if err == nil {
		err = do(a, f)
	}
	if err != nil {
		return Change{}, fmt.Errorf("changing %s: %w", path, err)
	}
	if !f.changed() {
		return Change{File: path}, nil
	}
	return f.asChange(), nil
}

// command is the line that the agent is to run.
func (k *Hooking) command(h Host) string {
	words := slices.Concat([]string{k.Program, "hook", "--agent", k.Agent}, k.Flags)
	for i, w := range words {
		words[i] = shellWord(h, w)
	}
	return strings.Join(words, " ")
}

// shellWord quotes a word for the shell that the agent gives its hooks to.
func shellWord(h Host, w string) string {
	if strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-:=") == "" && w != "" {
		return w
	}
	if h.OS == "windows" {
		return `"` + w + `"`
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}

// isOurs reports whether a command is a call of the hook for the agent.
func (k *Hooking) isOurs(command string) bool {
	return strings.Contains(command, "mcpwatch") && strings.Contains(command, " hook --agent "+k.Agent)
}

// install adds what is missing, one event after another: each change moves what stands behind it.
func (k *Hooking) install(a *agent, h Host, text []byte) ([]byte, error) {
	if len(strings.TrimSpace(string(text))) == 0 {
		text = []byte("{}\n")
		if a.flat {
			text = []byte("{\n  \"version\": 1\n}\n")
		}
	}
	command := k.command(h)
	entry := fmt.Sprintf(`{"hooks": [{"type": "command", "command": %s, "timeout": %s}]}`, jsonedit.Quote(command), a.timeout)
	if a.flat {
		entry = fmt.Sprintf(`{"command": %s}`, jsonedit.Quote(command))
	}
	for _, event := range a.events {
		root, err := hooksOf(text)
		if err != nil {
			return nil, err
		}
		hooks := root.Get("hooks")
		switch list := hooks.Get(event); {
		case hooks == nil:
			text = jsonedit.Append(text, root, "hooks", "{\n"+unit+jsonedit.Quote(event)+": [\n"+unit+unit+entry+"\n"+unit+"]\n}")
		case list == nil:
			text = jsonedit.Append(text, hooks, event, "[\n"+unit+entry+"\n]")
		default:
			ours := k.oursIn(a, list)
			switch {
			case ours == nil:
				text = jsonedit.Append(text, list, "", entry)
			case ours.Text() != command:
				text = jsonedit.Replace(text, ours, jsonedit.Quote(command))
			}
		}
	}
	return text, nil
}

// unit indents what we add.
const unit = "  "

// hooksOf parses settings and checks that they have the shape that we know.
func hooksOf(text []byte) (*jsonedit.Node, error) {
	root, err := jsonedit.Parse(text)
	if err != nil {
		return nil, err
	}
	if root.Kind != '{' {
		return nil, errors.New("it is no JSON object")
	}
	hooks := root.Get("hooks")
	if hooks != nil && hooks.Kind != '{' {
		return nil, errors.New(`"hooks" is no object`)
	}
	if hooks != nil {
		for _, m := range hooks.Members {
			if m.Value.Kind != '[' && strings.Trim(m.Name, "abcdefghijklmnopqrstuvwxyz") != "" { // such as "enabled"
				return nil, fmt.Errorf("hooks.%s is no array", m.Name)
			}
		}
	}
	return root, nil
}

// oursIn is the command in an event's list that is ours, or nil.
func (k *Hooking) oursIn(a *agent, list *jsonedit.Node) *jsonedit.Node {
	for _, item := range list.Items {
		if a.flat {
			if c := item.Get("command"); k.isOurs(c.Text()) {
				return c
			}
			continue
		}
		if inner := item.Get("hooks"); inner != nil {
			for _, hook := range inner.Items {
				if c := hook.Get("command"); k.isOurs(c.Text()) {
					return c
				}
			}
		}
	}
	return nil
}

// uninstall removes one call after another, and what is empty without it.
func (k *Hooking) uninstall(a *agent, text []byte) ([]byte, error) {
	for {
		root, err := hooksOf(text)
		if err != nil {
			return nil, err
		}
		next := k.removeOne(a, text, root)
		if next == nil {
			return text, nil
		}
		text = next
	}
}

// removeOne removes the first call that is ours; nil means that there is none.
func (k *Hooking) removeOne(a *agent, text []byte, root *jsonedit.Node) []byte {
	hooks := root.Get("hooks")
	if hooks == nil {
		return nil
	}
	for e, m := range hooks.Members {
		for i, item := range m.Value.Items {
			inner, at := item.Get("hooks"), 0
			if !a.flat {
				if inner == nil {
					continue
				}
				if at = slices.IndexFunc(inner.Items, func(n *jsonedit.Node) bool { return k.isOurs(n.Get("command").Text()) }); at < 0 {
					continue
				}
			} else if !k.isOurs(item.Get("command").Text()) {
				continue
			}
			switch {
			case !a.flat && len(inner.Items) > 1:
				return jsonedit.Remove(text, inner, at)
			case len(m.Value.Items) > 1:
				return jsonedit.Remove(text, m.Value, i)
			case len(hooks.Members) > 1:
				return jsonedit.Remove(text, hooks, e)
			default:
				return jsonedit.Remove(text, root, root.Index("hooks"))
			}
		}
	}
	return nil
}
