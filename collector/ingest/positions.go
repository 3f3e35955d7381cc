package ingest

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// chain is a digest of a file's records up to some place.
type chain [16]byte

// next is the chain after one more record.
func (c chain) next(record []byte) chain {
	h := sha256.New()
	h.Write(c[:])
	h.Write(record)
	return chain(h.Sum(nil)[:len(c)])
}

// key names the last record: 26 letters and digits.
func (c chain) key() string { return text(c[:]) }

func text(digest []byte) string {
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(digest))
}

// position is how far a file was sent.
type position struct {
	// Offset is where cutting goes on, in bytes of the file as it is uncompressed, and Chain that
	// of the records before it.
	Offset int64 `json:"offset"`
	Chain  chain `json:"chain"`
	// Tail is a digest of the last bytes before Offset: where they are others, the file is.
	Tail string `json:"tail"`
	// Path is where the file was when it was found.
	Path string `json:"path"`
}

// positions remembers the positions of files by their fingerprints, in a folder with a file for
// each. Two runs that send the same file at once do no harm: a position that is lost or too early
// costs sending again.
type positions struct{ folder string }

// Bounds of what is remembered. What is forgotten is sent again, to the same ids.
const (
	maxFingerprints = 10_000
	maxAlike        = 256 // files of one fingerprint
)

func openPositions(folder string) (*positions, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("opening the remembered positions: %w", err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("opening the remembered positions: %w", err)
	}
	if over := len(entries) - maxFingerprints; over > 0 {
		age := func(e os.DirEntry) int64 {
			info, err := e.Info()
			if err != nil {
				return 0
			}
			return info.ModTime().UnixNano()
		}
		slices.SortFunc(entries, func(a, b os.DirEntry) int { return cmp.Compare(age(a), age(b)) })
		for _, e := range entries[:over] {
			_ = os.Remove(filepath.Join(folder, e.Name()))
		}
	}
	return &positions{folder}, nil
}

func (p *positions) path(fingerprint string) string {
	return filepath.Join(p.folder, fingerprint+".json")
}

// of lists the positions of a fingerprint, the newest first. What cannot be read is as if it had
// never been written.
func (p *positions) of(fingerprint string) []position {
	data, err := os.ReadFile(p.path(fingerprint))
	if err != nil {
		return nil
	}
	var all []position
	if json.Unmarshal(data, &all) != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(q position) bool { return q.Offset <= 0 || q.Tail == "" })
}

// save remembers a position in place of an earlier one of the same file. When it returns, the
// position outlives a crash.
func (p *positions) save(fingerprint string, before, now position) error {
	all := slices.DeleteFunc(p.of(fingerprint), func(q position) bool { return q == before || q == now })
	all = slices.Insert(all, 0, now)
	data, err := json.Marshal(all[:min(len(all), maxAlike)])
	if err != nil {
		return fmt.Errorf("encoding a position: %w", err)
	}
	if err := replace(p.path(fingerprint), data); err != nil {
		return fmt.Errorf("remembering a position: %w", err)
	}
	return nil
}

// replace writes a file anew, in one step.
func replace(path string, data []byte) error {
	next, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = next.Write(data)
	err = errors.Join(err, next.Sync(), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		_ = os.Remove(next.Name())
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	_ = folder.Sync() // not every system can
	return nil
}
