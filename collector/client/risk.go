package client

import (
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mcpwatch/mcpwatch/content"
)

// What is doubtful about a server.
const (
	RiskShell       = "shell"               // a shell interprets its command line
	RiskUnpinned    = "unpinned"            // each start may fetch another version of its package
	RiskPlainHTTP   = "plain_http"          // what is said to it is not encrypted on its way
	RiskSecretEnv   = "secret_in_env"       // a secret lies in the settings, for its environment or headers
	RiskSecretShown = "secret_in_arguments" // a secret lies on its command line or in its address
)

// masked stands where something looked like a secret.
const masked = "[secret]"

func (e *entry) risks(command []string) []string {
	var risks []string
	add := func(risk string, so bool) {
		if so && !slices.Contains(risks, risk) {
			risks = append(risks, risk)
		}
	}
	add(RiskShell, isShell(command))
	add(RiskUnpinned, isUnpinned(command))
	u, err := url.Parse(e.url)
	add(RiskPlainHTTP, err == nil && u.Scheme == "http" && !isLoopback(u.Hostname()))
	for _, values := range []map[string]string{e.env, e.headers} {
		for name, value := range values {
			add(RiskSecretEnv, namesSecret(name) && value != "" && !refers(value) || hasSecret(value))
		}
	}
	add(RiskSecretShown, !slices.Equal(withoutSecrets(command), command) || withoutSecretsInURL(e.url) != e.url)
	return risks
}

// program is a command's name without folder and extension, in lower case.
func program(command string) string {
	name := strings.ToLower(command)
	name = filepath.Base(name[strings.LastIndexByte(name, '\\')+1:])
	for _, extension := range []string{".exe", ".cmd", ".bat"} {
		name = strings.TrimSuffix(name, extension)
	}
	return name
}

func isShell(command []string) bool {
	if len(command) == 0 {
		return false
	}
	switch program(command[0]) {
	case "sh", "bash", "zsh", "dash", "fish", "cmd", "powershell", "pwsh":
		return true
	}
	return false
}

// isUnpinned reports whether the command fetches a package without saying which version. It looks
// at the first argument that is no flag.
func isUnpinned(command []string) bool {
	if len(command) == 0 {
		return false
	}
	arguments := command[1:]
	switch program(command[0]) {
	case "npx", "bunx", "uvx":
	case "pnpm", "yarn":
		if len(arguments) == 0 || arguments[0] != "dlx" {
			return false
		}
		arguments = arguments[1:]
	case "pipx":
		if len(arguments) == 0 || arguments[0] != "run" {
			return false
		}
		arguments = arguments[1:]
	case "cmd": // cmd /c npx …
		if len(arguments) > 1 && strings.EqualFold(arguments[0], "/c") {
			return isUnpinned(arguments[1:])
		}
		return false
	default:
		return false
	}
	for i, a := range arguments {
		if a == "--from" || a == "--package" || a == "-p" {
			return i+1 < len(arguments) && !isPinned(arguments[i+1])
		}
		if !strings.HasPrefix(a, "-") {
			return !isPinned(a)
		}
	}
	return false
}

// isPinned reports whether a package bears a version: name@1.2, @scope/name@1.2, name==1.2, or is
// a file.
func isPinned(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "/") || strings.Contains(name, "==") {
		return true
	}
	i := strings.LastIndexByte(name, '@')
	return i > 0 && strings.ContainsAny(name[i+1:], "0123456789") && !strings.HasPrefix(name[i+1:], "^")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// refers reports whether a value is taken from elsewhere when the client starts.
func refers(value string) bool { return strings.HasPrefix(value, "$") }

// namesSecret reports whether a variable, header or flag of that name holds a secret.
func namesSecret(name string) bool {
	name = strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	for _, word := range []string{"key", "token", "secret", "passw", "pwd", "credential", "authorization", "cookie"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

func hasSecret(text string) bool { return len(content.Secrets(text)) > 0 }

// withoutSecrets masks the arguments that follow or are in a flag of a secret's name, and those
// that hold one by their shape.
func withoutSecrets(command []string) []string {
	clean := slices.Clone(command)
	for i, a := range clean {
		name, value, assigned := strings.Cut(a, "=")
		switch {
		case assigned && value != "" && !refers(value) && namesSecret(name) && !strings.Contains(name, "://"):
			clean[i] = name + "=" + masked
		case i > 0 && isSecretFlag(command[i-1]) && !strings.HasPrefix(a, "-") && !refers(a):
			clean[i] = masked
		case strings.Contains(a, "://"):
			clean[i] = withoutSecretsInURL(a)
		}
		if hasSecret(clean[i]) {
			clean[i] = masked
		}
	}
	return clean
}

func isSecretFlag(a string) bool {
	return strings.HasPrefix(a, "-") && !strings.Contains(a, "=") && namesSecret(a)
}

// withoutSecretsInURL masks a user's password, and the values of what is asked.
func withoutSecretsInURL(address string) string {
	u, err := url.Parse(address)
	if err != nil || address == "" {
		if address == "" {
			return ""
		}
		return masked
	}
	changed := false
	if u.User != nil {
		u.User, changed = nil, true
	}
	if query := u.Query(); len(query) > 0 {
		for name, values := range query {
			for i, v := range values {
				if v != "" && (namesSecret(name) || hasSecret(v)) {
					values[i], changed = masked, true
				}
			}
		}
		if changed {
			u.RawQuery = query.Encode()
		}
	}
	if changed {
		address = u.String()
	}
	if hasSecret(address) {
		return masked
	}
	return address
}
