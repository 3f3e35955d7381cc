package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mcpwatch/mcpwatch/collector"
	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/collector/deadletter"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

type deadLettersCommand struct {
	Key     deadLettersKeyCommand     `cmd:"" help:"Make a key: write the private one to a file, print the public one."`
	List    deadLettersListCommand    `cmd:"" help:"List what collectors refused, and what became of it."`
	Show    deadLettersShowCommand    `cmd:"" help:"Show the bytes of a dead letter."`
	Redrive deadLettersRedriveCommand `cmd:"" help:"Take dead letters in again, once whatever refused them is mended."`
}

type deadLettersKeyCommand struct {
	File string `arg:"" help:"Where the private key goes; no file is written over." type:"path"`
}

// Run implements the command.
func (c *deadLettersKeyCommand) Run(s streams) error {
	text, err := deadletter.NewKeyText()
	if err != nil {
		return err
	}
	opener, err := deadletter.ParseOpener(text)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.File, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keeping the key: %w", err)
	}
	_, err = f.WriteString(text + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keeping the key: %w", err)
	}
	_, err = fmt.Fprintln(s.out, opener.Recipient())
	return err
}

// letterFlags say where dead letters lie.
type letterFlags struct {
	Data  string   `help:"Data directory of a running up." default:"${data}" type:"path" placeholder:"DIR"`
	Kafka []string `help:"Kafka brokers in place of a local up, host:port." placeholder:"HOST:PORT"`
}

// open gives a client of Kafka, and a reader of what lies there.
func (f letterFlags) open(ctx context.Context) (*kafka.Client, *deadletter.Reader, error) {
	brokers := f.Kafka
	if len(brokers) == 0 {
		r, err := findRunning(f.Data)
		if err != nil {
			return nil, nil, err
		}
		brokers = []string{r.Kafka}
	}
	client, err := kafka.NewClient(brokers, "mcpwatch-deadletters")
	if err != nil {
		return nil, nil, err
	}
	producer, err := client.NewProducer(ctx, kafka.DeadLetters)
	if err != nil {
		client.Close()
		return nil, nil, err
	}
	defer producer.Close()
	return client, &deadletter.Reader{Client: client, Partitions: producer.Partitions()}, nil
}

// unsealFlags say who can read them.
type unsealFlags struct {
	letterFlags
	KeyFile string `help:"Private key of dead letters; that of the local up where not given." type:"existingfile" placeholder:"FILE"`
}

func (f unsealFlags) opener() (*deadletter.Opener, error) {
	file := f.KeyFile
	if file == "" {
		if len(f.Kafka) > 0 {
			return nil, &exitError{code: exitUsage, err: errors.New("--kafka is given without --key-file")}
		}
		file = filepath.Join(f.Data, deadLetterKeyFile)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the key of dead letters: %w", err)
	}
	opener, err := deadletter.ParseOpener(string(text))
	if err != nil {
		return nil, fmt.Errorf("reading the key of dead letters: %s %w", file, err)
	}
	return opener, nil
}

type deadLettersListCommand struct {
	letterFlags
	Since  time.Duration `help:"How far back, by when they came; without it, all there are." placeholder:"DURATION"`
	Reason string        `help:"Only those whose reason or field holds this text."`
	State  string        `help:"Only those that are kept, redriven or refused_again." enum:",kept,redriven,refused_again" default:""`
	Output string        `short:"o" help:"table or jsonl; a table on a terminal, else jsonl." enum:",table,jsonl" default:""`
}

// letterRow is a dead letter as it is listed.
type letterRow struct {
	ID       string    `json:"id"`
	Received time.Time `json:"received"`
	State    string    `json:"state"`
	Tenant   string    `json:"tenant"`
	Source   string    `json:"source"`
	Format   string    `json:"format,omitempty"`
	Field    string    `json:"field,omitempty"`
	Reason   string    `json:"reason"`
	At       time.Time `json:"at,omitzero"`
	Again    string    `json:"again,omitempty"`
}

