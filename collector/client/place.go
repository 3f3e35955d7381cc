// Package client knows the MCP clients of a laptop: where their settings are, which MCP servers
// these name, and how they are changed so that servers run under the tap and agents call the hook.
// What it does not understand in a file it leaves as it is.
package client

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Host is where files are looked for.
type Host struct {
	// OS is a GOOS.
	OS string
	// Home is the user's folder; Config that of settings: ~/.config or XDG_CONFIG_HOME on Linux,
	// ~/Library/Application Support on macOS, %AppData% on Windows.
	Home, Config string
	// Project is the folder of a project, or "".
	Project string
}

// ThisHost is the machine and user that this process runs on and as.
func ThisHost(project string) (Host, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return Host{}, err
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return Host{}, err
	}
	return Host{OS: runtime.GOOS, Home: home, Config: config, Project: project}, nil
}

// Scopes of settings.
const (
	ScopeUser    = "user"
	ScopeProject = "project"
)

// syntax is how a file is written.
type syntax int

const (
	inJSON syntax = iota
	inTOML
	inYAML
)

// place is a file in which a client names MCP servers.
type place struct {
	client, scope string
	// path begins with {home}, {config} or {project}. Where it differs on an OS, others has it.
	path   string
	others map[string]string
	syntax syntax
	// servers are the ways to the objects whose members are servers, or the list of servers;
	// "*" is any member.
	servers [][]string
}

const vsCodeStorage = "{config}/Code/User/globalStorage/"

var mcpServers = [][]string{{"mcpServers"}}

// places lists the files of known clients.
var places = []place{
	{client: "claude-desktop", scope: ScopeUser, path: "{config}/Claude/claude_desktop_config.json", servers: mcpServers},
	{client: "claude-code", scope: ScopeUser, path: "{home}/.claude.json", servers: [][]string{{"mcpServers"}, {"projects", "*", "mcpServers"}}},
	{client: "claude-code", scope: ScopeProject, path: "{project}/.mcp.json", servers: mcpServers},
	{client: "cline", scope: ScopeUser, path: vsCodeStorage + "saoudrizwan.claude-dev/settings/cline_mcp_settings.json", servers: mcpServers},
	{client: "codex", scope: ScopeUser, path: "{home}/.codex/config.toml", syntax: inTOML, servers: [][]string{{"mcp_servers"}}},
	{client: "codex", scope: ScopeProject, path: "{project}/.codex/config.toml", syntax: inTOML, servers: [][]string{{"mcp_servers"}}},
	{client: "continue", scope: ScopeUser, path: "{home}/.continue/config.yaml", syntax: inYAML, servers: mcpServers},
	{client: "cursor", scope: ScopeUser, path: "{home}/.cursor/mcp.json", servers: mcpServers},
	{client: "cursor", scope: ScopeProject, path: "{project}/.cursor/mcp.json", servers: mcpServers},
	{client: "gemini-cli", scope: ScopeUser, path: "{home}/.gemini/settings.json", servers: mcpServers},
	{client: "gemini-cli", scope: ScopeProject, path: "{project}/.gemini/settings.json", servers: mcpServers},
	{client: "goose", scope: ScopeUser, path: "{home}/.config/goose/config.yaml", others: map[string]string{"windows": "{config}/Block/goose/config/config.yaml"}, syntax: inYAML, servers: [][]string{{"extensions"}}},
	{client: "lm-studio", scope: ScopeUser, path: "{home}/.lmstudio/mcp.json", servers: mcpServers},
	{client: "roo-code", scope: ScopeUser, path: vsCodeStorage + "rooveterinaryinc.roo-cline/settings/mcp_settings.json", servers: mcpServers},
	{client: "roo-code", scope: ScopeProject, path: "{project}/.roo/mcp.json", servers: mcpServers},
	{client: "vscode", scope: ScopeUser, path: "{config}/Code/User/mcp.json", servers: [][]string{{"servers"}}},
	{client: "vscode", scope: ScopeUser, path: "{config}/Code/User/settings.json", servers: [][]string{{"mcp", "servers"}}},
	{client: "vscode", scope: ScopeProject, path: "{project}/.vscode/mcp.json", servers: [][]string{{"servers"}}},
	{client: "windsurf", scope: ScopeUser, path: "{home}/.codeium/windsurf/mcp_config.json", servers: mcpServers},
	{client: "zed", scope: ScopeUser, path: "{home}/.config/zed/settings.json", others: map[string]string{"windows": "{config}/Zed/settings.json"}, servers: [][]string{{"context_servers"}}},
}

// Names lists the clients.
func Names() []string {
	var names []string
	for _, p := range places {
		if len(names) == 0 || names[len(names)-1] != p.client {
			names = append(names, p.client)
		}
	}
	return names
}

// file is where the place is on a host, or "" where it has none.
func (p *place) file(h Host) string {
	path := p.path
	if other, ok := p.others[h.OS]; ok {
		path = other
	}
	return h.resolve(path)
}

func (h Host) resolve(path string) string {
	if strings.HasPrefix(path, "{project}") && h.Project == "" {
		return ""
	}
	return filepath.FromSlash(strings.NewReplacer("{home}", h.Home, "{config}", h.Config, "{project}", h.Project).Replace(path))
}
