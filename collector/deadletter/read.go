package deadletter

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// Entry is a letter and what became of it.
type Entry struct {
	Letter
	Change
}

// Reader reads the letters of mcp.deadletters.
type Reader struct {
	Client     *kafka.Client
	Partitions int
}

// maxPending bounds the bytes of letters of which parts are still to come, in each partition.
const maxPending = 256 << 20

// List gives every letter once, in the order in which they came to each partition, with what became of
// it. Their Data is left out.
func (r *Reader) List(ctx context.Context) ([]Entry, error) {
	var all []Entry
	for partition := range r.Partitions {
		place := map[string]int{} // in all, by key
		err := r.read(ctx, partition, func(record kafka.Record, values map[string]string) {
			key := string(record.Key)
			at, known := place[key]
			if State(values["state"]) != Kept {
				if known {
					all[at].Change = changeOf(values)
				}
				return
			}
			if known || values["part"] != "1" {
				return
			}
			l, ok := letterOf(record, values)
			if !ok {
				return
			}
			place[key] = len(all)
			all = append(all, Entry{l, Change{State: Kept, At: l.Received}})
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Fetch gives each the letters that are wanted, with their Data, each once. An error of each ends it.
func (r *Reader) Fetch(ctx context.Context, wanted func(id string) bool, each func(Letter) error) error {
	for partition := range r.Partitions {
		pending, size := map[string]*Letter{}, 0
		done := map[string]bool{}
		var failed error
		err := r.read(ctx, partition, func(record kafka.Record, values map[string]string) {
			key := string(record.Key)
			l, ok := letterOf(record, values)
			if failed != nil || State(values["state"]) != Kept || !ok || done[key] || !wanted(l.ID) {
				return
			}
			before := pending[key]
			if values["part"] == "1" {
				before = &l
				pending[key] = before
			}
			if before == nil {
				return
			}
			before.Data = append(before.Data, record.Value...)
			if size += len(record.Value); size > maxPending {
				failed = fmt.Errorf("reading dead letters: over %d bytes of unfinished ones in partition %d", maxPending, partition)
				return
			}
			if values["part"] != values["parts"] {
				return
			}
			size -= len(before.Data)
			delete(pending, key)
			done[key] = true
			failed = each(*before)
		})
		if err != nil {
			return err
		}
		if failed != nil {
			return failed
		}
	}
	return nil
}

// read gives each what a partition holds now.
func (r *Reader) read(ctx context.Context, partition int, each func(kafka.Record, map[string]string)) error {
	end, err := r.Client.End(ctx, kafka.DeadLetters, partition)
	if err != nil {
		return err
	}
	return r.Client.Read(ctx, kafka.DeadLetters, partition, 0, end, func(record kafka.Record) error {
		values := make(map[string]string, len(record.Headers))
		for _, h := range record.Headers {
			values[h.Key] = string(h.Value)
		}
		if values["state"] == "" {
			values["state"] = string(Kept) // written before there were states
		}
		each(record, values)
		return nil
	})
}

// letterOf is the letter of a record, without its bytes.
func letterOf(record kafka.Record, values map[string]string) (Letter, bool) {
	tenant, id, found := bytes.Cut(record.Key, []byte{0})
	if !found {
		return Letter{}, false
	}
	l := Letter{
		ID: string(id),
		Origin: event.Origin{
			Tenant: string(tenant), Source: values["source"], Collector: values["collector"], Address: values["address"],
			Agent: values["agent"], Principals: values["principals"] == "true",
		},
		Format: values["format"], Field: values["field"], Reason: values["reason"], Sealed: values["sealed"] == "true",
	}
	var err error
	if l.Received, err = time.Parse(time.RFC3339Nano, values["received"]); err != nil {
		return l, State(values["state"]) != Kept
	}
	l.Ordinal, _ = strconv.Atoi(values["ordinal"]) // 0 where it is none
	return l, true
}

func changeOf(values map[string]string) Change {
	at, err := time.Parse(time.RFC3339Nano, values["at"])
	if err != nil {
		at = time.Time{}
	}
	return Change{State: State(values["state"]), At: at, Reason: values["reason"]}
}
