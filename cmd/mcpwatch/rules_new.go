package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
)

// skeletons are rules of each kind, with tests, whose id is NAME.
//
//go:embed skeleton/*.yaml
var skeletons embed.FS

type rulesNewCommand struct {
	ruleFlags
	ID   string `arg:"" help:"The rule's id: lower-case words joined by hyphens."`
	Kind string `help:"How the rule decides: ${enum}." enum:"match,count,distinct,sum,sequence,absence,first_seen" default:"match"`
	Dir  string `help:"Folder that the rule is written to, as ID.yaml. It is made where there is none." type:"path" default:"rules" placeholder:"DIR"`
}

// Run implements the command.
func (c *rulesNewCommand) Run(s streams) error {
	set, err := c.load()
	if err != nil {
		return err
	}
	for _, p := range set.Programs {
		if p.Rule.ID == c.ID {
			return fmt.Errorf("writing a rule: id %q is taken by %s", c.ID, p.Rule.File())
		}
	}
	text, err := skeletons.ReadFile("skeleton/" + c.Kind + ".yaml")
	if err != nil {
		return fmt.Errorf("writing a rule: %w", err)
	}
	name := filepath.Join(c.Dir, c.ID+".yaml")
	text = []byte(strings.Replace(string(text), "id: NAME", "id: "+c.ID, 1))
	if _, err := rule.Parse(event.Printable(name), text); err != nil {
		return fmt.Errorf("writing a rule: %w", err) // the id is none
	}
	if err := os.MkdirAll(c.Dir, 0o750); err != nil {
		return fmt.Errorf("making the folder for rules: %w", err)
	}
	switch err := createFile(name, text); {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("writing a rule: %s is there already", name)
	case err != nil:
		return fmt.Errorf("writing a rule: %w", err)
	}
	_, err = fmt.Fprintf(s.out, "%s is there, with two tests that pass. Change it, and then:\n  mcpwatch rules test --rules %s %s\n",
		printableLines(name), shellQuote(c.Dir), c.ID)
	return err
}
