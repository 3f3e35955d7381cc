package rule

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/mcpwatch/mcpwatch/detector/baseline"
)

// Folder is a tree of rule files, and what to call it in errors.
type Folder struct {
	Name  string
	Files fs.FS
}

// Walk calls do with the path of each file that Load reads, in their order. Folders whose name
// begins with a dot are left out: Kubernetes keeps what it links to in such.
func (f Folder) Walk(do func(name string) error) error {
	return f.walk(func(name string, _ fs.DirEntry) error {
		if holdingOf(name) == nothing {
			return nil
		}
		return do(name)
	})
}

func (f Folder) walk(do func(name string, entry fs.DirEntry) error) error {
	return fs.WalkDir(f.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
		case entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case !entry.IsDir():
			err = do(name, entry)
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", path.Join(f.Name, name), err)
		}
		return nil
	})
}

// Unread names the files in folders that Load passes over, and says why: README files and hidden
// ones aside, an author may have meant each to be read.
func Unread(folders ...Folder) []*Error {
	var all []*Error
	for _, f := range folders {
		_ = f.walk(func(name string, entry fs.DirEntry) error { // what cannot be read is an error of Load
			base, reason := path.Base(name), "is not read: rules, lists, exceptions and overrides are .yaml files"
			switch info, err := fs.Stat(f.Files, name); {
			case holdingOf(name) != nothing || strings.HasPrefix(base, ".") || strings.HasPrefix(strings.ToUpper(base), "README"):
				return nil
			case err == nil && info.IsDir() && entry.Type()&fs.ModeSymlink != 0:
				reason = "is not read: it is a link to a folder; give that folder a --rules of its own"
			case isIndicators(name):
				reason = "is not read: indicators lie in a folder named lists"
			}
			all = append(all, &Error{File: path.Join(f.Name, name), Reason: reason})
			return nil
		})
	}
	return all
}

// Loader is what loading needs beside the files.
type Loader struct {
	// Baselines are the methods that anomaly rules can name.
	Baselines []baseline.Method
}

// Load is Loader.Load where no rule can be an anomaly rule.
func Load(folders ...Folder) (*Set, error) { return Loader{}.Load(folders...) }

// Load reads and compiles the files of all folders together, all or nothing. A YAML file anywhere
// under a folder named "lists" holds a list, a .txt or .csv file there indicators; one under
// "exceptions" holds an exception, one under "overrides" an override; every other YAML file holds a
// rule. Unread names what else there is. A folder without any is an error, since it was named for a
// reason. The error joins every problem found: what can be read is compiled though other files
// cannot be.
func (l Loader) Load(folders ...Folder) (*Set, error) {
	var all files
	for _, folder := range folders {
		all.read(folder)
	}
	set, err := l.Compile(all.rules, all.lists, all.exceptions, all.overrides...)
	if err := errors.Join(append(all.problems, err)...); err != nil {
		return nil, err
	}
	return set, nil
}

// files is what folders hold, and what is wrong with them.
type files struct {
	rules      []*Rule
	lists      []*List
	exceptions []*Exception
	overrides  []*Override
	problems   []error
}

func (f *files) count() int {
	return len(f.rules) + len(f.lists) + len(f.exceptions) + len(f.overrides) + len(f.problems)
}

func (f *files) read(folder Folder) {
	before := f.count()
	err := folder.Walk(func(name string) error {
		data, err := fs.ReadFile(folder.Files, name)
		if err != nil {
			return err
		}
		f.parse(holdingOf(name), path.Join(folder.Name, name), data)
		return nil
	})
	if err != nil {
		f.problems = append(f.problems, err)
	}
	if f.count() == before {
		f.problems = append(f.problems, &Error{File: folder.Name, Reason: "no rule file (*.yaml) in it"})
	}
}

// parse reads one file.
func (f *files) parse(is holding, file string, data []byte) {
	switch is {
	case aRule:
		r, err := Parse(file, data)
		add(f, &f.rules, r, err)
	case aList:
		l, err := ParseList(file, data)
		add(f, &f.lists, l, err)
	case indicators:
		base := path.Base(file)
		l, err := ParseIndicators(file, strings.TrimSuffix(base, path.Ext(base)), data)
		add(f, &f.lists, l, err)
	case anException:
		x, err := ParseException(file, data)
		add(f, &f.exceptions, x, err)
	case anOverride:
		o, err := ParseOverride(file, data)
		add(f, &f.overrides, o, err)
	case nothing:
	}
}

// add keeps what could be read, beside what is wrong with it.
func add[T any](f *files, to *[]*T, read *T, err error) {
	if read != nil {
		*to = append(*to, read)
	}
	if err != nil {
		f.problems = append(f.problems, err)
	}
}

// holding is what a file holds.
type holding int

const (
	nothing holding = iota
	aRule
	aList
	indicators
	anException
	anOverride
)

// holdingOf says what a file holds by its extension and the nearest folder above it that says so.
func holdingOf(name string) holding {
	folders := strings.Split(path.Dir(name), "/")
	for _, folder := range slices.Backward(folders) {
		switch {
		case folder == "lists" && isIndicators(name):
			return indicators
		case !isYAML(name):
		case folder == "lists":
			return aList
		case folder == "exceptions":
			return anException
		case folder == "overrides":
			return anOverride
		}
	}
	if isYAML(name) {
		return aRule
	}
	return nothing
}

func isYAML(name string) bool { return hasExtension(name, ".yaml", ".yml") }

func isIndicators(name string) bool { return hasExtension(name, ".txt", ".csv") }

func hasExtension(name string, any ...string) bool {
	return slices.Contains(any, strings.ToLower(path.Ext(name)))
}
