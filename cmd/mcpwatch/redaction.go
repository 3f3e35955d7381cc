package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/mcpwatch/mcpwatch/collector/deadletter"
	"github.com/mcpwatch/mcpwatch/collector/redact"
)

// redactionFlags say what is taken out of events.
type redactionFlags struct {
	RedactionKeyFile string `help:"Keys of the digests that take the place of what is taken out of events: a line each, 32 random bytes in base64, the one in use first." type:"existingfile" placeholder:"FILE"`
	RedactionConfig  string `help:"What is taken out beside secrets (YAML): personal data, arguments, headers." type:"existingfile" placeholder:"FILE"`
}

// policy reads both files.
func (f redactionFlags) policy() (*redact.Policy, error) {
	if f.RedactionKeyFile == "" {
		return nil, &exitError{code: exitUsage, err: errors.New("redaction needs a key: give --redaction-key-file")}
	}
	text, err := os.ReadFile(f.RedactionKeyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the keys of redaction: %w", err)
	}
	return policyOf(string(text), f.RedactionKeyFile, f.RedactionConfig)
}

// policyOf is the policy of keys, which stand in a file, and a configuration's file; "" is none.
func policyOf(keys, file, config string) (*redact.Policy, error) {
	parsed, err := redact.ParseKeys(keys)
	if err != nil {
		return nil, fmt.Errorf("reading the keys of redaction: %s: %w", file, err)
	}
	var c redact.Config
	if config != "" {
		data, err := os.ReadFile(config)
		if err != nil {
			return nil, fmt.Errorf("reading the configuration of redaction: %w", err)
		}
		if c, err = redact.ParseConfig(data); err != nil {
			return nil, fmt.Errorf("%s: %w", config, err)
		}
	}
	policy, err := redact.New(parsed, c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", config, err)
	}
	return policy, nil
}

// keyFlags say how a collector keeps secrets.
type keyFlags struct {
	Redaction bool `help:"Take secrets out of events before they are written." default:"true" negatable:""`
	redactionFlags
	DeadLetterKeyFile string `help:"Public key that the bytes of dead letters are sealed to (see mcpwatch deadletters key)." type:"existingfile" placeholder:"FILE"`
}

// read gives what a collector is to do with secrets. Without redaction both may be nil.
func (f keyFlags) read(p part) (policy *redact.Policy, to *deadletter.Recipient, err error) {
	if f.Redaction {
		if f.RedactionKeyFile == "" || f.DeadLetterKeyFile == "" {
			return nil, nil, &exitError{code: exitUsage, err: errors.New(
				"secrets are taken out of events and dead letters are sealed, which needs --redaction-key-file and --dead-letter-key-file; or give --no-redaction")}
		}
		if policy, err = f.policy(); err != nil {
			return nil, nil, err
		}
	} else {
		p.log.Warn().Msg("redaction is off: secrets in events are written to Kafka, stored and sent on")
	}
	if f.DeadLetterKeyFile == "" {
		p.log.Warn().Msg("dead letters are not sealed: whoever can read Kafka can read what was refused")
		return policy, nil, nil
	}
	text, err := os.ReadFile(f.DeadLetterKeyFile)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the key of dead letters: %w", err)
	}
	if to, err = deadletter.ParseRecipient(string(text)); err != nil {
		return nil, nil, fmt.Errorf("reading the key of dead letters: %s %w", f.DeadLetterKeyFile, err)
	}
	return policy, to, nil
}

// Keys that `up` makes in its data directory.
const (
	redactionKeyFile  = "redaction-key"
	deadLetterKeyFile = "dead-letters-key"
)

// keys makes, or reads, the keys of a data directory.
func (d *dataDir) keys(config string) (*redact.Policy, *deadletter.Opener, error) {
	keys, err := d.secret(redactionKeyFile, redact.NewKeyText)
	if err != nil {
		return nil, nil, err
	}
	policy, err := policyOf(keys, d.join(redactionKeyFile), config)
	if err != nil {
		return nil, nil, err
	}
	made, err := deadletter.NewKeyText()
	if err != nil {
		return nil, nil, err
	}
	text, err := d.secret(deadLetterKeyFile, func() string { return made })
	if err != nil {
		return nil, nil, err
	}
	opener, err := deadletter.ParseOpener(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %w", d.join(deadLetterKeyFile), err)
	}
	return policy, opener, nil
}
