package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/mcpwatch/mcpwatch/alert"
	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
	"github.com/mcpwatch/mcpwatch/storage"
)

// collector asks a collector whether it takes events.
func (d *diagnosis) collector(ctx context.Context, at string, secure *tls.Config) {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: secure, Proxy: http.ProxyFromEnvironment}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(at, "/")+"/readyz", nil)
	if err != nil {
		d.add(wrong, "collector", "its address is no URL", "give --collector like https://HOST:7400")
		return
	}
	response, err := client.Do(request)
	if err != nil {
		d.add(wrong, "collector", event.Printable(err.Error()), "start it, and look at address, firewall and --ca; shippers spool meanwhile")
		return
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		d.add(wrong, "collector", fmt.Sprintf("answers %d: it cannot write to Kafka", response.StatusCode), "look at Kafka and the collector's log; shippers spool meanwhile")
		return
	}
	d.add(fine, "collector", "takes events", "")
}

// Bounds of what is well: a group may lag that far behind, or further while it catches up.
const (
	lagBound = 10_000
	lagPause = time.Second // between two looks
)

// kafka looks at topics, groups and dead letters.
func (d *diagnosis) kafka(ctx context.Context, at string) {
	client, err := kafka.NewClient(strings.Split(at, ","), "mcpwatch-doctor")
	if err != nil {
		d.add(wrong, "kafka", err.Error(), "give --kafka HOST:PORT")
		return
	}
	defer client.Close()
	var names []string
	for _, t := range (kafka.Layout{Partitions: 1}).Topics() {
		names = append(names, t.Name)
	}
	topics, err := client.Inspect(ctx, names...)
	if err != nil {
		d.add(wrong, "kafka", event.Printable(err.Error()), "start it, and look at address and firewall; collectors answer 503 and shippers spool meanwhile")
		return
	}
	d.topics(topics)
	for _, t := range topics {
		if t.Name == kafka.DeadLetters && t.Records > 0 {
			d.add(note, "dead letters", fmt.Sprintf("%d records could not be read", t.Records), "their header reason says why: mend the source, or the name of its format")
		}
	}
	lags := func() map[pathReader]int64 {
		all := map[pathReader]int64{}
		for _, r := range append(pathReaders(), pathReader{detector.FleetGroup, kafka.Observations}) {
			if lag, err := client.Lag(ctx, r.group, r.topic); err == nil {
				all[r] = lag
			}
		}
		return all
	}
	d.lag(ctx, lags)
}

// topics judges topics by what mcpwatch relies on.
func (d *diagnosis) topics(topics []kafka.TopicState) {
	before := len(d.Symptoms)
	events := 0
	for _, t := range topics {
		compacted := strings.Contains(t.Settings["cleanup.policy"], "compact")
		switch name := "topic " + t.Name; {
		case t.Partitions == 0:
			d.add(wrong, name, "is not there", "start any part of mcpwatch: it makes the topics")
			continue
		case t.Leaderless > 0:
			d.add(wrong, name, fmt.Sprintf("%d of %d partitions have no leader", t.Leaderless, t.Partitions), "bring the brokers back that hold them")
		case t.Behind > 0:
			d.add(note, name, fmt.Sprintf("%d of %d partitions have replicas that do not follow", t.Behind, t.Partitions), "look at the brokers: one more that dies may stop writes")
		case (t.Name == kafka.State || t.Name == kafka.Control) != compacted:
			d.add(wrong, name, "has cleanup.policy "+t.Settings["cleanup.policy"], "set it to compact for mcp.state and mcp.control, and delete for the others")
		}
		if t.Name == kafka.Events {
			events = t.Partitions
		}
	}
	for _, t := range topics {
		if t.Name != kafka.Control && t.Partitions > 0 && t.Partitions != events {
			d.add(wrong, "topic "+t.Name, fmt.Sprintf("has %d partitions, mcp.events %d", t.Partitions, events), "partition counts must be equal and are fixed when topics are made: make them anew")
		}
	}
	if len(d.Symptoms) == before {
		d.add(fine, "kafka", fmt.Sprintf("%d topics of %d partitions", len(topics), events), "")
	}
}

// lag looks twice at how far groups are behind: one that catches up is well.
func (d *diagnosis) lag(ctx context.Context, look func() map[pathReader]int64) {
	first := look()
	var most int64
	for _, lag := range first {
		most = max(most, lag)
	}
	if most <= lagBound {
		d.add(fine, "groups", fmt.Sprintf("none is more than %d records behind", most), "")
		return
	}
	select {
	case <-ctx.Done():
		return
	case <-time.After(lagPause):
	}
	for r, lag := range look() {
		switch {
		case lag <= lagBound:
		case lag < first[r]:
			d.add(note, "group "+r.group, fmt.Sprintf("is %d records of %s behind and catching up", lag, r.topic), "wait, or start more of that part")
		default:
			d.add(wrong, "group "+r.group, fmt.Sprintf("is %d records of %s behind and does not catch up", lag, r.topic), "start that part, or look at its log; more of them share the work")
		}
	}
}

