package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/collector/ingest"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/tlsfiles"
)

type ingestCommand struct {
	shipFlags
	Format format.Format `short:"f" help:"Format of the records; found for each where not given. mcpwatch rules coverage lists them." placeholder:"FORMAT"`
	Follow bool          `help:"Read on as files grow, are rotated and are made, until Ctrl-C."`
	Target []string      `arg:"" name:"file" help:"Files, folders, or - for standard input; gzip and zstd are read."`
}

// Run implements the command.
func (c *ingestCommand) Run(ctx context.Context, s streams) error {
	o := ingest.DefaultOptions()
	o.Targets, o.Format, o.Follow, o.Target, o.Positions = c.Target, c.Format, c.Follow, c.target, c.positions()
	if c.Follow && slices.Contains(c.Target, "-") {
		return &exitError{code: exitUsage, err: errors.New("ingest: standard input is read as it comes: leave --follow out")}
	}
	var err error
	if o.TLS, err = tlsfiles.Client(c.CA, c.ClientCert, c.ClientKey); err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	if slices.Contains(c.Target, "-") {
		o.In = until(ctx, s.in)
	}
	waiting := ""
	o.Waiting = func(err error) {
		if text := err.Error(); text != waiting {
			waiting = text
			_, _ = fmt.Fprintf(s.err, "mcpwatch: %s: trying again\n", event.Printable(text))
		}
	}
	bar := newBar(s.err, c.Follow)
	o.Progress = bar.progress
	result, err := ingest.Run(ctx, o)
	bar.end()
	if err == nil || result.Files > 0 {
		_, _ = fmt.Fprintln(s.out, summary(result))
	}
	return err
}

// positionsDir is where files' positions are, beside the spools.
const positionsDir = "positions"

// positions is a folder for each collector: what one has is new to another.
func (c *shipFlags) positions() string {
	name := "local"
	if c.Collector != "" {
		digest := sha256.Sum256([]byte(c.Collector))
		name = hex.EncodeToString(digest[:8])
	}
	return filepath.Join(c.Data, spoolDir, positionsDir, name)
}

// until is a reader that ends with ctx, whatever it waits for.
func until(ctx context.Context, in io.Reader) io.Reader {
	out, pipe := io.Pipe()
	go func() {
		_, err := io.CopyBuffer(pipe, struct{ io.Reader }{in}, make([]byte, 1<<20))
		_ = pipe.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { _ = pipe.CloseWithError(ctx.Err()) })
	return out
}

// summary says in a line what became of the files.
func summary(r ingest.Result) string {
	line := fmt.Sprintf("%s: %s, %s, %d refused", counted(r.Files, "file"), counted(r.Records, "record"), counted(r.Events, "event"), r.Refused)
	if len(r.Reasons) > 0 {
		reasons := slices.Clone(r.Reasons)
		for i := range reasons {
			reasons[i] = event.Printable(reasons[i])
		}
		slices.Sort(reasons)
		line += " (" + strings.Join(slices.Compact(reasons), "; ") + ")"
	}
	if r.Before > 0 {
		line += fmt.Sprintf(", %d bytes sent before", r.Before)
	}
	if r.Skipped > 0 {
		line += fmt.Sprintf(", %s skipped: no text", counted(r.Skipped, "file"))
	}
	return line
}

// bar shows progress where a person looks.
type bar struct{ shown *progressbar.ProgressBar }

func newBar(out io.Writer, follow bool) *bar {
	if follow || !isTerminal(out) {
		return &bar{}
	}
	return &bar{progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(out), progressbar.OptionShowBytes(true), progressbar.OptionSetDescription("sending"),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
	)}
}

func (b *bar) progress(done, total int64) {
	if b.shown == nil || total <= 0 {
		return
	}
	b.shown.ChangeMax64(total)
	_ = b.shown.Set64(done)
}

func (b *bar) end() {
	if b.shown != nil {
		_ = b.shown.Finish()
	}
}
