// Package control keeps the rules that detectors apply in step. What decides findings is a
// record of mcp.control that is named by a hash of its content. Whoever wants other rules loads them,
// runs their tests, and writes them there; every detector reads them from there, loads and tests them
// again, and takes them between two checkpoints. Rules that do not load change nothing anywhere.
package control

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// Options are what a Control is made of.
type Options struct {
	Kafka *kafka.Client
	// Records writes to mcp.control.
	Records *kafka.Producer
	// Folders are where this process has its rules.
	Folders []rule.Folder
	// Name says in logs who published rules.
	Name string

	Log      zerolog.Logger
	Registry prometheus.Registerer
}

// Control knows the rule set in force. It is safe for concurrent use.
type Control struct {
	o       Options
	metrics metrics
	set     atomic.Pointer[rule.Set]
	next    int64  // of mcp.control: what Follow reads first
	loaded  uint64 // the fingerprint of the files that Start loaded

	reloading sync.Mutex // one reload at a time
}

// The record of the rules: the newest of its key is in force.
const (
	partition    = 0 // mcp.control has one
	recordKey    = "rules"
	headerHash   = "hash"
	headerBy     = "by"
	headerFolder = "folder" // the name of one, in their order
)

// Start finds the rules in force. They are this process's own, where those load: if others were in
// force it publishes them, so the detector that was started last decides. Where its own do not
// load, what is in force stays; if nothing is, the error is a *RefusedError.
func Start(ctx context.Context, o Options) (*Control, error) {
	c := &Control{o: o, metrics: newMetrics(o.Registry)}
	newest, err := c.newest(ctx)
	if err != nil {
		return nil, err
	}
	c.loaded = fingerprint(o.Folders)
	own, packed, refusal := c.load()
	if refusal == nil {
		c.adopt(own, o.Name)
		if newest == nil || header(newest, headerHash) != own.Hash {
			return c, c.publish(ctx, own, packed)
		}
		return c, nil
	}
	if newest == nil || !c.take(newest) {
		return nil, refusal
	}
	c.refused(refusal, o.Name)
	return c, nil
}

// newest is the record of the rules in force, nil where there is none.
func (c *Control) newest(ctx context.Context) (newest *kafka.Record, err error) {
	c.next, err = c.o.Kafka.End(ctx, kafka.Control, partition)
	if err == nil {
		err = c.o.Kafka.Read(ctx, kafka.Control, partition, 0, c.next, func(r kafka.Record) error {
			if string(r.Key) == recordKey {
				newest = &r
			}
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("reading which rules are in force: %w", err)
	}
	return newest, nil
}

// Set is the rule set in force.
func (c *Control) Set() *rule.Set { return c.set.Load() }

// Follow takes the rules that anybody publishes, until ctx ends.
func (c *Control) Follow(ctx context.Context) error {
	return c.o.Kafka.Follow(ctx, kafka.Control, partition, c.next, func(r kafka.Record) {
		if string(r.Key) == recordKey && header(&r, headerHash) != c.Set().Hash {
			c.take(&r)
		}
	})
}

// Reload loads this process's rules again, and publishes them, where they load and are others than
// those in force. It returns the set that was loaded; the error of rules that do not load is a *RefusedError.
func (c *Control) Reload(ctx context.Context) (*rule.Set, error) {
	c.reloading.Lock()
	defer c.reloading.Unlock()
	set, packed, err := c.load()
	if err != nil {
		c.refused(err, c.o.Name)
		return nil, err
	}
	if set.Hash == c.Set().Hash {
		return set, nil
	}
	if err := c.publish(ctx, set, packed); err != nil {
		c.o.Log.Error().Err(err).Msg("rules were not published: those before stay in force")
		return nil, err
	}
	return set, nil
}

// load loads this process's own rules, and says which files are passed over.
func (c *Control) load() (set *rule.Set, packed []byte, err error) {
	for _, passed := range rule.Unread(c.o.Folders...) {
		c.o.Log.Warn().Str("file", passed.File).Msg(passed.Reason)
	}
	return load(c.o.Folders)
}

// load packs the files of folders, and loads what was packed: files may change at any time.
func load(folders []rule.Folder) (set *rule.Set, packed []byte, err error) {
	if packed, err = pack(folders); err != nil {
		return nil, nil, err
	}
	names := make([]string, len(folders))
	for i, f := range folders {
		names[i] = f.Name
	}
	if folders, err = unpack(packed, names); err != nil {
		return nil, nil, err
	}
	set, err = Load(folders...)
	return set, packed, err
}

// publish writes the files that the set was loaded from.
func (c *Control) publish(ctx context.Context, set *rule.Set, packed []byte) error {
	r := kafka.Record{Key: []byte(recordKey), Value: packed, Headers: []kafka.Header{
		{Key: headerHash, Value: []byte(set.Hash)}, {Key: headerBy, Value: []byte(c.o.Name)},
	}}
	for _, f := range c.o.Folders {
		r.Headers = append(r.Headers, kafka.Header{Key: headerFolder, Value: []byte(f.Name)})
	}
	if err := c.o.Records.Produce(ctx, []kafka.Record{r}); err != nil {
		return fmt.Errorf("publishing rules: %w", err)
	}
	c.o.Log.Info().Str("control", set.Hash).Int("rules", len(set.Programs)).Msg("rules published")
	return nil
}

// take loads the rules in a record, and reports whether they are in force now.
func (c *Control) take(r *kafka.Record) bool {
	by := header(r, headerBy)
	var names []string
	for _, h := range r.Headers {
		if h.Key == headerFolder {
			names = append(names, string(h.Value))
		}
	}
	folders, err := unpack(r.Value, names)
	var set *rule.Set
	if err == nil {
		set, err = Load(folders...)
	}
	if err == nil && set.Hash != header(r, headerHash) {
		err = errors.New("this version of mcpwatch reads them otherwise than the one that published them")
	}
	if err != nil {
		c.refused(err, by)
		return false
	}
	c.adopt(set, by)
	return true
}

func (c *Control) adopt(set *rule.Set, by string) {
	c.set.Store(set)
	c.metrics.adopted(set)
	c.o.Log.Info().Str("control", set.Hash).Int("rules", len(set.Programs)).Str("by", by).Msg("rules in force")
}

func (c *Control) refused(err error, by string) {
	c.metrics.refused.Inc()
	log := c.o.Log.Error().Str("by", by)
	if refusal, ok := errors.AsType[*RefusedError](err); ok {
		log.Interface("problems", refusal.Problems).Msg("rules refused: those before stay in force")
		return
	}
	log.Err(err).Msg("rules refused: those before stay in force")
}

func header(r *kafka.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

type metrics struct {
	inForce *prometheus.GaugeVec
	loads   prometheus.Counter
	refused prometheus.Counter
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		inForce: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "mcpwatch_detector_rules", Help: "Rules in force; control is the hash that findings carry.",
		}, []string{"control"}),
		loads:   prometheus.NewCounter(prometheus.CounterOpts{Name: "mcpwatch_detector_rules_taken_total", Help: "Rule sets taken."}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{Name: "mcpwatch_detector_rules_refused_total", Help: "Rule sets refused because they do not load, or their tests fail."}),
	}
	r.MustRegister(m.inForce, m.loads, m.refused)
	return m
}

func (m *metrics) adopted(set *rule.Set) {
	m.loads.Inc()
	m.inForce.Reset()
	m.inForce.WithLabelValues(set.Hash).Set(float64(len(set.Programs)))
}
