package control

import (
	"context"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"time"

	"github.com/mcpwatch/mcpwatch/detector/rule"
)

// watchEvery is how often folders are looked at. Asking is the one way that works on every file
// system, also where a folder is exchanged by its link, as Kubernetes does.
const watchEvery = 2 * time.Second

// Watch reloads when a file of this process's folders has changed, and at each signal, until ctx
// ends. Files that are being written are left alone until they rest.
func (c *Control) Watch(ctx context.Context, signals <-chan os.Signal) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	loaded := c.loaded
	last := loaded
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			loaded = fingerprint(c.o.Folders)
		case <-ticker.C:
			before := last
			last = fingerprint(c.o.Folders)
			if last == loaded || last != before {
				continue
			}
			loaded = last
		}
		_, _ = c.Reload(ctx) // which has logged its error
	}
}

// fingerprint changes with the names, sizes and times of the files.
func fingerprint(folders []rule.Folder) uint64 {
	h := fnv.New64a()
	for _, f := range folders {
		err := f.Walk(func(name string) error {
			info, err := fs.Stat(f.Files, name) // what a link points at
			if err == nil {
				_, _ = fmt.Fprintf(h, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
			}
			return err
		})
		if err != nil {
			_, _ = fmt.Fprintf(h, "%v\n", err)
		}
	}
	return h.Sum64()
}
