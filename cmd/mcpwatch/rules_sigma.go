package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mcpwatch/mcpwatch/detector/sigma"
	"github.com/mcpwatch/mcpwatch/event"
)

type rulesImportSigmaCommand struct {
	From    []string `arg:"" name:"from" help:"Sigma files, or folders that are searched for *.yml and *.yaml."`
	Out     string   `help:"Folder that the rules are written to, a file a rule. A file there that says something else is left as it is." required:"" type:"path" placeholder:"DIR"`
	Mapping string   `help:"Field mapping (YAML) laid over the default one; see docs/sigma.md." type:"existingfile" placeholder:"FILE"`
	Strict  bool     `help:"Exit with 1 if any rule is not translated."`
}

// Run implements the command.
func (c *rulesImportSigmaCommand) Run(s streams) error {
	mapping, err := c.mapping()
	if err != nil {
		return err
	}
	files, err := sigmaFiles(c.From)
	if err != nil {
		return err
	}
	done := sigma.Translate(files, mapping)
	written, err := c.write(&done)
	if err != nil {
		return err
	}
	if err := c.report(s, done, written); err != nil {
		return err
	}
	if written == 0 || c.Strict && len(done.Refused) > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}

func (c *rulesImportSigmaCommand) mapping() (*sigma.Mapping, error) {
	mapping, err := sigma.DefaultMapping()
	if err != nil || c.Mapping == "" {
		return mapping, err
	}
	data, err := os.ReadFile(c.Mapping)
	if err != nil {
		return nil, fmt.Errorf("reading the mapping: %w", err)
	}
	return mapping.With(c.Mapping, data)
}

// sigmaFiles reads files, and those in folders, in the order of their names.
func sigmaFiles(from []string) ([]sigma.File, error) {
	var files []sigma.File
	read := func(name string) error {
		data, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("reading Sigma rules: %w", err)
		}
		files = append(files, sigma.File{Name: name, Data: data})
		return nil
	}
	for _, root := range from {
		err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
			switch extension := filepath.Ext(name); {
			case err != nil:
				return fmt.Errorf("reading Sigma rules: %w", err)
			case entry.IsDir() || name != root && extension != ".yml" && extension != ".yaml":
				return nil
			}
			return read(name)
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// write writes the rules, and makes refusals of those whose file says something else already:
// it may hold somebody's tests. It returns how many rules there are as translated.
func (c *rulesImportSigmaCommand) write(done *sigma.Import) (int, error) {
	if len(done.Rules) == 0 {
		return 0, nil
	}
	if err := os.MkdirAll(c.Out, 0o750); err != nil {
		return 0, fmt.Errorf("making the folder for rules: %w", err)
	}
	kept := done.Rules[:0]
	for _, r := range done.Rules {
		name := filepath.Join(c.Out, r.ID+".yaml")
		switch err := writeNew(name, r.YAML); {
		case errors.Is(err, fs.ErrExist):
			done.Refused = append(done.Refused, sigma.Refusal{
				File: r.File, Line: r.Line, Begins: r.Line, Title: r.Title, Reason: r.ID + ".yaml is there already and says something else",
			})
		case err != nil:
			return 0, fmt.Errorf("writing rule %s: %w", r.ID, err)
		default:
			kept = append(kept, r)
		}
	}
	done.Rules = kept
	return len(kept), nil
}

// writeNew writes a file. One that exists must hold the same.
func writeNew(name string, data []byte) error {
	err := createFile(name, data)
	if errors.Is(err, fs.ErrExist) {
		if old, readErr := os.ReadFile(name); readErr == nil && bytes.Equal(old, data) {
			return nil
		}
	}
	return err
}

// createFile writes a file that must not exist.
func createFile(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // rules are no secret
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// report says what became of each rule.
func (c *rulesImportSigmaCommand) report(s streams, done sigma.Import, written int) error {
	if written > 0 {
		rows := make([][]string, written)
		for i, r := range done.Rules {
			rows[i] = []string{r.ID, r.Kind, event.Printable(fmt.Sprintf("%s:%d", r.File, r.Line)), event.Printable(strings.Join(r.Notes, "; "))}
		}
		if err := table(s.out, []string{"RULE", "KIND", "FROM", "NOTE"}, rows); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(s.out)
	}
	if len(done.Refused) > 0 {
		rows := make([][]string, len(done.Refused))
		for i, r := range done.Refused {
			at := r.File
			if r.Line > 0 {
				at = fmt.Sprintf("%s:%d", r.File, r.Line)
			}
			rows[i] = []string{event.Printable(at), event.Printable(r.Title), event.Printable(r.Field), event.Printable(r.Reason)}
		}
		if err := table(s.out, []string{"NOT TRANSLATED", "TITLE", "FIELD", "WHY"}, rows); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(s.out)
	}
	_, err := fmt.Fprintf(s.out, "%s in %s, %d only within correlations, %d not translated.\n",
		counted(written, "rule"), event.Printable(c.Out), len(done.Inlined), refusedRules(done.Refused))
	if err == nil && written > 0 {
		_, err = fmt.Fprintln(s.out, "They have no tests yet: write for each one that finds and one that does not.")
	}
	return err
}

// refusedRules counts the rules that refusals are about. Those of one follow one another.
func refusedRules(refused []sigma.Refusal) int {
	n := 0
	for i, r := range refused {
		if i == 0 || r.File != refused[i-1].File || r.Begins != refused[i-1].Begins {
			n++
		}
	}
	return n
}
