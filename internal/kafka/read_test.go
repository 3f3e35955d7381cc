package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

func TestEachRecordLiesAtTheOffsetThatAppendReturned(t *testing.T) {
	client := start(t)
	producer := topic(t, client, "state", 2)
	var mu sync.Mutex
	at := map[int64]string{}
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			for i := range 20 {
				records := make([]kafka.Record, 1+i%3)
				for n := range records {
					records[n] = kafka.Record{Key: fmt.Append(nil, i), Value: fmt.Appendf(nil, "%d:%d:%d", w, i, n)}
				}
				offsets, err := producer.Append(t.Context(), 1, records)
				if err != nil || len(offsets) != len(records) || !slices.IsSorted(offsets) {
					t.Errorf("appended at %v: %v", offsets, err)
					return
				}
				mu.Lock()
				for n, o := range offsets {
					at[o] = string(records[n].Value)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	read := map[int64]string{}
	err := client.Read(t.Context(), "state", 1, 0, int64(len(at)), func(r kafka.Record) error {
		read[r.Offset] = string(r.Value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(at) != 8*39 || fmt.Sprint(read) != fmt.Sprint(at) {
		t.Errorf("%d records were appended at %v, read %v", len(at), at, read)
	}
	if _, err := producer.Append(t.Context(), 2, []kafka.Record{{}}); err == nil || !strings.Contains(err.Error(), "no partition 2") {
		t.Errorf("a partition that is not there: %v", err)
	}
}

func TestATombstoneStaysOne(t *testing.T) {
	client := start(t)
	producer := topic(t, client, "state", 1)
	sent := []kafka.Record{
		{Key: []byte("gone")},
		{Key: []byte("empty"), Value: []byte{}},
		{Key: []byte("full"), Value: []byte("v"), Headers: []kafka.Header{{Key: "h", Value: []byte("1")}}},
	}
	if _, err := producer.Append(t.Context(), 0, sent); err != nil {
		t.Fatal(err)
	}
	var got []kafka.Record
	err := client.Read(t.Context(), "state", 0, 0, 3, func(r kafka.Record) error {
		got = append(got, r)
		return nil
	})
	if err != nil || len(got) != len(sent) {
		t.Fatalf("read %v: %v", got, err)
	}
	for i, want := range sent {
		if (got[i].Value == nil) != (want.Value == nil) || !bytes.Equal(got[i].Value, want.Value) || !bytes.Equal(got[i].Key, want.Key) || len(got[i].Headers) != len(want.Headers) {
			t.Errorf("%+v arrived as %+v", want, got[i])
		}
	}
}

func TestReadGivesTheRangeAndNoMore(t *testing.T) {
	addr, client := broker(t)
	producer := topic(t, client, "events", 1)
	produceAll(t, producer, numbered(0, 10))
	deleteRecords(t.Context(), t, addr, "events", 3)
	wrong := errors.New("wrong")
	for _, test := range []struct {
		name     string
		waits    bool
		from, to int64
		each     error
		want     []string
		err      string
	}{
		{"a part of a batch", true, 4, 6, nil, numbered(4, 6), ""},
		{"up to the end", true, 7, 10, nil, numbered(7, 10), ""},
		{"nothing", true, 5, 5, nil, nil, ""},
		{"what has expired is left out", true, 0, 5, nil, numbered(3, 5), ""},
		{"all has expired", true, 0, 2, nil, nil, ""},
		{"beyond the end", true, 8, 12, nil, numbered(8, 10), "up to 12: the log has become shorter than what was read: it ends at 10"},
		{"wholly beyond the end", true, 12, 13, nil, nil, "it ends at 10"},
		{"the caller has enough", true, 4, 6, wrong, numbered(4, 5), "wrong"},
		{"nobody waits", false, 4, 6, nil, nil, "context canceled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if !test.waits {
				cancel()
			}
			var got []string
			err := client.Read(ctx, "events", 0, test.from, test.to, func(r kafka.Record) error {
				got = append(got, string(r.Value))
				return test.each
			})
			if !slices.Equal(got, test.want) {
				t.Errorf("read %q, want %q", got, test.want)
			}
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	client := start(b)
	producer := topic(b, client, "state", 1)
	const size = 1000
	var records []kafka.Record
	for i := range 100_000 {
		value := bytes.Repeat(fmt.Appendf(nil, "%08d", i), size/8)
		records = append(records, kafka.Record{Key: value[:20], Value: value})
	}
	if _, err := producer.Append(b.Context(), 0, records); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(records)) * size)
	for b.Loop() {
		n := 0
		err := client.Read(b.Context(), "state", 0, 0, int64(len(records)), func(kafka.Record) error { n++; return nil })
		if err != nil || n != len(records) {
			b.Fatal(n, err)
		}
	}
}
