package clickhouse

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Version is the engine library this package is written for. The C interface it binds changed between releases,
// and "-stable.1" is a pre-release in semantic versioning, so it is pinned exactly and never resolved from a range.
const Version = "26.7.3-stable.1"

// The pinned library, byte for byte. Size is compared first because it is free and finds every cut-off download.
const (
	librarySize   = 566330096
	librarySHA256 = "36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5"
)

// ErrNoLibrary is returned, wrapped with the path and the mend, when the engine library isn't installed.
var ErrNoLibrary = errors.New("the ClickHouse engine is not installed")

// ErrDamagedLibrary is returned, wrapped with the path and the mend, when the engine library is not the pinned one.
var ErrDamagedLibrary = errors.New("the ClickHouse engine is damaged")

// DefaultLibrary returns where engine/install.sh puts the engine library: below the user's cache directory, with
// the version in the path so that two versions of mcpwatch don't fight over one file.
func DefaultLibrary() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache directory of the ClickHouse engine: %w", err)
	}
	return filepath.Join(cache, "mcpwatch", "engine", Version,
		"node_modules", "@chdb", "lib-linux-x64-gnu", "libchdb.so"), nil
}

// VerifyLibrary reports whether path is the pinned engine library, bit for bit. The engine runs with the rights of
// mcpwatch, so anything else is refused. Reading 566 MB costs about half a second and warms the page cache for the
// loading that follows.
func VerifyLibrary(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s does not exist: run `make engine`", ErrNoLibrary, path)
	}
	if err != nil {
		return fmt.Errorf("opening the ClickHouse engine: %w", err)
	}
	defer f.Close()

	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("reading the ClickHouse engine: %w", err)
	}
	if st.Size() != librarySize {
		return fmt.Errorf("%w: %s has %d bytes instead of %d: run `make engine`",
			ErrDamagedLibrary, path, st.Size(), librarySize)
	}

	sum := sha256.New()
	// The struct hides the file's WriteTo, which would fall back to a 32 KiB buffer.
	if _, err := io.CopyBuffer(sum, struct{ io.Reader }{f}, make([]byte, 1<<20)); err != nil {
		return fmt.Errorf("reading the ClickHouse engine %s: %w", path, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != librarySHA256 {
		return fmt.Errorf("%w: %s has the checksum %s instead of %s: run `make engine`",
			ErrDamagedLibrary, path, got, librarySHA256)
	}
	return nil
}
