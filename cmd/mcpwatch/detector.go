package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"

	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/control"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

type detectorCommand struct {
	kafkaFlags
	commonFlags
	ruleFlags
	Name   string `help:"This detector's name in logs; the host name where not given."`
	Memory int    `help:"How many MiB this detector may use; it says when the partitions that it holds could need more. 0: it does not." default:"8192"`
}

// Run implements the command.
func (c *detectorCommand) Run(ctx context.Context, s streams) error {
	p := c.start("detector", s)
	client, err := c.connect(ctx, "detector")
	if err != nil {
		return err
	}
	defer client.Close()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	return c.run(ctx, p, func(ctx context.Context) error {
		return runDetector(ctx, p, client, c.folders(), detecting{c.Name, c.Memory}, hangups)
	})
}

// detecting is what a detector is called, and how many MiB it may use, 0 for any.
type detecting struct {
	name   string
	memory int
}

// runDetector applies the rules in force until ctx ends: those in folders, or what any detector
// has published since. They are loaded again when a file changes, at a hangup, and by POST /-/reload.
func runDetector(ctx context.Context, p part, client *kafka.Client, folders []rule.Folder, as detecting, hangups <-chan os.Signal) error {
	outlets, err := openOutlets(ctx, client)
	defer outlets.close()
	if err != nil {
		return err
	}
	if as.name == "" {
		as.name, _ = os.Hostname()
	}
	rules, err := control.Start(ctx, control.Options{Kafka: client, Records: outlets.control, Folders: folders, Name: as.name, Log: p.log, Registry: p.registry})
	if err != nil {
		return err
	}
	if p.mux != nil {
		p.mux.Handle("POST /-/reload", reloadHandler(rules))
	}
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error { return rules.Follow(ctx) })
	parts.Go(func() error {
		rules.Watch(ctx, hangups)
		return nil
	})
	parts.Go(func() error {
		return detector.NewStage(detector.Options{
			Kafka: client, Findings: outlets.findings, Annotations: outlets.annotations, Observations: outlets.observations, States: outlets.states,
			Set: rules.Set, Now: time.Now, Memory: as.memory << 20, Log: p.log, Registry: p.registry,
		}).Run(ctx)
	})
	p.log.Info().Msg("detector is up")
	return parts.Wait()
}

// outlets are the topics that a detector writes to.
type outlets struct {
	findings, annotations, observations, states, control *kafka.Producer
	open                                                 []*kafka.Producer
}

func openOutlets(ctx context.Context, client *kafka.Client) (o outlets, err error) {
	for _, topic := range []struct {
		name string
		to   **kafka.Producer
		open func(context.Context, string) (*kafka.Producer, error)
	}{
		{kafka.Findings, &o.findings, client.NewProducer},
		{kafka.Annotations, &o.annotations, client.NewProducer},
		{kafka.Observations, &o.observations, client.NewProducer},
		{kafka.State, &o.states, client.NewOnceProducer},
		{kafka.Control, &o.control, client.NewProducer},
	} {
		if *topic.to, err = topic.open(ctx, topic.name); err != nil {
			return o, err
		}
		o.open = append(o.open, *topic.to)
	}
	return o, nil
}

func (o *outlets) close() {
	for _, p := range o.open {
		p.Close()
	}
}

// reloadHandler loads the rules again and publishes them, and answers with what every detector takes
// now, or with all that is wrong: 422, and every problem by file, line and column.
func reloadHandler(rules *control.Control) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		set, err := rules.Reload(r.Context())
		answer := struct {
			Control  string            `json:"control,omitempty"`
			Rules    int               `json:"rules,omitzero"`
			Error    string            `json:"error,omitempty"`
			Problems []control.Problem `json:"problems,omitempty"`
		}{}
		status := http.StatusOK
		switch refusal, refused := errors.AsType[*control.RefusedError](err); {
		case refused:
			status, answer.Error, answer.Problems = http.StatusUnprocessableEntity, "rules refused: those before stay in force", refusal.Problems
		case err != nil:
			status, answer.Error = http.StatusServiceUnavailable, err.Error()
		default:
			answer.Control, answer.Rules = set.Hash, len(set.Programs)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.MarshalWrite(w, answer) // nobody is left to tell
	})
}
