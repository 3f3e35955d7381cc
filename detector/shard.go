package detector

import (
	"context"
	"strconv"
	"time"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/state"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// work is what a stage does with the records of one partition.
type work interface {
	// decide looks at a record, and puts what it causes into the outbox. One from before what was
	// committed causes nothing: it is only to be known.
	decide(r kafka.Record, before bool, out *outbox) error
	// swap makes it apply another rule set.
	swap(set *rule.Set)
	// report moves what it did since the last time, its memory aside, into the metrics.
	report(m *metrics)
	holder
	restorer
}

// holder takes memory.
type holder interface {
	// keeper keeps what its rules remember.
	keeper() *keeper
	// holdings is all the memory that it takes, by kind.
	holdings() []holding
}

// restorer is what comes back from a checkpoint beside what the rules remember.
type restorer interface {
	// changes and apply write it and read it back: an entry of its own.
	changes(give func(entry []byte))
	apply(entry []byte) error
	// restored ends a series of apply, and says from where to read on, up to what was committed.
	restored(clock, committed int64) (from int64)
}

// shard is one partition at work, of either stage.
type shard struct {
	stage  *Stage
	topic  string
	set    *rule.Set
	work   work
	out    *outbox
	memory checkpoint
	// full asks for a checkpoint of everything: what lies there is of another rule set.
	full   bool
	stored time.Time // of the last checkpoint
	// committed is the first offset that was not decided on before this shard, decided the first
	// that it has not decided on, settled the first beyond its last commit.
	committed, decided, settled int64
	reported                    Kept
	memories                    []RuleMemory // as reported
	holdings                    []holding    // as reported
}

// checkpointEvery is how often what rules remember is written, and with it the offset committed.
const checkpointEvery = time.Second

// Handle implements kafka.Handler. Called again with the same records it does not decide
// again, which the engine would take for repeats: it only writes what is still pending.
func (h *shard) Handle(ctx context.Context, records []kafka.Record) (kafka.Commit, error) {
	if err := h.memory.clean(ctx); err != nil {
		return kafka.Commit{}, err
	}
	swap := h.swap()
	for _, r := range records {
		if ctx.Err() != nil {
			return kafka.Commit{}, ctx.Err() // a batch may take a second; what is undecided is read again
		}
		if r.Offset < h.decided {
			continue
		}
		h.decided = r.Offset + 1
		if err := h.work.decide(r, r.Offset < h.committed, h.out); err != nil {
			h.stage.metrics.undecodable.Inc()
			h.stage.o.Log.Error().Err(err).Str("topic", r.Topic).Int("partition", r.Partition).Int64("offset", r.Offset).Msg("a record was left out")
		}
	}
	if err := h.out.flush(ctx); err != nil {
		return kafka.Commit{}, err
	}
	kept := h.work.keeper().kept()
	h.stage.metrics.kept(kept, h.reported)
	h.reported = kept
	h.work.report(h.stage.metrics)
	return h.commit(ctx, swap)
}

// Close takes what the shard remembers out of the gauges: another owner has it now.
func (h *shard) Close() error {
	h.remembered(nil)
	h.held(nil)
	return nil
}

// holds is the memory that the shard takes, by kind.
func (h *shard) holds() []holding {
	most, _ := h.out.known.Most()
	return append(h.work.holdings(), holding{"findings", h.out.known.Bytes(), most})
}

func (h *shard) held(now []holding) {
	h.stage.budget.move(h.topic, strconv.Itoa(h.memory.partition), now, h.holdings)
	h.holdings = now
}

func (h *shard) remembered(now []RuleMemory) {
	h.stage.metrics.remembered(now, h.memories)
	h.memories = now
}

// swap takes the rule set in force, if it is another, at a boundary of checkpoints only: where all
// that was decided is committed. It reports whether a checkpoint has to come first.
func (h *shard) swap() (wanted bool) {
	set := h.stage.o.Set()
	switch {
	case set.Hash == h.set.Hash:
		return false
	case h.decided > h.settled:
		return true
	}
	h.set, h.full = set, true
	h.work.swap(set)
	return false
}

// commit makes a checkpoint, where it is time for one. Without one nothing is committed: offset
// and memory change together.
func (h *shard) commit(ctx context.Context, now bool) (kafka.Commit, error) {
	due := now || !h.work.keeper().remembers() || h.stage.o.Now().Sub(h.stored) >= checkpointEvery
	if h.decided <= h.settled || !due {
		return kafka.Commit{}, nil
	}
	metadata, err := h.memory.write(ctx, h, h.full, h.stage.o.Now())
	if err != nil {
		return kafka.Commit{}, err
	}
	h.full, h.stored, h.settled = false, h.stage.o.Now(), h.decided
	h.remembered(h.work.keeper().memory())
	h.held(h.holds())
	return kafka.Commit{Offset: h.decided, Metadata: metadata}, nil
}

// Tables of a checkpoint that are no rule's.
func knownTable() state.Table { return state.Table{Rule: "findings", Version: "1"} }
func workTable() state.Table  { return state.Table{Rule: "stage", Version: "1"} }

// changes implements memory.
func (h *shard) changes(w *state.Writer, everything bool) {
	h.work.keeper().changes(w, everything)
	h.out.changes(func(entry []byte) { w.Add(knownTable(), entry) }, everything)
	h.work.changes(func(entry []byte) { w.Add(workTable(), entry) })
}

// stands implements memory.
func (h *shard) stands() (clock int64, control string) { return h.work.keeper().clock, h.set.Hash }

// apply reads back an entry of a checkpoint.
func (h *shard) apply(table state.Table, entry []byte) error {
	switch table {
	case knownTable():
		return h.out.known.Apply(entry)
	case workTable():
		return h.work.apply(entry)
	}
	return h.work.keeper().apply(table, entry)
}
