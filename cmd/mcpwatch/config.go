package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// configuration reads flags from a YAML file: a flag stands under its command, or at the
// top for every command that has it.
//
//	kafka: [kafka-1:9092, kafka-2:9092]
//	collector:
//	  listen: 0.0.0.0:7400
//
// A key that no command has is an error with its line.
type configuration struct {
	path   string
	values map[string]any
	lines  map[string]int
	err    error // what kept the file from being read
}

// readConfiguration reads a file; "" is none. What is wrong with it is for Validate to
// say, so that a broken file leaves --help working.
func readConfiguration(path string) *configuration {
	c := &configuration{path: path, values: map[string]any{}, lines: map[string]int{}}
	if path == "" {
		return c
	}
	data, err := os.ReadFile(path)
	if err != nil {
		c.err = fmt.Errorf("reading the configuration: %w", err)
		return c
	}
	c.err = c.read(data)
	return c
}

// configPath finds --config before the flags are parsed, since the file is read first;
// without it, MCPWATCH_CONFIG, and then mcpwatch.yaml in the user's configuration folder
// where there is one. The current folder is not looked into: agents start taps in folders
// that others write.
func configPath(args []string) string {
	for i, a := range args {
		if a == "--" {
			break
		}
		if value, found := strings.CutPrefix(a, "--config="); found {
			return value
		}
		if a == "--config" && i+1 < len(args) {
			return args[i+1]
		}
	}
	if path := os.Getenv("MCPWATCH_CONFIG"); path != "" {
		return path
	}
	folder, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	path := filepath.Join(folder, "mcpwatch", "mcpwatch.yaml")
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// Validate implements kong.Resolver: it refuses what no flag takes. Kong calls it after
// Resolve.
func (c *configuration) Validate(app *kong.Application) error {
	if c.err != nil {
		return c.err
	}
	known := knownKeys(app)
	var problems []error
	for key, line := range c.lines {
		if !slices.Contains(known, key) {
			problems = append(problems, fmt.Errorf("%s:%d: unknown key %q", c.path, line, key))
		}
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
}

// Resolve implements kong.Resolver. The environment comes before the file, which kong
// would have the other way round.
func (c *configuration) Resolve(_ *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	for _, variable := range flag.Envs {
		if _, set := os.LookupEnv(variable); set {
			return nil, nil //nolint:nilnil // kong's way to say that there is no value
		}
	}
	if command := parent.Command; command != nil {
		if value, found := c.values[nameOfCommand(command)+"."+flag.Name]; found {
			return value, nil
		}
	}
	if value, found := c.values[flag.Name]; found {
		return value, nil
	}
	return nil, nil //nolint:nilnil // kong's way to say that there is no value
}

func (c *configuration) read(data []byte) error {
	file, err := parser.ParseBytes(data, 0)
	var located yaml.Error
	switch {
	case errors.As(err, &located) && located.GetToken() != nil && located.GetToken().Position != nil:
		return fmt.Errorf("%s:%d: %s", c.path, located.GetToken().Position.Line, located.GetMessage())
	case err != nil:
		return fmt.Errorf("%s: %s", c.path, yaml.FormatError(err, false, false))
	}
	for _, document := range file.Docs {
		if document.Body == nil {
			continue
		}
		if err := c.readMapping("", document.Body); err != nil {
			return err
		}
	}
	return nil
}

func (c *configuration) readMapping(prefix string, node ast.Node) error {
	var members []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		members = n.Values
	case *ast.MappingValueNode:
		members = []*ast.MappingValueNode{n}
	default:
		return fmt.Errorf("%s:%d: must be keys and values", c.path, node.GetToken().Position.Line)
	}
	for _, member := range members {
		key := prefix + member.Key.String()
		switch member.Value.(type) {
		case *ast.MappingNode, *ast.MappingValueNode:
			if prefix == "" {
				if err := c.readMapping(key+".", member.Value); err != nil {
					return err
				}
				continue
			}
		}
		var value any
		if err := yaml.NodeToValue(member.Value, &value); err != nil {
			return fmt.Errorf("%s:%d: %s", c.path, member.Key.GetToken().Position.Line, yaml.FormatError(err, false, false))
		}
		c.values[key] = value
		c.lines[key] = member.Key.GetToken().Position.Line
	}
	return nil
}

// nameOfCommand is what a command goes by: a group's default goes by the group's name.
func nameOfCommand(node *kong.Node) string {
	if node.Tag != nil && node.Tag.Default != "" && node.Parent != nil {
		return node.Parent.Name
	}
	return node.Name
}

// knownKeys lists every FLAG and COMMAND.FLAG.
func knownKeys(app *kong.Application) []string {
	var keys []string
	var walk func(node *kong.Node)
	walk = func(node *kong.Node) {
		for _, flag := range node.Flags {
			keys = append(keys, flag.Name)
			if node.Type == kong.CommandNode {
				keys = append(keys, nameOfCommand(node)+"."+flag.Name)
			}
		}
		for _, child := range node.Children {
			walk(child)
		}
	}
	walk(app.Node)
	return keys
}
