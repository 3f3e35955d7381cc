package client_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/collector/client"
	"github.com/mcpwatch/mcpwatch/event"
)

// host is a machine with these files; a path begins with home, config or project.
func host(t *testing.T, files map[string]string) client.Host {
	t.Helper()
	root := t.TempDir()
	h := client.Host{OS: "linux", Home: filepath.Join(root, "home"), Config: filepath.Join(root, "config"), Project: filepath.Join(root, "project")}
	for path, text := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func content(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const desktop = `{
  // what Alice uses
  "theme": "dark",
  "mcpServers": {
    "files": {
      "command": "npx",
      "args": [
        "-y",
        "@scope/files",   // the newest
        "/data"
      ]
    },
    "bare": {"command": "/opt/bare", "env": {"API_KEY": "s3cr3t-value", "MODE": "x", "OTHER_TOKEN": "${FROM_ELSEWHERE}"}},
    "empty": {"args": [ ], "command": "run-it"},
    "remote": {"url": "http://mcp.example.com/x?api_key=abc&page=2", "headers": {"Authorization": "Bearer abcdef"}},
  },
}
`

func TestServersOfEveryClient(t *testing.T) {
	h := host(t, map[string]string{
		"config/Claude/claude_desktop_config.json": desktop,
		"home/.claude.json":                        `{"mcpServers":{"g":{"type":"http","url":"https://g.example.com/mcp"}},"projects":{"/p":{"mcpServers":{"local":{"command":"uvx","args":["pkg==1.2"]}}}}}`,
		"project/.mcp.json":                        `{"mcpServers":{"sh":{"command":"bash","args":["-c","npx x"]}}}`,
		"home/.codex/config.toml":                  "model = \"m\"\n[mcp_servers.db]\ncommand = \"npx\"\nargs = [\"-y\", \"mcp-db@1.0.3\", \"--token\", \"tok-123\"]\nenv = { DB_PASSWORD = \"hunter2\" }\n",
		"home/.config/goose/config.yaml":           "extensions:\n  developer:\n    type: builtin\n  fetch:\n    type: stdio\n    cmd: uvx\n    args: [mcp-fetch]\n    envs: {}\n",
		"home/.continue/config.yaml":               "mcpServers:\n  - name: notes\n    command: C:\\Tools\\CMD.EXE\n    args: [/c, npx, notes]\n",
		"config/Code/User/settings.json":           `{"mcp":{"servers":{"v":{"command":"/usr/bin/mcpwatch","args":["tap","--server","v","--","node","v.js"]}}}}`,
		"home/.config/zed/settings.json":           `{"context_servers":{"z":{"command":{"path":"z","args":["--stdio"],"env":{}}}}}`,
		"home/.cursor/mcp.json":                    `{"mcpServers": nonsense}`,
	})
	servers, err := client.Servers(h)
	if err == nil || !strings.Contains(err.Error(), "mcp.json: line 1") {
		t.Errorf("the broken file: %v", err)
	}
	got := map[string]client.Server{}
	for _, s := range servers {
		got[s.Client+"/"+s.Scope+"/"+s.Name] = s
	}
	for _, w := range []struct {
		key, command string
		tapped       bool
		risks        []string
	}{
		{"claude-desktop/user/files", "npx -y @scope/files /data", false, []string{client.RiskUnpinned}},
		{"claude-desktop/user/bare", "/opt/bare", false, []string{client.RiskSecretEnv}},
		{"claude-desktop/user/empty", "run-it", false, nil},
		{"claude-desktop/user/remote", "", false, []string{client.RiskPlainHTTP, client.RiskSecretEnv, client.RiskSecretShown}},
		{"claude-code/user/g", "", false, nil},
		{"claude-code/user/local", "uvx pkg==1.2", false, nil},
		{"claude-code/project/sh", "bash -c npx x", false, []string{client.RiskShell}},
		{"codex/user/db", "npx -y mcp-db@1.0.3 --token [secret]", false, []string{client.RiskSecretEnv, client.RiskSecretShown}},
		{"goose/user/fetch", "uvx mcp-fetch", false, []string{client.RiskUnpinned}},
		{"continue/user/notes", `C:\Tools\CMD.EXE /c npx notes`, false, []string{client.RiskShell, client.RiskUnpinned}},
		{"vscode/user/v", "node v.js", true, nil},
		{"zed/user/z", "z --stdio", false, nil},
	} {
		s, ok := got[w.key]
		if !ok || strings.Join(s.Command, " ") != w.command || s.Tapped != w.tapped || !slices.Equal(s.Risks, w.risks) {
			t.Errorf("%s: %+v, want %+v", w.key, s, w)
		}
		delete(got, w.key)
	}
	if len(got) > 0 {
		t.Errorf("more than wanted: %v", got)
	}
}

// TestNoSecretLeavesTheMachine looks at what would be sent.
func TestNoSecretLeavesTheMachine(t *testing.T) {
	h := host(t, map[string]string{
		"config/Claude/claude_desktop_config.json": desktop,
		"home/.cursor/mcp.json": `{"mcpServers":{
			"a":{"command":"x","args":["--api-key=planted1","--password","planted2","API_TOKEN=planted3","https://u:planted4@example.com/?token=planted5"],"env":{"K":"planted6"}},
			"b":{"url":"https://example.com/?access_token=planted7","headers":{"X":"planted8"}}}}`,
	})
	servers, err := client.Servers(h)
	if err != nil {
		t.Fatal(err)
	}
	for i := range servers {
		e, err := servers[i].Event()
		if err != nil {
			t.Fatal(err)
		}
		data, err := event.Encode(nil, &e)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"planted", "s3cr3t", "abcdef", "api_key=abc"} {
			if strings.Contains(string(data), secret) {
				t.Errorf("%q is in %s", secret, data)
			}
		}
	}
}

func TestTapIsInstalledOnceAndTakenBackExactly(t *testing.T) {
	h := host(t, map[string]string{"config/Claude/claude_desktop_config.json": desktop})
	path := filepath.Join(h.Config, "Claude/claude_desktop_config.json")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	tapping := client.Tapping{Program: "/opt/mcpwatch", Flags: []string{"--collector=https://c.example.com"}}
	if _, err := tapping.Install(h, true); err != nil || content(t, path) != desktop {
		t.Fatalf("a dry run changes the file: %v", err)
	}
	for range 2 {
		if _, err := tapping.Install(h, false); err != nil {
			t.Fatal(err)
		}
	}
	tapped := content(t, path)
	for _, want := range []string{
		"      \"command\": \"/opt/mcpwatch\",\n      \"args\": [\n        \"tap\",\n        \"--server\",\n        \"files\",\n        \"--collector=https://c.example.com\",\n        \"--\",\n        \"npx\",\n        \"-y\",\n        \"@scope/files\",   // the newest",
		`"bare": {"command": "/opt/mcpwatch", "env"`,
		`"empty": {"args": ["tap", "--server", "empty", "--collector=https://c.example.com", "--", "run-it"], "command": "/opt/mcpwatch"}`,
		`"remote": {"url"`,
	} {
		if !strings.Contains(tapped, want) {
			t.Errorf("missing %s in\n%s", want, tapped)
		}
	}
	servers, err := client.Servers(h)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range servers {
		if s.Tapped != (s.Name != "remote") {
			t.Errorf("%s: tapped %v", s.Name, s.Tapped)
		}
	}
	if _, err := tapping.Uninstall(h, false); err != nil || content(t, path) != desktop {
		t.Errorf("not as it was: %v\n%s", err, content(t, path))
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if content(t, path+".mcpwatch-backup") != desktop {
		t.Error("the backup is another")
	}
}

// TestTapIsTakenBackFromAFileThatChangedSince: what others wrote meanwhile stays.
func TestTapIsTakenBackFromAFileThatChangedSince(t *testing.T) {
	h := host(t, map[string]string{"config/Claude/claude_desktop_config.json": desktop})
	path := filepath.Join(h.Config, "Claude/claude_desktop_config.json")
	tapping := client.Tapping{Program: "/opt/mcpwatch", Servers: []string{"files"}}
	changes, err := tapping.Install(h, false)
	if err != nil || len(changes) != 1 || !strings.Contains(changes[0].Diff, "+        \"tap\",\n") {
		t.Fatalf("%v, %v", changes, err)
	}
	changed := strings.Replace(content(t, path), `"dark"`, `"light"`, 1)
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tapping.Uninstall(h, false); err != nil {
		t.Fatal(err)
	}
	if got, want := content(t, path), strings.Replace(desktop, `"dark"`, `"light"`, 1); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestTapRefusesWhatItCannotRewrite(t *testing.T) {
	h := host(t, map[string]string{
		"home/.codex/config.toml": "[mcp_servers.db]\ncommand = \"db\"\n",
		"home/.cursor/mcp.json":   "{\n\"mcpServers\": {\n",
	})
	tapping := client.Tapping{Program: "/opt/mcpwatch"}
	_, err := tapping.Install(h, false)
	for _, want := range []string{"config.toml: only settings in JSON", "mcp.json: line 3"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestHooksAreInstalledOnceAndTakenBackExactly(t *testing.T) {
	const mine = "{\n\t\"model\": \"m\", // mine\n\t\"hooks\": {\n\t\t\"PreToolUse\": [\n\t\t\t{\"matcher\": \"Bash\", \"hooks\": [{\"type\": \"command\", \"command\": \"check\"}]}\n\t\t]\n\t}\n}\n"
	for _, c := range []struct{ agent, file, text string }{
		{"claude-code", "home/.claude/settings.json", mine},
		{"claude-code", "home/.claude/settings.json", "{}"},
		{"codex", "home/.codex/hooks.json", `{"hooks": {}}`},
		{"cursor", "home/.cursor/hooks.json", `{"version": 1, "hooks": {"stop": [{"command": "bye"}], "beforeReadFile": []}}`},
		{"gemini-cli", "home/.gemini/settings.json", `{"hooks": {"enabled": true, "BeforeTool": [{"hooks": [{"type": "command", "command": "x"}]}]}}`},
	} {
		h := host(t, map[string]string{c.file: c.text})
		h.Project = ""
		path := filepath.Join(h.Home, strings.TrimPrefix(c.file, "home/"))
		hooking := client.Hooking{Agent: c.agent, Program: "/opt/my tools/mcpwatch", Flags: []string{"--data=/d"}}
		change, err := hooking.Install(h, false)
		if err != nil || change.Diff == "" {
			t.Errorf("%s: %v, %v", c.agent, change, err)
			continue
		}
		installed := content(t, path)
		if !strings.Contains(installed, `"'/opt/my tools/mcpwatch' hook --agent `+c.agent+` --data=/d"`) {
			t.Errorf("%s:\n%s", c.agent, installed)
		}
		if again, err := hooking.Install(h, false); err != nil || again.Diff != "" {
			t.Errorf("%s: a second time changes %s, %v", c.agent, again.Diff, err)
		}
		if _, err := hooking.Uninstall(h, false); err != nil || content(t, path) != c.text {
			t.Errorf("%s: %v; was\n%s\nbecame\n%s\nby\n%s", c.agent, err, c.text, content(t, path), installed)
		}
	}
}

func TestHooksLeaveOthersAlone(t *testing.T) {
	h := host(t, map[string]string{"project/.claude/settings.json": `{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "a"}]}]}}`})
	path := filepath.Join(h.Project, ".claude/settings.json")
	old := client.Hooking{Agent: "claude-code", Program: "/old/mcpwatch"}
	if _, err := old.Install(h, false); err != nil {
		t.Fatal(err)
	}
	// Somebody puts a hook of theirs beside ours, and mcpwatch moves.
	text := strings.Replace(content(t, path), `"timeout": 10}`, `"timeout": 10}, {"type": "command", "command": "b"}`, 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	moved := client.Hooking{Agent: "claude-code", Program: "/new/mcpwatch"}
	if _, err := moved.Install(h, false); err != nil {
		t.Fatal(err)
	}
	if got := content(t, path); got != strings.ReplaceAll(text, "/old/", "/new/") {
		t.Errorf("got\n%s", got)
	}
	if _, err := moved.Uninstall(h, false); err != nil {
		t.Fatal(err)
	}
	got := content(t, path)
	if strings.Contains(got, "mcpwatch") || !strings.Contains(got, `"command": "a"`) || !strings.Contains(got, `"command": "b"`) {
		t.Errorf("got\n%s", got)
	}
}

func TestHooksRefuseSettingsOfAnotherShape(t *testing.T) {
	for _, text := range []string{`[]`, `{"hooks": []}`, `{"hooks": {"PreToolUse": {}}}`, `{"hooks": `} {
		h := host(t, map[string]string{"project/.claude/settings.json": text})
		hooking := client.Hooking{Agent: "claude-code", Program: "mcpwatch"}
		if _, err := hooking.Install(h, false); err == nil {
			t.Errorf("%s is changed", text)
		}
		if got := content(t, h.Project, ".claude/settings.json"); got != text {
			t.Errorf("%s became %s", text, got)
		}
	}
	hooking := client.Hooking{Agent: "nobody"}
	if _, err := hooking.Install(client.Host{}, false); err == nil || !strings.Contains(err.Error(), "claude-code") {
		t.Errorf("%v", err)
	}
}

func TestHooksAreInstalledWhereThereAreNoSettings(t *testing.T) {
	h := host(t, nil)
	hooking := client.Hooking{Agent: "cursor", Program: "mcpwatch"}
	if _, err := hooking.Install(h, false); err != nil {
		t.Fatal(err)
	}
	if got := content(t, h.Project, ".cursor/hooks.json"); !strings.HasPrefix(got, "{\n  \"version\": 1,\n  \"hooks\": {\n    \"beforeMCPExecution\": [\n      {\"command\": \"mcpwatch hook --agent cursor\"}\n    ],") {
		t.Errorf("got\n%s", got)
	}
	if change, err := hooking.Uninstall(client.Host{Home: t.TempDir()}, false); err != nil || change.Diff != "" {
		t.Errorf("where nothing is installed: %v, %v", change, err)
	}
}
