package redact

import (
	"fmt"

	"github.com/goccy/go-yaml"
)

// Config says what is taken out beside secrets, YAML:
//
//	personal: [email, phone, iban, card, ip]
//	arguments:
//	  - {tool: create_user, path: $.params.arguments.password}
//	  - {path: "$.result.content[*].text"}
//	headers: [x-internal-token]
type Config struct {
	// Personal are classes of personal data.
	Personal []string `yaml:"personal,omitempty"`
	// Arguments are values of messages that are taken out whatever they hold.
	Arguments []Argument `yaml:"arguments,omitempty"`
	// Headers are taken out beside those that authenticate.
	Headers []string `yaml:"headers,omitempty"`
}

// Argument names values of messages.
type Argument struct {
	// Tool is the tool, or prompt, of the call or its answer; without it, every message is meant.
	Tool string `yaml:"tool,omitempty"`
	// Path is a JSON path from the message.
	Path string `yaml:"path"`
}

// ParseConfig reads a configuration. An unknown key is an error with its line.
func ParseConfig(data []byte) (Config, error) {
	var c Config
	if err := yaml.UnmarshalWithOptions(data, &c, yaml.Strict()); err != nil {
		return Config{}, fmt.Errorf("reading the configuration of redaction: %s", yaml.FormatError(err, false, false))
	}
	return c, nil
}
