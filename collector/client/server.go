package client

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/pelletier/go-toml/v2"

	"github.com/mcpwatch/mcpwatch/internal/jsonedit"
)

// maxFile bounds a settings file, in bytes.
const maxFile = 64 << 20

// Server is an MCP server as a client's settings name it. Values of its environment and headers
// are not in it, and what looks like a secret elsewhere is replaced.
type Server struct {
	Client string `json:"client"`
	Scope  string `json:"scope"`
	File   string `json:"file"`
	Name   string `json:"name"`
	// Command starts it, or URL is where it is. Of a tapped server it is the command under the tap.
	Command []string `json:"command,omitempty"`
	URL     string   `json:"url,omitempty"`
	// Env and Headers are names.
	Env     []string `json:"env,omitempty"`
	Headers []string `json:"headers,omitempty"`
	// Tapped says that it runs under mcpwatch tap.
	Tapped bool `json:"tapped"`
	// Risks are what is doubtful about it (see the Risk constants).
	Risks []string `json:"risks,omitempty"`
}

// Servers reads the settings of all known clients on a host. A file that is not there names none;
// one that cannot be read is part of the error, and the others are read all the same.
func Servers(h Host) ([]Server, error) {
	var all []Server
	var problems []error
	for i := range places {
		p := &places[i]
		path := p.file(h)
		if path == "" {
			continue
		}
		text, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var found []entry
		if err == nil {
			found, err = p.read(text)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("reading %s: %w", path, err))
			continue
		}
		for _, e := range found {
			all = append(all, e.server(p, path))
		}
	}
	return all, errors.Join(problems...)
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("it is no file of at most %d bytes", maxFile)
	}
	return os.ReadFile(path)
}

// entry is a server as it stands in a file, secrets included.
type entry struct {
	name         string
	command      []string
	url          string
	env, headers map[string]string
}

func (p *place) read(text []byte) ([]entry, error) {
	switch p.syntax {
	case inTOML:
		var root map[string]any
		if err := toml.Unmarshal(text, &root); err != nil {
			return nil, err
		}
		return p.entries(root), nil
	case inYAML:
		var root map[string]any
		if err := yaml.Unmarshal(text, &root); err != nil {
			return nil, errors.New(yaml.FormatError(err, false, false))
		}
		return p.entries(root), nil
	default:
		root, err := jsonedit.Parse(text)
		if err != nil {
			return nil, err
		}
		value, _ := plain(root).(map[string]any)
		return p.entries(value), nil
	}
}

// plain is a node as what the other parsers make.
func plain(n *jsonedit.Node) any {
	switch n.Kind {
	case '{':
		m := make(map[string]any, len(n.Members))
		for _, member := range n.Members {
			m[member.Name] = plain(member.Value)
		}
		return m
	case '[':
		list := make([]any, len(n.Items))
		for i, item := range n.Items {
			list[i] = plain(item)
		}
		return list
	case '"':
		return n.Text()
	default:
		return nil
	}
}

// entries finds the servers, by name.
func (p *place) entries(root map[string]any) []entry {
	var all []entry
	for _, way := range p.servers {
		for _, list := range along(root, way) {
			switch servers := list.(type) {
			case map[string]any:
				for _, name := range sortedKeys(servers) {
					if m, ok := servers[name].(map[string]any); ok {
						all = appendEntry(all, name, m)
					}
				}
			case []any:
				for _, s := range servers {
					if m, ok := s.(map[string]any); ok {
						name, _ := m["name"].(string)
						all = appendEntry(all, name, m)
					}
				}
			}
		}
	}
	return all
}

// along is what lies at the end of a way.
func along(value any, way []string) []any {
	if len(way) == 0 {
		return []any{value}
	}
	m, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	if way[0] != "*" {
		return along(m[way[0]], way[1:])
	}
	var all []any
	for _, name := range sortedKeys(m) {
		all = append(all, along(m[name], way[1:])...)
	}
	return all
}

// appendEntry takes what clients call a command, its arguments, an address and so on. What has
// neither command nor address, such as a client's own extension, is no MCP server.
func appendEntry(all []entry, name string, m map[string]any) []entry {
	e := entry{name: name, env: textsOf(m, "env", "envs"), headers: textsOf(m, "headers", "http_headers")}
	switch c := firstOf(m, "command", "cmd").(type) {
	case string:
		e.command = append([]string{c}, list(m["args"])...)
	case map[string]any: // Zed's older form
		if path, ok := c["path"].(string); ok {
			e.command, e.env = append([]string{path}, list(c["args"])...), textsOf(c, "env")
		}
	}
	e.url, _ = firstOf(m, "url", "serverUrl", "httpUrl", "uri").(string)
	if len(e.command) == 0 && e.url == "" {
		return all
	}
	return append(all, e)
}

func firstOf(m map[string]any, names ...string) any {
	for _, name := range names {
		if v, ok := m[name]; ok {
			return v
		}
	}
	return nil
}

func list(v any) []string {
	var all []string
	items, _ := v.([]any)
	for _, item := range items {
		all = append(all, fmt.Sprint(item))
	}
	return all
}

func textsOf(m map[string]any, names ...string) map[string]string {
	values, _ := firstOf(m, names...).(map[string]any)
	texts := make(map[string]string, len(values))
	for name, v := range values {
		texts[name], _ = v.(string)
	}
	return texts
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (e *entry) server(p *place, path string) Server {
	s := Server{Client: p.client, Scope: p.scope, File: path, Name: e.name}
	command := e.command
	if len(command) > 0 {
		if n := tapLength(command[0], command[1:]); n > 0 {
			s.Tapped, command = true, command[1+n:]
		}
	}
	s.Risks = e.risks(command)
	s.Command, s.URL = withoutSecrets(command), withoutSecretsInURL(e.url)
	s.Env, s.Headers = sortedKeys(e.env), sortedKeys(e.headers)
	return s
}
