package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/tlsfiles"
)

type doctorCommand struct {
	shipFlags
	ruleFlags
	Kafka      []string      `help:"Look at this Kafka." placeholder:"HOST:PORT"`
	ClickHouse string        `name:"clickhouse" help:"Look at this ClickHouse, http://USER:PASSWORD@HOST:8123." placeholder:"URL"`
	NATS       string        `name:"nats" help:"Look at this NATS, nats://HOST:4222." placeholder:"URL"`
	Since      time.Duration `help:"How far back sources are looked for." default:"1h"`
	JSON       bool          `name:"json" help:"Print one JSON object."`
}

// state is how grave a finding of the doctor's is.
type state string

const (
	fine  state = "ok"
	note  state = "note"
	wrong state = "wrong"
)

// symptom is one finding of the doctor's.
type symptom struct {
	State state  `json:"state"`
	What  string `json:"what"`
	Says  string `json:"says"`
	// Mend says what to do, where there is something.
	Mend string `json:"mend,omitempty"`
}

// diagnosis is all that the doctor finds.
type diagnosis struct {
	OK       bool         `json:"ok"`
	Symptoms []symptom    `json:"symptoms"`
	Sources  []sourceView `json:"sources"`
}

// sourceView is what a source sends, and what rules see of it.
type sourceView struct {
	Tenant       string   `json:"tenant"`
	Source       string   `json:"source"`
	Format       string   `json:"format"`
	Events       uint64   `json:"events"`
	Last         string   `json:"last"`
	Completeness []string `json:"completeness"`
	// Blind are the rules that can never be true there, Partly those that miss something.
	Blind  []string `json:"blind"`
	Partly []string `json:"partly"`
	// Late is how many seconds after its own time half of what it sends is received, Ahead by how
	// many its clock is ahead of the collector's, at least.
	Late  float64 `json:"late"`
	Ahead float64 `json:"ahead"`
}

func (d *diagnosis) add(s state, what, says, mend string) {
	d.Symptoms = append(d.Symptoms, symptom{s, what, says, mend})
}

// doctorPatience bounds each question.
const doctorPatience = 10 * time.Second

// Run implements the command.
func (c *doctorCommand) Run(ctx context.Context, s streams) error {
	if c.Since <= 0 {
		return &exitError{code: exitUsage, err: fmt.Errorf("doctor: --since is %s, must be more than nothing, such as 1h", c.Since)}
	}
	secure, err := tlsfiles.Client(c.CA, c.ClientCert, c.ClientKey)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	var d diagnosis
	at := running{Collector: c.Collector, Kafka: strings.Join(c.Kafka, ","), ClickHouse: c.ClickHouse, NATS: c.NATS}
	if at == (running{}) {
		if at, err = findRunning(c.Data); err != nil {
			return err
		}
	}
	set, err := c.load()
	if err != nil {
		d.add(wrong, "rules", event.Printable(strings.ReplaceAll(err.Error(), "\n", "; ")), "mcpwatch rules lint shows file and line; detectors keep the rules before in force")
		set = new(rule.Set)
	} else {
		d.add(fine, "rules", fmt.Sprintf("%d are loaded here", len(set.Programs)), "")
	}
	for _, look := range []struct {
		at   string
		with func(ctx context.Context, at string)
	}{
		{at.Collector, func(ctx context.Context, at string) { d.collector(ctx, at, secure) }},
		{at.Kafka, d.kafka},
		{at.ClickHouse, func(ctx context.Context, at string) { d.store(ctx, at, c.Since, set) }},
		{at.NATS, d.nats},
		{c.Data, func(_ context.Context, at string) { d.spool(at) }},
	} {
		if look.at == "" {
			continue
		}
		asking, cancel := context.WithTimeout(ctx, doctorPatience)
		look.with(asking, look.at)
		cancel()
	}
	d.OK = true
	for _, found := range d.Symptoms {
		d.OK = d.OK && found.State != wrong
	}
	if err := d.print(s.out, c.JSON); err != nil {
		return err
	}
	if !d.OK {
		return &exitError{code: exitCondition}
	}
	return nil
}

func (d *diagnosis) print(out io.Writer, asJSON bool) error {
	if asJSON {
		data, err := json.Marshal(d)
		if err != nil {
			return fmt.Errorf("encoding what was found: %w", err)
		}
		_, err = fmt.Fprintf(out, "%s\n", data)
		return err
	}
	var rows [][]string
	for _, s := range d.Symptoms {
		rows = append(rows, []string{string(s.State), s.What, s.Says, s.Mend})
	}
	if err := table(out, []string{"STATE", "WHAT", "SAYS", "MEND"}, rows); err != nil {
		return err
	}
	if len(d.Sources) == 0 {
		return nil
	}
	_, _ = fmt.Fprintln(out)
	rows = nil
	for _, s := range d.Sources {
		rows = append(rows, []string{
			event.Printable(s.Tenant + "/" + s.Source), event.Printable(s.Format), fmt.Sprint(s.Events), s.Last, fmt.Sprintf("%.0f s", s.Late),
			event.Printable(strings.Join(s.Completeness, " ")), fmt.Sprint(len(s.Partly)), event.Printable(listOrNone(s.Blind)),
		})
	}
	return table(out, []string{"SOURCE", "FORMAT", "EVENTS", "LAST", "LATE", "CARRIES", "PARTLY", "BLIND RULES"}, rows)
}
