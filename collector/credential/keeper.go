package credential

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// reloadEvery is how often the file is looked at. Asking sees what notification does not: network
// file systems, and folders whose link Kubernetes exchanges.
const reloadEvery = 2 * time.Second

// Keeper keeps the set of a file up to date. It is safe for concurrent use.
type Keeper struct {
	path    string
	now     func() time.Time
	data    []byte // that was read last
	problem error  // with it
	set     atomic.Pointer[Set]
	refused atomic.Bool
}

// Fixed is a keeper of one set for ever.
func Fixed(set *Set) *Keeper {
	k := new(Keeper)
	k.set.Store(set)
	return k
}

// Open reads a file for the first time. Later it may become empty, as when its last token is revoked.
func Open(path string, now func() time.Time) (*Keeper, error) {
	k := &Keeper{path: path, now: now}
	if _, err := k.reload(); err != nil {
		return nil, err
	}
	if k.Set().empty() {
		return nil, fmt.Errorf("%s: no credential in it: nobody could send anything; make one by: mcpwatch token new", path)
	}
	return k, nil
}

// Set is the one in force.
func (k *Keeper) Set() *Set { return k.set.Load() }

// Refused reports whether the file as it is now could not be read: the set before is in force.
func (k *Keeper) Refused() bool { return k.refused.Load() }

// reload reads the file, and reports whether it has changed since.
func (k *Keeper) reload() (changed bool, err error) {
	data, err := os.ReadFile(k.path)
	if err != nil {
		return false, fmt.Errorf("reading credentials: %w", err)
	}
	if k.data != nil && bytes.Equal(data, k.data) {
		return false, k.problem
	}
	var set *Set
	k.data = data
	if set, k.problem = Parse(k.path, data, k.now); k.problem == nil {
		k.set.Store(set)
	}
	return true, k.problem
}

// Follow takes the file anew when it changes, and at a hangup, until ctx ends. What cannot be
// read leaves the set before in force.
func (k *Keeper) Follow(ctx context.Context, hangups <-chan os.Signal, log zerolog.Logger) {
	ticker := time.NewTicker(reloadEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		case <-ticker.C:
		}
		changed, err := k.reload()
		switch {
		case err != nil && (changed || !k.refused.Load()):
			log.Error().Err(err).Msg("the credentials are not taken; those before stay in force")
		case changed:
			log.Info().Str("file", k.path).Bool("empty", k.Set().empty()).Msg("the credentials have changed")
		}
		k.refused.Store(err != nil)
	}
}