// aheadBound is how far a source's clock may be ahead.
const aheadBound = time.Minute

// store looks at ClickHouse and the sources whose events are there.
func (d *diagnosis) store(ctx context.Context, at string, since time.Duration, set *rule.Set) {
	store, err := storage.Open(at)
	if err != nil {
		d.add(wrong, "clickhouse", err.Error(), "give --clickhouse like http://USER:PASSWORD@HOST:8123")
		return
	}
	defer func() { _ = store.Close() }()
	sources, err := store.Sources(ctx, time.Now().Add(-since))
	if err != nil {
		d.add(wrong, "clickhouse", event.Printable(err.Error()), "start it, and look at address and password; the sink catches up from Kafka")
		return
	}
	d.add(fine, "clickhouse", "answers", "")
	if len(sources) == 0 {
		d.add(note, "sources", fmt.Sprintf("no event was stored in the last %s", since), "send something (docs/sending.md), or look at the sink's group above")
	}
	for i := range sources {
		d.source(&sources[i], set)
	}
}

// source says how a source is and what rules see of it.
func (d *diagnosis) source(s *storage.SourceHealth, set *rule.Set) {
	v := sourceView{
		Tenant: s.Tenant, Source: s.Source, Format: s.Format, Events: s.Events,
		Last: s.Last.UTC().Format(time.RFC3339), Completeness: s.Completeness,
	}
	if !math.IsNaN(s.SkewMiddle) {
		v.Late, v.Ahead = s.SkewMiddle, max(0, -s.SkewLow)
	}
	coverage := coverage{rules: set.Programs, sources: []source{{s.Format, s.Completeness}}}
	_ = coverage.each(func(p *rule.Program, _ source, sight rule.Sight, _ []string) error {
		switch sight {
		case rule.Blind:
			v.Blind = append(v.Blind, p.Rule.ID)
		case rule.Partly:
			v.Partly = append(v.Partly, p.Rule.ID)
		case rule.Whole:
		}
		return nil
	})
	d.Sources = append(d.Sources, v)
	name := "source " + event.Printable(s.Tenant+"/"+s.Source)
	if v.Ahead > aheadBound.Seconds() {
		d.add(wrong, name, fmt.Sprintf("has a clock that is %.0f s ahead", v.Ahead), "mend its clock (NTP): windows run on the source's time")
	}
	if len(v.Blind) > 0 {
		d.add(note, name, fmt.Sprintf("cannot show %d of %d rules anything in format %s", len(v.Blind), len(set.Programs), event.Printable(s.Format)),
			"the table below names them; a tap beside the agent shows all")
	}
}

// nats looks at the stream of findings.
func (d *diagnosis) nats(ctx context.Context, at string) {
	s, err := alert.Inspect(ctx, at)
	if errors.Is(err, alert.ErrNoStream) {
		d.add(wrong, "nats", err.Error(), "start mcpwatch alert: it makes the stream")
		return
	}
	if err != nil {
		d.add(wrong, "nats", event.Printable(err.Error()), "start it, and look at address and token; alerts are sent from Kafka once it is back")
		return
	}
	d.add(fine, "nats", fmt.Sprintf("the stream holds %d findings", s.Findings), "")
	for webhook, waiting := range s.Waiting {
		if waiting > 0 {
			d.add(note, "webhook "+event.Printable(webhook), fmt.Sprintf("has %d findings still to be told", waiting), "look at alert's log for what the receiver answers")
		}
	}
}

// spoolBound is when a spool is nearly as full as a tap lets it become.
const spoolBound = 200 << 20

// spool looks at what taps and hooks of this host have not shipped.
func (d *diagnosis) spool(data string) {
	folder := filepath.Join(data, spoolDir)
	var bytes int64
	oldest := time.Now()
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && path == filepath.Join(folder, positionsDir) {
			return filepath.SkipDir
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
			return nil //nolint:nilerr // it was shipped meanwhile
		}
		bytes += info.Size()
		if info.ModTime().Before(oldest) {
			oldest = info.ModTime()
		}
		return nil
	})
	age := time.Since(oldest).Truncate(time.Second)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && bytes == 0:
		d.add(fine, "spool", "nothing on this host waits to be shipped", "")
	case err != nil:
		d.add(note, "spool", event.Printable(err.Error()), "look at who owns "+event.Printable(folder))
	case bytes > spoolBound:
		d.add(wrong, "spool", fmt.Sprintf("%d MiB wait to be shipped, the oldest for %s; beyond 256 MiB the oldest is dropped", bytes>>20, age), "see that the collector can be reached and takes the token")
	default:
		d.add(note, "spool", fmt.Sprintf("%d KiB wait to be shipped, the oldest for %s", bytes>>10, age), "the next tap or hook ships them")
	}
}
