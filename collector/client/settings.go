package client

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mcpwatch/mcpwatch/internal/jsonedit"
)

// Change is a file and what was, or would be, changed in it.
type Change struct {
	File string
	// Diff is the lines that differ, with - and +.
	Diff string
}

// backupSuffix names the copy of a file before we changed it.
const backupSuffix = ".mcpwatch-backup"

// settings is a file that is changed whole or not at all.
type settings struct {
	path, real string // as it is named, and where it lies if that is a link
	text, now  []byte
	missing    bool
}

// openSettings reads a file; that it is not there is no error.
func openSettings(path string) (*settings, error) {
	f := &settings{path: path, real: path}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		f.real = real
	}
	text, err := readFile(f.real)
	if errors.Is(err, fs.ErrNotExist) {
		f.missing, err = true, nil
	}
	f.text, f.now = text, text
	return f, err
}

func (f *settings) changed() bool { return !bytes.Equal(f.text, f.now) }

// change rewrites the file. Where remove finds nothing of ours in it, a copy is put beside it first.
func (f *settings) change(how, remove func([]byte) ([]byte, error), dry bool) error {
	now, err := how(f.text)
	if err != nil {
		return err
	}
	if _, err := jsonedit.Parse(now); err != nil {
		return fmt.Errorf("what it would become is no JSON: %w", err)
	}
	f.now = now
	if dry || !f.changed() {
		return nil
	}
	if without, err := remove(f.text); !f.missing && err == nil && bytes.Equal(without, f.text) {
		if err := f.write(f.real+backupSuffix, f.text); err != nil {
			return err
		}
	}
	return f.replace()
}

// undo takes our part out again. Where doing it again to the copy gives what is there now, the copy
// is what it was.
func (f *settings) undo(remove, again func([]byte) ([]byte, error), dry bool) error {
	now, err := remove(f.text)
	if err != nil {
		return err
	}
	if bytes.Equal(now, f.text) {
		return nil
	}
	if backup, err := readFile(f.real + backupSuffix); err == nil {
		if done, err := again(backup); err == nil && bytes.Equal(done, f.text) {
			now = backup
		}
	}
	f.now = now
	if dry {
		return nil
	}
	return f.replace()
}

// replace writes the file, unless somebody else did meanwhile.
func (f *settings) replace() error {
	there, err := readFile(f.real)
	if err != nil && !errors.Is(err, fs.ErrNotExist) || !bytes.Equal(there, f.text) {
		return errors.New("somebody else has changed it meanwhile")
	}
	return f.write(f.real, f.now)
}

// write puts a file in its place at once, with the mode of the settings.
func (f *settings) write(path string, text []byte) error {
	mode := os.FileMode(0o600)
	if info, err := os.Stat(f.real); err == nil {
		mode = info.Mode().Perm()
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	made, err := os.CreateTemp(filepath.Dir(path), ".mcpwatch-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(made.Name()) }()
	_, err = made.Write(text)
	if err := errors.Join(err, made.Chmod(mode), made.Sync(), made.Close()); err != nil {
		return err
	}
	return os.Rename(made.Name(), path)
}

// asChange shows the lines between the first and the last that differ.
func (f *settings) asChange() Change {
	before, now := strings.SplitAfter(string(f.text), "\n"), strings.SplitAfter(string(f.now), "\n")
	for len(before) > 0 && len(now) > 0 && before[0] == now[0] {
		before, now = before[1:], now[1:]
	}
	for len(before) > 0 && len(now) > 0 && before[len(before)-1] == now[len(now)-1] {
		before, now = before[:len(before)-1], now[:len(now)-1]
	}
	var b strings.Builder
	for _, side := range []struct {
		sign  string
		lines []string
	}{{"-", before}, {"+", now}} {
		for _, line := range side.lines {
			if line != "" {
				b.WriteString(side.sign + strings.TrimRight(line, "\r\n") + "\n")
			}
		}
	}
	return Change{File: f.path, Diff: b.String()}
}
