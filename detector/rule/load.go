package rule

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Folder is a tree of rule files, and what to call it in errors.
type Folder struct {
	Name  string
	Files fs.FS
}

// Load reads and compiles the rules and lists of all folders together, all or nothing. A
// file under a folder named "lists" holds a list; every other *.yaml holds a rule. A
// folder without a rule or list is an error, since it was named for a reason. The error
// joins every problem found: what can be read is compiled though other files cannot be.
func Load(folders ...Folder) (*Set, error) {
	var rules []*Rule
	var lists []*List
	var problems []error
	for _, folder := range folders {
		r, l, err := read(folder)
		rules, lists = append(rules, r...), append(lists, l...)
		if err != nil {
			problems = append(problems, err)
		}
	}
	set, err := Compile(rules, lists)
	if err := errors.Join(append(problems, err)...); err != nil {
		return nil, err
	}
	return set, nil
}

func read(folder Folder) (rules []*Rule, lists []*List, err error) {
	var problems []error
	walkErr := fs.WalkDir(folder.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("reading %s: %w", path.Join(folder.Name, name), err)
		}
		if entry.IsDir() || !isYAML(name) {
			return nil
		}
		data, err := fs.ReadFile(folder.Files, name)
		if err != nil {
			return fmt.Errorf("reading %s: %w", path.Join(folder.Name, name), err)
		}
		file := path.Join(folder.Name, name)
		if path.Base(path.Dir(name)) == "lists" {
			l, err := ParseList(file, data)
			if err != nil {
				problems = append(problems, err)
				return nil
			}
			lists = append(lists, l)
			return nil
		}
		r, err := Parse(file, data)
		if err != nil {
			problems = append(problems, err)
		}
		if r != nil {
			rules = append(rules, r)
		}
		return nil
	})
	if walkErr != nil {
		problems = append(problems, walkErr)
	}
	if len(rules) == 0 && len(lists) == 0 && len(problems) == 0 {
		problems = append(problems, &Error{File: folder.Name, Reason: "no rule file (*.yaml) in it"})
	}
	return rules, lists, errors.Join(problems...)
}

func isYAML(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}
