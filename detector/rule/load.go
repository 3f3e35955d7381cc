package rule

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
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
	return fs.WalkDir(f.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
		case entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case !entry.IsDir() && isOurs(name):
			err = do(name)
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", path.Join(f.Name, name), err)
		}
		return nil
	})
}

// Loader is what loading needs beside the files.
type Loader struct {
	// Baselines are the methods that anomaly rules can name.
	Baselines []baseline.Method
}

// Load is Loader.Load where no rule can be an anomaly rule.
func Load(folders ...Folder) (*Set, error) { return Loader{}.Load(folders...) }

// Load reads and compiles the files of all folders together, all or nothing. A YAML file under a
// folder named "lists" holds a list, a .txt or .csv file there indicators; one under
// "exceptions" holds an exception; every other *.yaml holds a rule. A folder without any is an
// error, since it was named for a reason. The error joins every problem found: what can be read
// is compiled though other files cannot be.
func (l Loader) Load(folders ...Folder) (*Set, error) {
	var all files
	for _, folder := range folders {
		all.read(folder)
	}
	set, err := l.Compile(all.rules, all.lists, all.exceptions)
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
	problems   []error
}

func (f *files) count() int { return len(f.rules) + len(f.lists) + len(f.exceptions) + len(f.problems) }

func (f *files) read(folder Folder) {
	before := f.count()
	err := folder.Walk(func(name string) error {
		data, err := fs.ReadFile(folder.Files, name)
		if err != nil {
			return err
		}
		f.parse(path.Join(folder.Name, name), data)
		return nil
	})
	if err != nil {
		f.problems = append(f.problems, err)
	}
	if f.count() == before {
		f.problems = append(f.problems, &Error{File: folder.Name, Reason: "no rule file (*.yaml) in it"})
	}
}

// parse reads one file by where it lies.
func (f *files) parse(file string, data []byte) {
	within, base := path.Base(path.Dir(file)), path.Base(file)
	switch {
	case within == "lists" && !isYAML(file):
		l, err := ParseIndicators(file, strings.TrimSuffix(base, path.Ext(base)), data)
		add(f, &f.lists, l, err)
	case within == "lists":
		l, err := ParseList(file, data)
		add(f, &f.lists, l, err)
	case within == "exceptions":
		x, err := ParseException(file, data)
		add(f, &f.exceptions, x, err)
	default:
		r, err := Parse(file, data)
		add(f, &f.rules, r, err)
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

func isYAML(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

// isOurs reports whether a file is read at all.
func isOurs(name string) bool {
	indicators := strings.HasSuffix(name, ".txt") || strings.HasSuffix(name, ".csv")
	return isYAML(name) || indicators && path.Base(path.Dir(name)) == "lists"
}
