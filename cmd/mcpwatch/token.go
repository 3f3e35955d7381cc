package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/event"
)

type tokenCommand struct {
	New    tokenNewCommand    `cmd:"" help:"Make a token, print it once, and keep its hash in the credentials file."`
	List   tokenListCommand   `cmd:"" help:"List the tokens of the credentials file."`
	Revoke tokenRevokeCommand `cmd:"" help:"Take a token out of the credentials file."`
}

type tokenNewCommand struct {
	Credentials string        `help:"Credentials file; made where there is none." required:"" type:"path" placeholder:"FILE"`
	Tenant      string        `help:"Whose events the token brings." required:""`
	Source      string        `help:"The source's name in events." required:""`
	Agent       string        `help:"The only agent that the token may speak for." placeholder:"ID"`
	Valid       time.Duration `help:"How long it is taken; without it, for ever." placeholder:"DURATION"`
	Note        string        `help:"For those who read the file."`
}

// Run implements the command.
func (c *tokenNewCommand) Run(s streams) error {
	made := randomToken()
	hash := credential.HashOf(made)
	entry := credential.Token{
		Grant:  credential.Grant{Tenant: c.Tenant, Source: c.Source, Agent: c.Agent},
		SHA256: hex.EncodeToString(hash[:]), Note: c.Note,
	}
	if c.Valid != 0 {
		entry.Expires = time.Now().Add(c.Valid).UTC().Truncate(time.Second)
	}
	err := editCredentials(c.Credentials, func(f *credential.File) error {
		f.Tokens = append(f.Tokens, entry)
		return nil
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, made)
	return err
}

type tokenListCommand struct {
	Credentials string `help:"Credentials file." required:"" type:"existingfile" placeholder:"FILE"`
}

// Run implements the command.
func (c *tokenListCommand) Run(s streams) error {
	data, err := os.ReadFile(c.Credentials)
	if err != nil {
		return fmt.Errorf("reading credentials: %w", err)
	}
	f, err := credential.ParseFile(c.Credentials, data)
	if err != nil {
		return err
	}
	rows := make([][]string, len(f.Tokens))
	for i, t := range f.Tokens {
		rows[i] = []string{idOf(t), t.Tenant, t.Source, t.Agent, bound(t.NotBefore), bound(t.Expires), t.Note}
		for n := range rows[i] {
			rows[i][n] = event.Printable(rows[i][n])
		}
	}
	return table(s.out, []string{"ID", "TENANT", "SOURCE", "AGENT", "NOT BEFORE", "EXPIRES", "NOTE"}, rows)
}

// idOf names a token by the beginning of its hash.
func idOf(t credential.Token) string { return strings.ToLower(t.SHA256[:min(12, len(t.SHA256))]) }

func bound(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

type tokenRevokeCommand struct {
	Credentials string `help:"Credentials file." required:"" type:"existingfile" placeholder:"FILE"`
	ID          string `arg:"" help:"The token's id, as list shows it, or - to read the token itself from standard input."`
}

// Run implements the command.
func (c *tokenRevokeCommand) Run(s streams) error {
	id := strings.ToLower(c.ID)
	if id == "-" {
		given, err := io.ReadAll(io.LimitReader(s.in, 16<<10))
		if err != nil {
			return fmt.Errorf("reading the token: %w", err)
		}
		hash := sha256.Sum256(bytes.TrimSpace(given))
		id = hex.EncodeToString(hash[:])
	}
	if len(id) < 8 {
		return &exitError{code: exitUsage, err: errors.New("token revoke: the id must have eight digits at least")}
	}
	return editCredentials(c.Credentials, func(f *credential.File) error {
		named := func(t credential.Token) bool { return strings.HasPrefix(strings.ToLower(t.SHA256), id) }
		before := len(f.Tokens)
		f.Tokens = slices.DeleteFunc(f.Tokens, named)
		switch before - len(f.Tokens) {
		case 1:
			return nil
		case 0:
			return fmt.Errorf("no token in %s has the id %s", c.Credentials, event.Printable(id))
		default:
			return fmt.Errorf("several tokens in %s have the id %s: give more of its digits", c.Credentials, event.Printable(id))
		}
	})
}

// editCredentials changes a credentials file, or makes it, whole or not at all. Comments stay.
func editCredentials(path string, change func(*credential.File) error) error {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reading credentials: %w", err)
	}
	comments := yaml.CommentMap{}
	var f credential.File
	if err := yaml.UnmarshalWithOptions(data, &f, yaml.Strict(), yaml.CommentToMap(comments)); err != nil && len(bytes.TrimSpace(data)) > 0 {
		return fmt.Errorf("reading credentials from %s: %w", path, err)
	}
	if err := change(&f); err != nil {
		return err
	}
	changed, err := yaml.MarshalWithOptions(f, yaml.WithComment(comments))
	if err != nil {
		return fmt.Errorf("writing credentials: %w", err)
	}
	if _, err := credential.Parse(path, changed, time.Now); err != nil {
		return err
	}
	return replaceFile(path, changed)
}

// replaceFile puts a file that its owner alone can read in the place of another.
func replaceFile(path string, data []byte) error {
	made, err := os.CreateTemp(filepath.Dir(path), ".credentials-*")
	if err != nil {
		return fmt.Errorf("writing credentials: %w", err)
	}
	defer func() { _ = os.Remove(made.Name()) }()
	mode := os.FileMode(0o600)
	if there, err := os.Stat(path); err == nil {
		mode = there.Mode().Perm()
	}
	_, err = made.Write(data)
	err = errors.Join(err, made.Chmod(mode), made.Sync(), made.Close())
	if err == nil {
		err = os.Rename(made.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing credentials: %w", err)
	}
	return nil
}