// Run implements the command.
func (c *deadLettersListCommand) Run(ctx context.Context, s streams) error {
	client, reader, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	entries, err := reader.List(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(entries, func(a, b deadletter.Entry) int { return a.Received.Compare(b.Received) })
	var rows [][]string
	for _, e := range entries {
		if c.Since > 0 && e.Received.Before(time.Now().Add(-c.Since)) ||
			!strings.Contains(e.Field+" "+e.Letter.Reason, c.Reason) || c.State != "" && c.State != string(e.State) {
			continue
		}
		if outputFor(c.Output, s.out) == "table" {
			rows = append(rows, lineOf(e))
			continue
		}
		row := letterRow{
			e.ID, e.Received, string(e.State), e.Origin.Tenant, e.Origin.Source, e.Format, e.Field, e.Letter.Reason, time.Time{}, e.Change.Reason,
		}
		if e.State != deadletter.Kept {
			row.At = e.At
		}
		data, err := json.Marshal(row)
		if err != nil {
			return fmt.Errorf("listing dead letters: %w", err)
		}
		if _, err := fmt.Fprintf(s.out, "%s\n", data); err != nil {
			return err
		}
	}
	if outputFor(c.Output, s.out) == "table" {
		return table(s.out, []string{"ID", "RECEIVED", "STATE", "TENANT", "SOURCE", "FORMAT", "REASON"}, rows)
	}
	return nil
}

func lineOf(e deadletter.Entry) []string {
	line := []string{
		e.ID, e.Received.Format(time.RFC3339), string(e.State), e.Origin.Tenant, e.Origin.Source, e.Format,
		strings.TrimPrefix(e.Field+": "+e.Letter.Reason, ": "),
	}
	for i := range line {
		line[i] = event.Printable(line[i])
	}
	return line
}

type deadLettersShowCommand struct {
	unsealFlags
	ID  string `arg:"" help:"The letter, as list names it."`
	Raw bool   `help:"Write the bytes as they are: only into a file or a program."`
}

// Run implements the command.
func (c *deadLettersShowCommand) Run(ctx context.Context, s streams) error {
	opener, err := c.opener()
	if err != nil {
		return err
	}
	client, reader, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	found := false
	err = reader.Fetch(ctx, func(id string) bool { return id == c.ID }, func(l deadletter.Letter) error {
		found = true
		data, err := opener.Open(&l)
		if err != nil {
			return err
		}
		if c.Raw {
			_, err = s.out.Write(data)
			return err
		}
		_, err = fmt.Fprintln(s.out, printableLines(string(data)))
		return err
	})
	if err == nil && !found {
		return fmt.Errorf("there is no dead letter %s", event.Printable(c.ID))
	}
	return err
}

type deadLettersRedriveCommand struct {
	unsealFlags
	redactionFlags
	IDs         []string `arg:"" optional:"" name:"id" help:"The letters, as list names them."`
	All         bool     `help:"All that are not redriven yet."`
	DryRun      bool     `help:"Only say what would become of them."`
	NoRedaction bool     `help:"Secrets in them are not taken out, as the collector that refused them does not either."`
}

// Run implements the command.
func (c *deadLettersRedriveCommand) Run(ctx context.Context, s streams) error {
	if c.All == (len(c.IDs) > 0) {
		return &exitError{code: exitUsage, err: errors.New("deadletters redrive: name dead letters, or give --all")}
	}
	opener, err := c.opener()
	if err != nil {
		return err
	}
	client, reader, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	intake, stop, err := c.intake(ctx, client)
	if err != nil {
		return err
	}
	defer stop()
	wanted, err := c.wanted(ctx, reader)
	if err != nil {
		return err
	}
	var taken, refused int
	err = reader.Fetch(ctx, func(id string) bool { return wanted[id] }, func(l deadletter.Letter) error {
		data, err := opener.Open(&l)
		if err != nil {
			return err
		}
		var refusal *collector.Refusal
		if c.DryRun {
			_, refusal, err = intake.Retry(l, data)
		} else {
			refusal, err = intake.Redrive(ctx, l, data)
		}
		if err != nil {
			return err
		}
		if refusal == nil {
			taken++
			return nil
		}
		refused++
		_, err = fmt.Fprintf(s.out, "%s is refused again: %s\n", l.ID, event.Printable(strings.TrimPrefix(refusal.Field+": "+refusal.Reason, ": ")))
		return err
	})
	verb := "are redriven"
	if c.DryRun {
		verb = "would be redriven"
	}
	if _, printed := fmt.Fprintf(s.out, "%d %s, %d refused again\n", taken, verb, refused); err == nil {
		err = printed
	}
	return err
}

// wanted are the letters to redrive: those named, or all; never those that were redriven.
func (c *deadLettersRedriveCommand) wanted(ctx context.Context, reader *deadletter.Reader) (map[string]bool, error) {
	entries, err := reader.List(ctx)
	if err != nil {
		return nil, err
	}
	wanted, known := map[string]bool{}, map[string]bool{}
	for _, e := range entries {
		known[e.ID] = true
		wanted[e.ID] = e.State != deadletter.Redriven && (c.All || slices.Contains(c.IDs, e.ID))
	}
	for _, id := range c.IDs {
		if !known[id] {
			return nil, fmt.Errorf("there is no dead letter %s", event.Printable(id))
		}
	}
	return wanted, nil
}

// intake is a collector that nobody can send to: it does what the one did that refused the letters.
func (c *deadLettersRedriveCommand) intake(ctx context.Context, client *kafka.Client) (intake *collector.Collector, stop func(), err error) {
	o := collector.DefaultOptions()
	if !c.NoRedaction {
		if c.RedactionKeyFile == "" && len(c.Kafka) == 0 {
			c.RedactionKeyFile = filepath.Join(c.Data, redactionKeyFile)
		}
		if o.Redaction, err = c.policy(); err != nil {
			return nil, nil, err
		}
	}
	events, err := client.NewProducer(ctx, kafka.Events)
	if err != nil {
		return nil, nil, err
	}
	deadLetters, err := client.NewProducer(ctx, kafka.DeadLetters)
	if err != nil {
		events.Close()
		return nil, nil, err
	}
	stop = func() { events.Close(); deadLetters.Close() }
	o.Events, o.DeadLetters, o.Registry = events, deadLetters, newRegistry()
	o.Credentials = credential.Fixed(credential.Single(randomToken(), credential.Identity{}))
	o.Ready = func(ctx context.Context) error { return client.Ready(ctx, kafka.Events) }
	if intake, err = collector.New(o); err != nil {
		stop()
	}
	return intake, stop, err
}
