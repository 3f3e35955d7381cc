package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// dataDir is the directory that holds all that an `up` keeps.
type dataDir struct {
	path string
	lock *os.File
}

// format of the directory; another one is refused.
const dataFormat = "mcpwatch data 1\n"

const (
	markerFile  = "FORMAT"
	lockFile    = "lock"
	addressFile = "run.json"
	tokenFile   = "token"
	secretFile  = "webhook-secret"
)

// defaultDataDir is where `up` keeps its data and client commands look for it.
func defaultDataDir() string {
	base := os.Getenv("XDG_DATA_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "mcpwatch-data"
		}
		base = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(base, "mcpwatch")
}

// openDataDir makes or takes over a directory, for this process alone.
func openDataDir(path string) (*dataDir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening the data directory: %w", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("opening the data directory: %w", err)
	}
	if err := checkOwn(path); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the data directory: %w", err)
	}
	d := &dataDir{path: path, lock: lock}
	if err := d.take(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return d, nil
}

// lockPatience is how long a lock may be held by a client command that only looks.
const lockPatience = time.Second

// take locks the directory, marks it as ours, and removes what a killed owner left of its
// addresses: another program may listen there now.
func (d *dataDir) take() error {
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(20 * time.Millisecond) {
		err := tryLock(d.lock, false)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the data directory %s is in use by another mcpwatch: stop it, or give another with --data", d.path)
		}
	}
	if err := os.Remove(d.join(addressFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the addresses of a former run: %w", err)
	}
	if _, err := os.Stat(d.join(markerFile)); errors.Is(err, os.ErrNotExist) {
		if err := writeFile(d.join(markerFile), []byte(dataFormat)); err != nil {
			return fmt.Errorf("marking the data directory: %w", err)
		}
	}
	return nil
}

// checkOwn refuses a directory that holds something and is not ours.
func checkOwn(path string) error {
	marker, err := os.ReadFile(filepath.Join(path, markerFile))
	if errors.Is(err, os.ErrNotExist) {
		entries, err := os.ReadDir(path)
		if err != nil {
			return fmt.Errorf("opening the data directory: %w", err)
		}
		for _, e := range entries {
			if e.Name() != lockFile && e.Name() != spoolDir && e.Name() != markerFile+".new" {
				return fmt.Errorf("%s is not a data directory of mcpwatch (it holds %s): give another with --data", path, e.Name())
			}
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening the data directory: %w", err)
	}
	if string(marker) != dataFormat {
		return fmt.Errorf("the data directory %s has the format %q, this mcpwatch writes %q: use the version that made it", path,
			strings.TrimSpace(string(marker)), strings.TrimSpace(dataFormat))
	}
	return nil
}

// Close lets others have the directory.
func (d *dataDir) Close() {
	_ = os.Remove(filepath.Join(d.path, addressFile))
	_ = d.lock.Close()
}

func (d *dataDir) join(name string) string { return filepath.Join(d.path, name) }

// secret reads a secret that the directory keeps, or makes it.
func (d *dataDir) secret(name string, generate func() string) (string, error) {
	data, err := os.ReadFile(d.join(name))
	if err == nil && len(strings.TrimSpace(string(data))) > 0 {
		return strings.TrimSpace(string(data)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	secret := generate()
	if err := writeFile(d.join(name), []byte(secret+"\n")); err != nil {
		return "", fmt.Errorf("keeping %s: %w", name, err)
	}
	return secret, nil
}

// running is what an `up` tells client commands, in a file that only its user can read.
type running struct {
	Collector  string `json:"collector"`
	Kafka      string `json:"kafka"`
	ClickHouse string `json:"clickhouse"`
	NATS       string `json:"nats"`
	Token      string `json:"token"`
}

func (d *dataDir) announce(r running) error {
	data, err := json.Marshal(r, jsontext.Multiline(true))
	if err != nil {
		return fmt.Errorf("writing the addresses: %w", err)
	}
	return writeFile(d.join(addressFile), append(data, '\n'))
}

// findRunning reads where the `up` of a data directory is. A directory that nobody holds
// the lock of has none, whatever a killed one left in it.
func findRunning(dir string) (running, error) {
	none := fmt.Errorf("no mcpwatch is up with its data in %s: start it with `mcpwatch up`, or give an address", dir)
	lock, err := os.Open(filepath.Join(dir, lockFile))
	if errors.Is(err, os.ErrNotExist) {
		return running{}, none
	}
	if err != nil {
		return running{}, fmt.Errorf("looking for a running mcpwatch: %w", err)
	}
	defer lock.Close()
	if tryLock(lock, true) == nil {
		return running{}, none
	}
	data, err := os.ReadFile(filepath.Join(dir, addressFile))
	if errors.Is(err, os.ErrNotExist) {
		return running{}, none
	}
	if err != nil {
		return running{}, fmt.Errorf("looking for a running mcpwatch: %w", err)
	}
	var r running
	if err := json.Unmarshal(data, &r); err != nil {
		return running{}, fmt.Errorf("reading %s: %w", filepath.Join(dir, addressFile), err)
	}
	return r, nil
}

// writeFile replaces a file at once, readable by its owner alone.
func writeFile(path string, data []byte) error {
	next := path + ".new"
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}
