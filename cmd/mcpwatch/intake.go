package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/mcpwatch/mcpwatch/collector"
	"github.com/mcpwatch/mcpwatch/collector/credential"
	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// intakeFlags are the ways into a collector beside HTTP.
type intakeFlags struct {
	Syslog         string        `help:"Take syslog (RFC 5424 and 3164) in here over TCP, or TLS where --tls-cert is given." placeholder:"HOST:PORT"`
	SyslogFormat   format.Format `help:"Format of syslog's messages; found for each where not given." placeholder:"FORMAT"`
	SyslogSource   string        `help:"Whom syslog senders without a certificate stand for; without it they are not taken." placeholder:"TENANT/SOURCE"`
	KafkaIn        []string      `help:"Take others' topics in: TOPIC=FORMAT:TENANT/SOURCE, with the format auto where it is to be found." placeholder:"TOPIC=FORMAT:TENANT/SOURCE"`
	KafkaInBrokers []string      `help:"Brokers of those topics, where they are others than --kafka." placeholder:"HOST:PORT"`
}

// ways are the ways in, once they are open.
type ways struct {
	flags    intakeFlags
	syslog   collector.Syslog
	listener net.Listener
	topics   []collector.Topic
	brokers  *kafka.Client // of the topics
	own      bool          // brokers is nobody else's
}

// ways reads the flags.
func (f intakeFlags) ways() (*ways, error) {
	w := &ways{flags: f, syslog: collector.Syslog{Format: f.SyslogFormat}}
	var err error
	if f.SyslogSource != "" {
		if w.syslog.Others, err = identityOf(f.SyslogSource); err != nil {
			return nil, &exitError{code: exitUsage, err: fmt.Errorf("--syslog-source: %w", err)}
		}
	}
	for _, text := range f.KafkaIn {
		topic, err := topicOf(text)
		if err == nil && len(f.KafkaInBrokers) == 0 && slices.ContainsFunc(kafka.Layout{}.Topics(), func(t kafka.Topic) bool { return t.Name == topic.Name }) {
			err = errors.New("is a topic of mcpwatch itself")
		}
		if err != nil {
			return nil, &exitError{code: exitUsage, err: fmt.Errorf("--kafka-in %s: %w", text, err)}
		}
		w.topics = append(w.topics, topic)
	}
	return w, nil
}

// topicOf reads TOPIC=FORMAT:TENANT/SOURCE.
func topicOf(text string) (collector.Topic, error) {
	name, rest, found := strings.Cut(text, "=")
	form, of, both := strings.Cut(rest, ":")
	if !found || !both || name == "" {
		return collector.Topic{}, errors.New("must be TOPIC=FORMAT:TENANT/SOURCE")
	}
	t := collector.Topic{Name: name}
	if err := t.Format.UnmarshalText([]byte(form)); err != nil {
		return collector.Topic{}, err
	}
	var err error
	t.Of, err = identityOf(of)
	return t, err
}

// identityOf reads TENANT/SOURCE: a shared way in, trusted to have authenticated whom it names.
func identityOf(text string) (credential.Identity, error) {
	tenant, source, found := strings.Cut(text, "/")
	if !found || !credential.IsName(tenant) || !credential.IsName(source) {
		return credential.Identity{}, errors.New("tenant and source must be TENANT/SOURCE, each 1 to 64 letters, digits, _ or -")
	}
	return credential.Identity{Tenant: tenant, Source: source, Principals: true}, nil
}

// open binds and connects; client is that of the collector's own brokers.
func (w *ways) open(ctx context.Context, client *kafka.Client, secure *tls.Config) (err error) {
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.flags.Syslog != "" {
		if w.listener, err = net.Listen("tcp", w.flags.Syslog); err != nil { //nolint:noctx // it binds and does not wait
			return fmt.Errorf("starting syslog: %w", err)
		}
		if secure != nil {
			w.listener = tls.NewListener(w.listener, secure)
		}
	}
	if w.brokers = client; len(w.flags.KafkaInBrokers) > 0 {
		if w.brokers, err = kafka.NewClient(w.flags.KafkaInBrokers, "mcpwatch-in"); err != nil {
			return err
		}
		w.own = true
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, t := range w.topics {
		if err := w.brokers.EnsureTopics(ctx, kafka.Topic{Name: t.Name}); err != nil {
			return fmt.Errorf("--kafka-in: %w", err)
		}
	}
	return nil
}

func (w *ways) close() {
	if w.listener != nil {
		_ = w.listener.Close()
	}
	if w.own {
		w.brokers.Close()
	}
}

// run takes in what comes until ctx ends.
func (w *ways) run(ctx context.Context, group *errgroup.Group, c *collector.Collector, p part) {
	if w.listener != nil {
		p.log.Info().Str("address", w.listener.Addr().String()).Msg("syslog is up")
		group.Go(func() error { return c.ServeSyslog(ctx, w.listener, w.syslog) })
	}
	for _, t := range w.topics {
		group.Go(func() error { return c.Consume(ctx, w.brokers, t) })
	}
}
